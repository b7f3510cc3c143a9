"""Faces of pictures and frames: the program's numbers, what is refused, threads and memory."""

import gc
import itertools
import json
import shutil
import threading
import time
import unittest

import numpy as np

import lkg
from common import CARTOONS, CLIP, DRAWN, PHOTO, PORTRAIT, ROOT, SMALL, Case, memory, runtime

CASES = ROOT / "tests/fixtures/cases"
PICTURES = [PHOTO, CASES / "alpha.png", CASES / "display-p3.png", CASES / "gray.png", CASES / "patches.png",
            SMALL / "detections.jpg"]


def rounded(value, digits):
    """As the program rounds."""
    return int(abs(value) * 10**digits + 0.5) / 10**digits * (-1 if value < 0 else 1)


class SameAsTheProgram(Case):
    def test_pictures_of_every_bundle(self):
        faces = 0
        for bundle in (SMALL, DRAWN, PORTRAIT, CARTOONS):
            printed = runtime(bundle, "detect", *PICTURES, "--json").splitlines()
            detector = lkg.Detector(bundle, provider="cpu")
            for path, line in zip(PICTURES, printed, strict=True):
                found = detector.detect(lkg.read_picture(path))
                self.assertEqual(found.to_json(str(path)), line)
                self.assertEqual(found.to_dict(str(path)), json.loads(line))
                faces += len(found)
        self.assertGreater(faces, 40)

    def test_other_confidences_and_one_look(self):
        detector, once = lkg.Detector(SMALL, provider="cpu"), lkg.Detector(SMALL, provider="cpu", once=True)
        for path, least in itertools.product(PICTURES[:5], ("0", "0.3", "0.9")):
            for finder, flags in ((detector, []), (once, ["--once"])):
                line = runtime(SMALL, "detect", path, "--json", "--min-confidence", least, *flags)
                found = finder.detect(lkg.read_picture(path), min_confidence=float(least))
                self.assertEqual(found.to_json(str(path)) + "\n", line, f"{path} {least} {flags}")

    def test_frames_of_a_clip(self):
        for bundle in (SMALL, PORTRAIT):
            printed = runtime(bundle, "detect", CLIP, "--json", "--faces", "2").splitlines()
            detector = lkg.Detector(bundle, provider="cpu")
            clip = lkg.Clip(CLIP)
            self.assertEqual(clip.count, len(printed))
            tracked = list(detector.track(clip, faces=2))
            # Its pixels are not square.
            self.assertEqual({(found.width, found.height) for found in tracked}, {(192, 144)})
            self.assertEqual([found.to_json(str(CLIP)) for found in tracked], printed)

    def test_numbers_of_a_face_are_those_printed_before_they_are_rounded(self):
        found = lkg.Detector(PORTRAIT, provider="cpu").detect(lkg.read_picture(PHOTO))
        (face,), (told,) = found, found.to_dict()["faces"]
        self.assertEqual((face.id, list(face.box)), (told["id"], told["box"]))
        self.assertEqual(list(face.keypoints), list(told["keypoints"]))
        for (x, y, confidence), printed, row in zip(face.keypoints.values(), told["keypoints"].values(), face.points):
            self.assertEqual([rounded(x, 2), rounded(y, 2), rounded(confidence, 4)], printed)
            self.assertEqual(row.tolist(), [x, y, confidence])
        self.assertEqual((face.points.dtype, face.points.shape), (np.float32, (len(face.keypoints), 3)))
        self.assertEqual([rounded(s, 4) for s in face.states.ravel().tolist()], told["states"])
        self.assertEqual({k: rounded(v, 3) for k, v in face.expressions.items()}, told["expressions"])
        bundle = lkg.Bundle(PORTRAIT)
        for name, (least, most) in bundle.expressions.items():
            self.assertTrue(least <= face.expressions[name] <= most)
        self.assertEqual(bundle.keypoints, list(face.keypoints))


class Use(Case):
    @classmethod
    def setUpClass(cls):
        cls.detector = lkg.Detector(SMALL, provider="cpu")
        cls.photo = lkg.read_picture(PHOTO)

    def test_a_sequence(self):
        found = self.detector.detect(lkg.read_picture(SMALL / "detections.jpg"))
        self.assertGreater(len(found), 3)
        self.assertEqual([face.id for face in found], list(range(1, len(found) + 1)))
        self.assertEqual(found[-1].id, len(found))
        with self.assertRaises(IndexError):
            found[len(found)]
        self.assertIsNone(found.time)
        self.assertIsNone(found.frame)
        self.assertIn("lkg.Face 1", repr(found[0]))

    def test_one_face(self):
        face = self.detector.detect_one(self.photo)
        self.assertEqual(face.points.tolist(), self.detector.detect(self.photo)[0].points.tolist())
        self.assertIsNone(self.detector.detect_one(np.zeros((64, 64, 3), np.uint8)))

    def test_arrays_of_any_layout(self):
        wanted = self.detector.detect(self.photo).to_json()
        height, width, _ = self.photo.shape
        wide = np.zeros((height, 2 * width, 3), np.uint8)
        wide[:, ::2] = self.photo
        within = np.zeros((height + 7, width + 5, 3), np.uint8)
        within[3:-4, 2:-3] = self.photo
        bgr = np.ascontiguousarray(self.photo[..., ::-1])
        read_only = self.photo.copy()
        read_only.flags.writeable = False
        layouts = {
            "every other column": wide[:, ::2], "a part": within[3:-4, 2:-3], "colours turned": bgr[..., ::-1],
            "Fortran": np.asfortranarray(self.photo), "read-only": read_only,
            "planes": np.ascontiguousarray(self.photo.transpose(2, 0, 1)).transpose(1, 2, 0),
            "upside down": np.ascontiguousarray(self.photo[::-1])[::-1],
        }
        for name, picture in layouts.items():
            before = picture.copy()
            self.assertEqual(self.detector.detect(picture).to_json(), wanted, name)
            self.assertTrue((picture == before).all(), name)

    def test_what_is_no_picture_is_refused(self):
        wrong = [
            (np.zeros((8, 8, 3), np.float32), "float32"), (np.zeros((8, 8), np.uint8), "shape (8, 8)"),
            (np.zeros((8, 8, 4), np.uint8), "shape (8, 8, 4)"), (np.zeros((1, 8, 8, 3), np.uint8), "(1, 8, 8, 3)"),
            (np.zeros((8, 8, 3), np.int8), "int8"), (np.zeros((0, 8, 3), np.uint8), "8 x 0"),
            (np.zeros((8, 8, 3), ">u2"), "u2"), ([[1, 2, 3]], "list"), (None, "NoneType"), ("photo.jpg", "str"),
        ]
        for picture, part in wrong:
            with self.refused(lkg.PictureError, part):
                self.detector.detect(picture)
        self.assertEqual(self.detector.detect(np.zeros((1, 1, 3), np.uint8)).to_dict()["faces"], [])

    def test_arguments_out_of_their_range_are_refused(self):
        detector = self.detector
        wrong = [
            (lambda: detector.detect(self.photo, min_confidence=1.5), "min_confidence: 1.5"),
            (lambda: detector.detect(self.photo, min_confidence=float("nan")), "min_confidence"),
            (lambda: detector.track([], fps=0), "fps"), (lambda: detector.track([], faces=0), "faces"),
            (lambda: lkg.Detector(SMALL, provider="tpu"), "tpu"), (lambda: lkg.Detector(SMALL, threads=0), "threads"),
            (lambda: lkg.Detector(7), "bundle"), (lambda: lkg.Tracker(SMALL).update(self.photo, -1.0), "time"),
        ]
        for call, part in wrong:
            with self.refused(lkg.ArgumentError, part):
                call()
        with self.assertRaises(TypeError):
            detector.track(7)

    def test_bundles_that_are_none_are_refused(self):
        with self.refused(lkg.BundleError, "nowhere"):
            lkg.Detector("nowhere")
        broken = self.folder / "broken"
        shutil.copytree(SMALL, broken)
        with open(broken / "detector.onnx", "r+b") as network:
            network.truncate(1000)
        with self.refused(lkg.BundleError, "detector.onnx"):
            lkg.Detector(broken)
        with self.refused(lkg.SourceError, "nowhere.mp4"):
            lkg.Clip("nowhere.mp4")
        with self.refused(lkg.PictureError, "nowhere.png"):
            lkg.read_picture("nowhere.png")

    def test_a_tracker_takes_frames_one_by_one(self):
        frames = list(itertools.islice(lkg.Clip(CLIP), 20))
        wanted = [found.to_json() for found in self.detector.track(iter(frames))]
        tracker = lkg.Tracker(self.detector.bundle, provider="cpu")
        for _ in range(2):
            self.assertEqual([tracker.update(frame, at).to_json() for at, frame in frames], wanted)
            tracker.reset()
        # Bare frames come at a rate.
        times = [found.time for found in self.detector.track((frame for _, frame in frames), fps=4)]
        self.assertEqual(times, [i / 4 for i in range(20)])
        last = tracker.update(frames[0][1], 0.0)
        x, y, width, height = last[0].box
        self.assertEqual(tracker.choose_at(x + width / 2, y + height / 2), last[0].id)
        self.assertFalse(tracker.calibrate(last[0].id), "a bundle without expressions")

    def test_what_a_source_of_frames_raises_comes_through(self):
        def frames():
            yield self.photo
            raise KeyError("lost")

        track = self.detector.track(frames())
        self.assertEqual(next(track).frame, 0)
        with self.assertRaises(KeyError):
            next(track)


class Threads(Case):
    def test_another_thread_goes_on_while_a_network_runs(self):
        detector = lkg.Detector(DRAWN, provider="cpu")
        # Without a face it is looked for everywhere.
        picture = np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)
        detector.detect(picture)
        turns, done = [], threading.Event()

        def count():
            while not done.is_set():
                turns.append(time.perf_counter())
                time.sleep(0.0005)

        thread = threading.Thread(target=count)
        thread.start()
        begin = time.perf_counter()
        detector.detect(picture)
        end = time.perf_counter()
        done.set()
        thread.join()
        within = [at for at in turns if begin < at < end]
        self.assertGreater(len(within), (end - begin) / 0.01, f"{len(within)} turns in {end - begin:.3f} s")

    def test_one_detector_serves_many_threads(self):
        detector, photo = lkg.Detector(SMALL, provider="cpu"), lkg.read_picture(PHOTO)
        wanted, found = detector.detect(photo).to_json(), []
        threads = [threading.Thread(target=lambda: found.append(detector.detect(photo).to_json())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [wanted] * 8)


class Memory(Case):
    def test_nothing_is_left_behind_over_a_thousand_frames(self):
        detector = lkg.Detector(SMALL, provider="cpu", once=True)
        reenactor = lkg.Reenactor("seed:3", SMALL, provider="cpu")
        frames = [frame for _, frame in itertools.islice(lkg.Clip(CLIP), 50)]

        def thousand():
            for found, frame in zip(detector.track(itertools.islice(itertools.cycle(frames), 1000)), itertools.cycle(frames)):
                for face in found:
                    face.keypoints, face.points, face.box, face.expressions
                found.to_dict("frame")
                detector.detect(frame[:, ::-1])
                reenactor.drive(frame)
            gc.collect()

        thousand()
        before = memory()
        thousand()
        grown = memory() - before
        # A frame has 83 kB and a driven picture 691 kB: one left behind of each would make 774,000 kB.
        self.assertLess(grown, 4000, f"{grown} kB more after another thousand frames")
        print(f"memory after 1,000 frames {before} kB, after 2,000 {before + grown} kB")


if __name__ == "__main__":
    unittest.main()

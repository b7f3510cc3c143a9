"""Edited and driven faces: the program's pictures, marks, sessions, and what is refused."""

import itertools
import json
import unittest

import numpy as np

import lkg
from common import CLIP, DRAWN, PHOTO, PORTRAIT, SMALL, Case, runtime

EDITED = b"http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
GENERATED = b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
OPERATIONS = [
    {"op": "move", "part": "nose", "dx": 0.05, "dy": 0.1},
    {"op": "pose", "rotate": 8},
    {"op": "swap", "part": "eyes", "from": "seed:4", "weight": 0.5},
    {"op": "scale", "part": 0, "by": 1.2},
]


class Edits(Case):
    def program(self, bundle, face, operations):
        """What the program makes of a face."""
        edits, out = self.folder / "edits.json", self.folder / "program.png"
        edits.write_text(json.dumps(operations))
        runtime(bundle, "edit", face, "--do", edits, "--out", out, "--force")
        return lkg.read_picture(out)

    def test_same_picture_as_the_programs(self):
        for bundle, face in ((SMALL, "seed:3"), (SMALL, PHOTO), (DRAWN, PHOTO)):
            editor = lkg.Editor(face, bundle, provider="cpu")
            self.assertTrue(editor.apply(OPERATIONS))
            wanted = self.program(bundle, face, OPERATIONS)
            self.assertTrue((editor.render() == wanted).all(), f"{bundle} {face}")

    def test_a_photo_that_is_carried(self):
        expression = next(iter(lkg.Bundle(PORTRAIT).expressions))
        editor = lkg.Editor(PHOTO, PORTRAIT, provider="cpu")
        self.assertTrue(editor.express({expression: 0.8}))
        wanted = self.program(PORTRAIT, PHOTO, [{"op": "expression", "set": {expression: 0.8}}])
        self.assertTrue((editor.render() == wanted).all())
        with self.refused(lkg.EditError, "wink"):
            editor.express({"wink": 1.0})

    def test_methods_do_what_operations_do(self):
        by_method, by_name = (lkg.Editor("seed:3", SMALL, provider="cpu") for _ in range(2))
        by_method.move("nose", 0.05, dy=0.1)
        by_method.pose(rotate=8)
        by_method.swap("eyes", "seed:4", weight=0.5)
        by_method.scale(0, 1.2)
        for operation in OPERATIONS:
            self.assertTrue(by_name.apply(operation))
        self.assertTrue((by_method.render() == by_name.render()).all())
        self.assertEqual(by_method.keypoints, by_name.keypoints)

    def test_every_method_changes_something_and_is_undone(self):
        editor = lkg.Editor("seed:3", SMALL, provider="cpu")
        before, parts = editor.render(), editor.parts
        edits = [
            lambda: editor.lock(parts[2]), lambda: editor.unlock(parts[2]),
            lambda: editor.move(parts[0], to=(0.1, 0.2)), lambda: editor.spread("all", 1.1),
            lambda: editor.background("seed:5"), lambda: editor.take_pose("seed:5", weight=0.5),
            lambda: editor.remove(parts[1]), lambda: editor.duplicate(parts[0], (0.3, 0.3)),
            lambda: editor.reset([parts[0], 1]),
            lambda: editor.remove(parts[3]), lambda: editor.add(parts[3], to=(0.0, 0.5)),
        ]
        for edit in edits:
            self.assertTrue(edit())
        after = editor.render()
        self.assertFalse((after == before).all())
        for _ in edits:
            self.assertTrue(editor.undo())
        self.assertFalse(editor.undo())
        self.assertTrue((editor.render() == before).all())
        while editor.redo():
            pass
        self.assertTrue((editor.render() == after).all())

    def test_an_array_is_edited_like_its_file(self):
        by_name, by_array = (lkg.Editor(photo, SMALL, provider="cpu") for photo in (str(PHOTO), lkg.read_picture(PHOTO)))
        for editor in (by_name, by_array):
            editor.move("nose", dy=0.1)
        self.assertTrue((by_name.render() == by_array.render()).all())

    def test_files_say_that_a_network_made_them(self):
        for face, mark in ((str(PHOTO), EDITED), ("seed:3", GENERATED)):
            editor = lkg.Editor(face, SMALL, provider="cpu")
            for name in ("a.png", "a.jpg"):
                path = self.folder / name
                editor.save(path)
                self.assertIn(mark, path.read_bytes())
                editor.save(path, mark=False)
                self.assertNotIn(b"cv.iptc.org", path.read_bytes())
            editor.save(self.folder / "plain.png")
            self.assertTrue((lkg.read_picture(self.folder / "plain.png") == editor.render()).all())
            editor.save(self.folder / "seen.png", visible_mark=True)
            self.assertFalse((lkg.read_picture(self.folder / "seen.png") == editor.render()).all())
        with self.refused(lkg.PictureError, "must end in .png"):
            editor.save(self.folder / "a.txt")

    def test_a_session_goes_on(self):
        editor = lkg.Editor(PHOTO, SMALL, provider="cpu")
        editor.move("nose", dy=0.1)
        path = self.folder / "face.json"
        editor.save_session(path)
        again = lkg.Editor(path, SMALL, provider="cpu")
        self.assertTrue((again.render() == editor.render()).all())
        self.assertTrue(again.undo())
        with self.refused(lkg.SourceError, "exists"):
            editor.save_session(path)
        editor.save_session(path, overwrite=True)
        with self.refused(lkg.ArgumentError, ".json"):
            editor.save_session(self.folder / "face.txt")
        with self.refused(lkg.BundleError, "another bundle"):
            lkg.Editor(path, DRAWN, provider="cpu")

    def test_what_cannot_be_done_is_refused_and_changes_nothing(self):
        editor = lkg.Editor("seed:3", SMALL, provider="cpu")
        before = editor.render()
        wrong = [
            (lambda: editor.move("ear", dx=0.1), "ear"), (lambda: editor.pose(scale=9), "scale"),
            (lambda: editor.swap("eyes", "seed:x"), "seed"), (lambda: editor.swap("eyes", "seed:1", weight=2), "weight"),
            (lambda: editor.apply({"op": "fly"}), "fly"), (lambda: editor.apply([{"op": "move"}]), "operations[0]"),
            (lambda: editor.apply({"op": "move", "part": 0, "dx": "far"}), "operation.dx"), (lambda: editor.apply(3), "list"),
            (lambda: editor.move(99), "99"),
        ]
        for call, part in wrong:
            with self.refused(lkg.EditError, part):
                call()
        self.assertFalse(editor.undo())
        self.assertTrue((editor.render() == before).all())
        with self.refused(lkg.ArgumentError, "blend"):
            lkg.Editor("seed:3", SMALL, blend="glue")
        with self.refused(lkg.PictureError, "no face"):
            lkg.Editor(np.full((128, 128, 3), 90, np.uint8), SMALL, provider="cpu")
        with self.refused(lkg.BundleError, "draws no faces"):
            lkg.Editor("seed:3", PORTRAIT, provider="cpu")
        with self.refused(lkg.PictureError, "no face 7"):
            lkg.Editor(PHOTO, SMALL, face=7, provider="cpu")


class Reenactment(Case):
    def frames(self, count):
        return list(itertools.islice(lkg.Clip(CLIP), count))

    def program(self, bundle, count, *arguments):
        """The frames that the program writes."""
        runtime(bundle, "reenact", *arguments, "--driver", CLIP, "--max-frames", count, "--out", self.folder / "%05d.png",
                "--force", "--headless")
        return [lkg.read_picture(path) for path in sorted(self.folder.glob("*.png"))]

    def test_same_frames_as_the_programs(self):
        wanted = self.program(SMALL, 120, "--source", "seed:3", "--view", "face")
        reenactor = lkg.Reenactor("seed:3", SMALL, provider="cpu")
        driven = [reenactor.drive(frame, at) for at, frame in self.frames(120)]
        self.assertEqual(len(wanted), 120)
        self.assertFalse((driven[0] == driven[-1]).all(), "it moves")
        self.assertTrue(all((a == b).all() for a, b in zip(driven, wanted)))

    def test_same_frames_of_a_photo_that_is_carried(self):
        neutral = self.folder / "neutral" / "n.png"
        neutral.parent.mkdir()
        frames = self.frames(12)
        lkg.write_picture(neutral, frames[0][1])
        wanted = self.program(PORTRAIT, 12, "--source", PHOTO, "--neutral", neutral)
        reenactor = lkg.Reenactor(PHOTO, PORTRAIT, provider="cpu")
        reenactor.set_neutral(frames[0][1])
        driven = [reenactor.drive(frame, at) for at, frame in frames]
        self.assertEqual(driven[0].shape, lkg.read_picture(PHOTO).shape)
        self.assertTrue(all((a == b).all() for a, b in zip(driven, wanted, strict=True)))

    def test_views_and_marks(self):
        (_, frame), photo = self.frames(1)[0], lkg.read_picture(PHOTO)
        height, width, _ = frame.shape
        shapes = {"photo": photo.shape, "face": (480, 480, 3), "beside": (height, width + height, 3), "driver": frame.shape}
        for view, shape in shapes.items():
            driven = lkg.Reenactor(photo, SMALL, view=view, provider="cpu").drive(frame)
            self.assertEqual((driven.shape, driven.dtype), (shape, np.uint8))
            self.assertTrue(driven.flags.c_contiguous and driven.flags.writeable)
        for view, mark in (("photo", EDITED), ("face", GENERATED)):
            reenactor, path = lkg.Reenactor(photo, SMALL, view=view, provider="cpu"), self.folder / "d.png"
            driven = reenactor.drive(frame)
            reenactor.save(path, driven)
            self.assertIn(mark, path.read_bytes())
            self.assertTrue((lkg.read_picture(path) == driven).all())
        self.assertFalse(lkg.Reenactor("seed:1", SMALL, provider="cpu").calibrate(), "nobody was seen")

    def test_what_cannot_be_driven_is_refused(self):
        with self.refused(lkg.ArgumentError, "view"):
            lkg.Reenactor("seed:3", SMALL, view="sky")
        with self.refused(lkg.ArgumentError, "drive"):
            lkg.Reenactor("seed:3", SMALL, drive="hands")
        with self.refused(lkg.ArgumentError, "shift"):
            lkg.Reenactor("seed:3", SMALL, shift=2.0)
        with self.refused(lkg.ReenactError, "has none"):
            lkg.Reenactor("seed:3", SMALL, view="photo", provider="cpu")
        reenactor = lkg.Reenactor("seed:3", SMALL, provider="cpu")
        with self.refused(lkg.BundleError, "carries no photos"):
            reenactor.set_neutral(lkg.read_picture(PHOTO))
        with self.refused(lkg.PictureError, "float64"):
            reenactor.drive(np.zeros((8, 8, 3)))


if __name__ == "__main__":
    unittest.main()

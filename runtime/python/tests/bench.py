"""Times the package against the same network in plain Python, in turns: each frame goes each way, in an order that rotates.

  network   the detector's bare ONNX file in onnxruntime, one thread, on an input that is made already
  plain     OpenCV crops and resizes the frame (area filter), numpy makes the input, onnxruntime runs the network once, numpy
            turns its coordinates into pixels: what a script does that knows where the face is
  track     lkg.Tracker: one run for a followed face, its crop, its filter over time
  bgr       the same on a view of a BGR frame, frame[..., ::-1], which is copied first
  once      lkg.Detector(once=True): the whole picture, in one square of it or two
  detect    lkg.Detector: every face, at every size

`over network` is what a way takes beyond the bare network. All run on the processor, the network on one thread.
"""

import argparse
import itertools
import json
import pathlib
import platform
import statistics
import time

import cv2
import numpy as np
import onnxruntime

import lkg


def session(bundle):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(bundle / "detector.onnx", options, providers=["CPUExecutionProvider"])


class Plain:
    """A script of its own; the crop stays where lkg found the first face, as if a tracker had said so."""

    def __init__(self, network, box):
        self.network, self.name = network, network.get_inputs()[0].name
        self.size = network.get_inputs()[0].shape[2]
        self.outputs = [output.name for output in network.get_outputs()[:2]]
        x, y, width, height = box
        self.side = int(max(width, height))
        self.corner = int(x), int(y)

    def input(self, frame):
        x, y = self.corner
        crop = frame[y:y + self.side, x:x + self.side]
        small = cv2.resize(crop, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32) * (1 / 127.5) - 1

    def detect(self, frame):
        keypoints, confidence = self.network.run(self.outputs, {self.name: self.input(frame)})
        return (keypoints[0] + 1) * (self.side / 2) + self.corner, confidence[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clip", type=pathlib.Path, required=True)
    parser.add_argument("--bundle", type=pathlib.Path, required=True)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    clip = [frame for _, frame in lkg.Clip(arguments.clip)]
    # The demo's clip is small: larger frames show what handing them over costs.
    large = [cv2.resize(frame, (1280, 960), interpolation=cv2.INTER_CUBIC) for frame in clip[:60]]
    frames = {"{1} x {0}".format(*pictures[0].shape): pictures for pictures in (clip, large)}
    bundle = lkg.Bundle(arguments.bundle)
    network = session(arguments.bundle)
    report = {"machine": platform.processor() or platform.machine(), "python": platform.python_version(), "bundle": bundle.name,
              "onnxruntime": onnxruntime.__version__, "frames": arguments.frames, "sizes": {}}
    for size, pictures in frames.items():
        tracker, other = (lkg.Tracker(bundle, provider="cpu", threads=1) for _ in range(2))
        once = lkg.Detector(bundle, once=True, provider="cpu", threads=1)
        detector = lkg.Detector(bundle, provider="cpu", threads=1)
        face = detector.detect_one(pictures[0])
        plain = Plain(network, face.box)
        ready = plain.input(pictures[0])
        clocks = itertools.count(1), itertools.count(1)
        ways = {
            "network": lambda frame: network.run(plain.outputs, {plain.name: ready}), "plain": plain.detect,
            "track": lambda frame: tracker.update(frame, next(clocks[0]) / 30),
            "bgr": lambda frame: other.update(frame[..., ::-1], next(clocks[1]) / 30),
            "once": once.detect, "detect": detector.detect,
        }
        # `detect` looks some hundred times: a twentieth of the frames will do.
        seldom = {"detect": 20}
        times = {way: [] for way in ways}
        for i in range(-20, arguments.frames):
            frame = pictures[i % len(pictures)]
            turn = list(ways.items())
            turn = turn[i % len(turn):] + turn[:i % len(turn)]
            for way, run in turn:
                if i % seldom.get(way, 1):
                    continue
                begin = time.perf_counter()
                run(frame)
                if i >= 0:
                    times[way].append(time.perf_counter() - begin)
        p50 = {way: statistics.median(taken) * 1e3 for way, taken in times.items()}
        # Both sides look at the same place: the same keypoints but for the crop's rounding.
        away = np.linalg.norm(plain.detect(pictures[0])[0] - face.points[:, :2], axis=1).max() / plain.side
        report["sizes"][size] = {
            way: {"p50_ms": round(p50[way], 4), "fps": round(1e3 / p50[way], 1), "over_network_ms": round(p50[way] - p50["network"], 4),
                  "ratio_to_plain": round(p50[way] / p50["plain"], 3)}
            for way in ways
        } | {"furthest_keypoint_of_plain": round(float(away), 3)}
    if arguments.json:
        print(json.dumps(report))
        return
    print(f"{bundle.name}, one thread, {arguments.frames} frames each way in turns; medians")
    for size, ways in report["sizes"].items():
        away = ways.pop("furthest_keypoint_of_plain")
        print(f"frames of {size}; keypoints of plain at most {100 * away:.1f} % of the face's square away from lkg's")
        for way, told in ways.items():
            print(f"  {way:8} {told['p50_ms']:8.3f} ms {told['fps']:8.1f} fps   over network {told['over_network_ms']:+8.3f} ms"
                  f"   {told['ratio_to_plain']:6.2f} x plain")


if __name__ == "__main__":
    main()

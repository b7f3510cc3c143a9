"""Whether 8-bit integers would make the detector faster: quantised by onnxruntime's own tool (QDQ, unsigned activations,
a scale for each channel of the weights, calibrated on a set's training pictures), timed in turns with the float32 file on
one thread, and its landmark error by `trainer eval landmarks`.

Usage: int8.py BUNDLE SET TRAINER    SET has train/ and test/, each with pictures and a landmarks.csv"""

import json
import logging
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from worker import clock

ROUNDS, RUNS, CALIBRATION = 15, 60, 200
logging.disable(logging.WARNING)
bundle, folder, trainer = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
size = json.loads((bundle / "manifest.json").read_text())["dims"]["detector_size"]
detector = bundle / "detector.onnx"
graph = onnx.load(detector).graph
weights = {tensor.name: tensor.dims for tensor in graph.initializer}
convolutions = [node.name for node in graph.node if node.op_type == "Conv"]
head = set(convolutions[-2:])  # heat maps and confidences


def picture(path):
    small = cv2.resize(cv2.imread(str(path)), (size, size), interpolation=cv2.INTER_AREA)
    return cv2.dnn.blobFromImage(small, 1 / 127.5, mean=(127.5,) * 3, swapRB=True)


sets = {split: sorted((folder / split).glob("*.jpg")) for split in ("train", "test")}
pictures = {split: [picture(path) for path in paths] for split, paths in sets.items()}


class Calibration(CalibrationDataReader):
    def __init__(self):
        self.left = iter(pictures["train"][:CALIBRATION])

    def get_next(self):
        image = next(self.left, None)
        return None if image is None else {"image": image}


def forms():
    """Nodes to quantise: all but the head; the pointwise convolutions; those of 128 channels and more; the run of nodes
    between the halving to an eighth of the picture and the last doubling but two, where maps are small and deep."""
    body = [n.name for n in graph.node if n.op_type in ("Conv", "Add", "Resize", "Relu") and n.name not in head]
    shape = {n.name: weights[n.input[1]] for n in graph.node if n.op_type == "Conv"}
    pointwise = [n for n in convolutions if shape[n][2] == 1 and n not in head]
    strided = [n.name for n in graph.node if any(a.name == "strides" and a.ints[0] == 2 for a in n.attribute)]
    resizes = [n.name for n in graph.node if n.op_type == "Resize"]
    middle = body[body.index(strided[2]) : body.index(resizes[1])]
    yield "all but the head", body
    yield "pointwise convolutions", pointwise
    yield "those of 128 channels and more", [n for n in pointwise if min(shape[n][:2]) >= 128]
    yield "the deep middle", [n for n in middle if n not in resizes]


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def error(run, work):
    for split, paths in sets.items():
        with open(work / f"{split}.jsonl", "w") as out:
            for path, image in zip(paths, pictures[split]):
                height, width = cv2.imread(str(path)).shape[:2]
                points, confidence = run.run(["keypoints", "confidence"], {"image": image})
                points = (points[0] + 1) / 2 * (width, height)
                found = [[float(x), float(y), float(c)] for (x, y), c in zip(points, confidence[0])]
                face = {"confidence": float(confidence.mean()), "live": True, "keypoints": found}
                line = {"file": str(path), "width": width, "height": height, "faces": [face]}
                out.write(json.dumps(line) + "\n")
    command = [trainer, "eval", "landmarks", folder, "--bundle", bundle, "--json"]
    command += ["--train", work / "train.jsonl", "--test", work / "test.jsonl"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["error"]


def main():
    runs = {"float32": session(detector)}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, nodes in forms():
            quantize_static(
                detector, work / "int8.onnx", Calibration(), QuantFormat.QDQ, per_channel=True, nodes_to_quantize=nodes,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            )
            runs[name] = session(work / "int8.onnx")
        image = {"image": pictures["test"][0]}
        rounds = {name: [] for name in runs}
        for number in range(ROUNDS + 1):
            for name, run in runs.items():
                times = []
                for _ in range(RUNS):
                    start = clock()
                    run.run(None, image)
                    times.append(clock() - start)
                if number:
                    rounds[name].append(statistics.median(times) * 1e3)
        print("| quantised | p50, ms | times float32's (quartiles of rounds) | landmark error |\n| --- | ---: | ---: | ---: |")
        for name, run in runs.items():
            ratios = [a / b for a, b in zip(rounds[name], rounds["float32"])]
            low, _, high = statistics.quantiles(ratios, n=4)
            ratio = f"{statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})"
            print(f"| {name} | {statistics.median(rounds[name]):.3f} | {ratio} | {error(run, work):.2f} % |")


main()

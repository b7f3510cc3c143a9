"""The same bundle in Python: OpenCV decodes, crops, resizes and draws, onnxruntime runs the detector. The face is
followed as `runtime webcam` follows it, one run a frame on the crop around the last keypoints, and sought as it
seeks it. No filter over time and no names, so a little less work than the runtime does.

Usage: onnxruntime_opencv.py BUNDLE FRAMES [bare]"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from worker import clock, serve

bundle, folder = Path(sys.argv[1]), sys.argv[2]
bare = sys.argv[3:] == ["bare"]
manifest = json.loads((bundle / "manifest.json").read_text())
size = manifest["dims"]["detector_size"]
options = ort.SessionOptions()
# As many as the runtime takes for the detector: a second one buys nothing there.
options.intra_op_num_threads = 1
session = ort.InferenceSession(str(bundle / "detector.onnx"), options, providers=["CPUExecutionProvider"])
means = np.array([keypoint["mean"] for keypoint in manifest["keypoints"]], np.float32)
mean_centre = means.mean(0)
mean_spread = np.sqrt(((means - mean_centre) ** 2).sum(1).mean())
colours = [tuple(int(c) for c in reversed(k["colour"])) for k in manifest["keypoints"]]
following = None
LEAST = 0.3  # mean confidence of a face; a followed one is kept down to 0.6 of it


def detect(picture, crop):
    cx, cy, side = crop
    scale = size / side
    # One pass does crop and resize; averaging over the area first keeps fine detail from folding in.
    x0, y0 = int(round(cx - side / 2)), int(round(cy - side / 2))
    x1, y1 = x0 + int(round(side)), y0 + int(round(side))
    height, width = picture.shape[:2]
    inside = picture[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        inside = cv2.copyMakeBorder(
            inside, max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0), cv2.BORDER_REPLICATE
        )
    small = cv2.resize(inside, (size, size), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    tensor = cv2.dnn.blobFromImage(small, 1 / 127.5, mean=(127.5,) * 3, swapRB=True)
    start = clock()
    keypoints, confidence = session.run(["keypoints", "confidence"], {"image": tensor})
    network = clock() - start
    return (keypoints[0] + 1) * side / 2 + (cx - side / 2, cy - side / 2), confidence[0], network


def frame_of(points, confidence, picture):
    weights = confidence[:, None] / confidence.sum()
    centre = (points * weights).sum(0)
    spread = np.sqrt((((points - centre) ** 2).sum(1) * weights[:, 0]).sum())
    side = float(np.clip(spread * 2 / mean_spread, size / 4, 2 * max(picture.shape[:2])))
    return np.array([*(centre - mean_centre * side / 2), side])


def search(picture):
    """The whole picture, then overlapping tiles of it, then a refinement crop around what was found."""
    height, width = picture.shape[:2]
    middle = (width / 2, height / 2)
    best = max((detect(picture, (*middle, side)) for side in {min(height, width), max(height, width)}), key=confidence_of)
    for share in (0.7, 0.5):
        if confidence_of(best) >= LEAST:
            break
        side = share * min(height, width)
        places = [np.linspace(side / 2, n - side / 2, int(np.ceil((n - side) / (side / 2))) + 1) for n in (width, height)]
        tiles = [detect(picture, (x, y, side)) for y in places[1] for x in places[0]]
        best = max([best, *tiles], key=confidence_of)
    if confidence_of(best) >= LEAST:
        best = max(best, detect(picture, frame_of(*best[:2], picture)), key=confidence_of)
    return best


def confidence_of(found):
    return found[1].mean()


def find(picture):
    global following
    found = None
    if following is not None:
        found = detect(picture, following)
    if found is None or confidence_of(found) < 0.6 * LEAST:
        following, found = None, search(picture)
    if confidence_of(found) < (LEAST if following is None else 0.6 * LEAST):
        following = None
        return None, found[1], found[2]
    wanted = frame_of(*found[:2], picture)
    following = tuple(wanted if following is None else (np.array(following) + wanted) / 2)
    return found


def draw(picture, points, confidence):
    canvas = picture.copy()
    for (x, y), c, colour in zip(points, confidence, colours):
        cv2.circle(canvas, (int(x), int(y)), int(3 + 3 * c), colour, -1, cv2.LINE_AA)
    return canvas


def process(jpeg):
    start = clock()
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    decoded = clock()
    points, confidence, network = find(picture)
    found = clock()
    if points is not None:
        draw(picture, points, confidence)
    end = clock()
    times = {"decode": decoded - start, "keypoints": found - decoded, "draw": end - found, "total": end - start}
    return {**times, "network": network}, points is not None


tensor = None


def process_bare(jpeg):
    global tensor
    if tensor is None:
        small = cv2.resize(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), (size, size))
        tensor = cv2.dnn.blobFromImage(small, 1 / 127.5, mean=(127.5,) * 3, swapRB=True)
    start = clock()
    session.run(["keypoints", "confidence"], {"image": tensor})
    return {"network": clock() - start}, True


serve(folder, process_bare if bare else process)

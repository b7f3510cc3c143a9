"""Frames that all rivals get: a clip as JPEGs of 640x480, enlarged and cut to that shape.

Usage: make_frames.py CLIP FOLDER"""

import sys
from pathlib import Path

import cv2

WIDTH, HEIGHT = 640, 480

clip, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
video = cv2.VideoCapture(clip)
count = 0
while True:
    there, picture = video.read()
    if not there:
        break
    height, width = picture.shape[:2]
    scale = max(WIDTH / width, HEIGHT / height)
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    y, x = (large.shape[0] - HEIGHT) // 2, (large.shape[1] - WIDTH) // 2
    cut = large[y : y + HEIGHT, x : x + WIDTH]
    cv2.imwrite(str(folder / f"{count:05}.jpg"), cut, [cv2.IMWRITE_JPEG_QUALITY, 90])
    count += 1
if count == 0:
    sys.exit(f"{clip}: no frames in it")
print(f"{count} frames in {folder}")

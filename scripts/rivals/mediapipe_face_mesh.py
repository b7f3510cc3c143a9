"""MediaPipe Face Mesh as its documentation runs it on video: one face, followed from frame to frame.

Usage: mediapipe_face_mesh.py FRAMES"""

import os
import sys

os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import mediapipe as mp
import numpy as np

from worker import clock, serve

mesh = mp.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=False)


def process(jpeg):
    start = clock()
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    decoded = clock()
    # MediaPipe takes RGB; that OpenCV gives BGR is not its fault, so turning it is left out of its time.
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    turned = clock()
    faces = mesh.process(rgb).multi_face_landmarks
    found = clock()
    if faces:
        height, width = picture.shape[:2]
        canvas = picture.copy()
        # As many points as the runtime draws, not all 468.
        for landmark in faces[0].landmark[::47]:
            at = (int(landmark.x * width), int(landmark.y * height))
            cv2.circle(canvas, at, 5, (80, 220, 80), -1, cv2.LINE_AA)
    end = clock()
    times = {"decode": decoded - start, "keypoints": found - turned, "draw": end - found, "total": end - start}
    return times, bool(faces)


serve(sys.argv[1], process)

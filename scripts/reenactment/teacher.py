"""Landmarks by MediaPipe, and who it is by dlib. Both are for measuring alone: nothing is trained with them."""

import os

os.environ.setdefault("GLOG_minloglevel", "3")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import dlib
import mediapipe
import numpy as np

from measures import NOTHING, eyes, signals

# Longer side of what the networks see, pixels.
SIDE = 640


def name():
    return f"MediaPipe Face Mesh {mediapipe.__version__}, dlib {dlib.__version__}"


def fit(picture):
    """The picture, RGB, at SIDE."""
    scale = SIDE / max(picture.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how)


class Landmarks:
    """Reads faces off pictures [H, W, 3], RGB. A face is followed from frame to frame where they are `frames` of a clip."""

    def __init__(self, frames):
        self.mesh = mediapipe.solutions.face_mesh.FaceMesh(
            static_image_mode=not frames, max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.3
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.mesh.close()

    def points(self, picture):
        """[478, 3] in pixels, or None."""
        height, width = picture.shape[:2]
        faces = self.mesh.process(np.ascontiguousarray(fit(picture))).multi_face_landmarks
        if not faces:
            return None
        return np.array([[p.x * width, p.y * height, p.z * width] for p in faces[0].landmark])

    def signals(self, picture):
        points = self.points(picture)
        return NOTHING if points is None else signals(points)


class Recognition:
    """Descriptors of faces: those of one person differ by less than 0.6."""

    def __init__(self, models):
        self.detector = dlib.get_frontal_face_detector()
        self.corners = dlib.shape_predictor(os.path.join(models, "shape_predictor_5_face_landmarks.dat"))
        self.network = dlib.face_recognition_model_v1(os.path.join(models, "dlib_face_recognition_resnet_model_v1.dat"))

    def describe(self, picture, points):
        """[128] of a face, whose landmarks are used where dlib's detector finds none; None without either."""
        small = np.ascontiguousarray(fit(picture))
        boxes = self.detector(small, 1)
        if len(boxes):
            box = max(boxes, key=lambda b: b.area())
        elif points is None:
            return None
        else:
            # About what dlib's detector calls a face.
            scale = small.shape[1] / picture.shape[1]
            left, right = eyes(points)
            reach = 1.15 * np.linalg.norm((right - left)[:2]) * scale
            x, y = (points[2][:2] + (left[:2] + right[:2]) / 2) / 2 * scale
            box = dlib.rectangle(*(int(v) for v in (x - reach, y - 0.9 * reach, x + reach, y + 1.1 * reach)))
        return np.array(self.network.compute_face_descriptor(small, self.corners(small, box)))

"""Keypoints, edits and driven faces of LatentKeypointGAN bundles, on ONNX Runtime.

Pictures are numpy arrays of shape (height, width, 3) and dtype uint8, in RGB. What each name takes and gives stands in
``__init__.pyi`` beside this file, and in the project's ``docs/how-to/python.md``.
"""

import os as _os

from . import _lkg
from ._lkg import (
    ArgumentError,
    BundleError,
    Clip,
    Detections,
    Detector,
    Bundle,
    EditError,
    Editor,
    EngineError,
    Error,
    Face,
    LibraryError,
    PictureError,
    ReenactError,
    Reenactor,
    SourceError,
    Track,
    Tracker,
    __version__,
    draw_faces,
    read_picture,
    write_picture,
)

# Official builds of ONNX Runtime collect usage data unless this is set before their library loads, which is with the first
# network.
_os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
_lkg._lies_in(_os.path.dirname(_os.path.abspath(__file__)))

__all__ = [
    "ArgumentError",
    "Bundle",
    "BundleError",
    "Clip",
    "Detections",
    "Detector",
    "EditError",
    "Editor",
    "EngineError",
    "Error",
    "Face",
    "LibraryError",
    "PictureError",
    "ReenactError",
    "Reenactor",
    "SourceError",
    "Track",
    "Tracker",
    "__version__",
    "draw_faces",
    "read_picture",
    "write_picture",
]

"""Keypoints, edits and driven faces of LatentKeypointGAN bundles, on ONNX Runtime.

Pictures are numpy arrays of shape (height, width, 3) and dtype uint8, in RGB, at least 1 x 1 pixels. One whose memory is
contiguous is read where it lies, and must not be written to during a call; others, as a view ``frame[..., ::-1]`` of OpenCV's
BGR, are copied first. Arrays that are given back own their memory.

Coordinates are pixels of the picture: (0, 0) is the outer corner of the upper left pixel, (width, height) that of the lower
right one. Confidences are 0 to 1. Networks run without Python's lock; calls on one object take turns.

Arguments that stand in several places:

bundle
    A folder, a ``Bundle``, or None: the folder that LKG_BUNDLE names, else the bundle in this package, if it has one.
provider
    "cpu", "cuda", "tensorrt", or "auto": the first of TensorRT, CUDA and CPU that works.
threads
    Threads within an operator, 1 or more; None is what suits each network (1 for a detector, up to 4 for others).
"""

import os
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import numpy.typing as npt

__version__: str

Picture = npt.NDArray[np.uint8]
Path = Union[str, "os.PathLike[str]"]
Part = Union[int, str, Sequence[Union[int, str]]]

class Error(Exception):
    """What this package raises; its subclasses say what was wrong. The message is the library's, on one line."""

class ArgumentError(Error):
    """An argument is out of its range."""

class BundleError(Error):
    """A bundle is missing or damaged, or lacks the networks that a task takes."""

class LibraryError(Error):
    """ONNX Runtime's library was not found, or does not load."""

class EngineError(Error):
    """A network cannot be run where, or as, it was asked for."""

class PictureError(Error):
    """An array or file is no picture, or has no face to be sure of."""

class SourceError(Error):
    """A clip cannot be read."""

class EditError(Error):
    """A face cannot be opened or edited as asked."""

class ReenactError(Error):
    """A face cannot be driven as asked."""

class Bundle:
    """A model bundle: a folder with manifest.json and networks, which are read and checked when they are first needed.

    Raises BundleError if there is none at ``path``. None is the usual one, see above.
    """

    def __init__(self, path: Optional[Path] = None) -> None: ...
    @property
    def name(self) -> str:
        """Its name."""

    @property
    def path(self) -> os.PathLike[str]:
        """Its folder."""

    @property
    def keypoints(self) -> List[str]:
        """Names of its keypoints, in their order."""

    @property
    def skeleton(self) -> List[Tuple[int, int]]:
        """Pairs of keypoints, by their indices, that are drawn with a line between."""

    @property
    def expressions(self) -> Dict[str, Tuple[float, float]]:
        """Names of the expressions that it reads, with the least and the greatest value of each."""

    @property
    def draws(self) -> bool:
        """Whether it draws faces, so that there are seeds."""

    @property
    def carries_photos(self) -> bool:
        """Whether it carries photos along with their own pixels."""

class Face:
    """A face that was found in a picture or frame."""

    @property
    def id(self) -> int:
        """Of a picture its number in it, from 1, the largest first; of frames it stays with somebody who is followed, and for
        2 seconds beyond."""

    @property
    def box(self) -> Tuple[float, float, float, float]:
        """(x, y, width, height), pixels: the square that frames the face, as far as it lies in the picture."""

    @property
    def confidence(self) -> float:
        """Mean of the keypoints' confidences, 0 to 1."""

    @property
    def keypoints(self) -> Dict[str, Tuple[float, float, float]]:
        """(x, y, confidence) by name, in the bundle's order: pixels, 0 to 1."""

    @property
    def points(self) -> npt.NDArray[np.float32]:
        """The same as an array of shape (keypoints, 3)."""

    @property
    def states(self) -> Optional[npt.NDArray[np.float32]]:
        """Where the bundle reads states, an array of shape (keypoints, states) in [-1, 1]."""

    @property
    def expressions(self) -> Dict[str, float]:
        """Values of the bundle's expressions by name, each within its range. Of a picture as they are, of a frame relative to
        the person's neutral face."""

class Detections:
    """The faces of a picture or frame, as a sequence of them: a picture's the largest first, a frame's the one that is followed first."""

    @property
    def width(self) -> int:
        """Width of the picture, pixels."""

    @property
    def height(self) -> int:
        """Height of the picture, pixels."""

    @property
    def time(self) -> Optional[float]:
        """Of a frame its time since the first one, seconds; None of a picture."""

    @property
    def frame(self) -> Optional[int]:
        """Of a frame its number, from 0; None of a picture."""

    def to_json(self, file: str = "") -> str:
        """The object that ``runtime detect --json`` prints for a picture called ``file``: coordinates to 0.01 pixels,
        confidences to 0.0001."""

    def to_dict(self, file: str = "") -> Dict[str, Any]:
        """The same as a dict: "schema" (2), "file", "width", "height", "time", "faces", of a frame "frame"."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Face: ...
    def __iter__(self) -> Iterator[Face]: ...

class Track:
    """The faces of frame after frame: what ``Detector.track`` gives."""

    def __iter__(self) -> Track: ...
    def __next__(self) -> Detections: ...

class Detector:
    """Finds the faces of single pictures.

    ``once`` runs the detector once on the whole picture: for pictures that are crops of faces.
    """

    def __init__(
        self,
        bundle: Union[Path, Bundle, None] = None,
        *,
        once: bool = False,
        provider: str = "auto",
        threads: Optional[int] = None,
    ) -> None: ...
    def detect(self, picture: Picture, *, min_confidence: Optional[float] = None) -> Detections:
        """Every face of ``picture`` whose mean confidence is ``min_confidence`` (0 to 1) or more, the largest first.

        None means 0.65, below which faces are not certain. Below that the best guess is given where nothing else is found.
        It runs the network up to some hundred times on a picture of 640 x 480.
        """

    def detect_one(self, picture: Picture) -> Optional[Face]:
        """The face that stands out in ``picture``, or None: as ``detect``, but it stops at the first face."""

    def track(
        self,
        frames: Iterable[Union[Picture, Tuple[float, Picture]]],
        *,
        fps: float = 30.0,
        faces: int = 1,
        smooth: bool = True,
        min_confidence: Optional[float] = None,
    ) -> Track:
        """Follows up to ``faces`` (1 to 64) people through ``frames``: an iterator of their Detections.

        Frames come bare, ``fps`` a second, or as (seconds since the first, frame), as a Clip gives them. ``smooth`` filters
        keypoints over time. A followed face takes one run of the network a frame.
        """

    @property
    def bundle(self) -> Bundle:
        """The bundle in use."""

    @property
    def engine(self) -> str:
        """What computes, and why nothing better does."""

class Tracker:
    """Follows faces in frames that are handed to it one by one, as of a camera. Arguments are those of ``Detector.track``."""

    def __init__(
        self,
        bundle: Union[Path, Bundle, None] = None,
        *,
        faces: int = 1,
        smooth: bool = True,
        min_confidence: Optional[float] = None,
        provider: str = "auto",
        threads: Optional[int] = None,
    ) -> None: ...
    def update(self, frame: Picture, time: float) -> Detections:
        """The faces of ``frame``, seen at ``time`` seconds (0 or more) since the first one."""

    def reset(self) -> None:
        """Forgets everybody who was followed; numbers begin anew."""

    def choose_next(self) -> Optional[int]:
        """Lets the next one of those in sight stand out; his id, or None where there is nobody."""

    def choose_at(self, x: float, y: float) -> Optional[int]:
        """Lets whoever is at a point of the latest frame, in pixels, stand out; his id, or None where there is nobody."""

    def calibrate(self, id: int) -> bool:
        """Takes the face of person ``id`` as it has been of late as neutral, for expressions. False where there was none."""

class Editor:
    """Edits the face of a photo, a generated one, or a saved session.

    photo
        An array, a file's name, "seed:N" (picture 0 of seed N, as ``runtime generate`` numbers them) or "seed:N:I" where the
        bundle draws faces, or a session's .json.
    blend
        How edits that are drawn get into the photo: "warp", "change" or "square". None is "warp", or the photo's own pixels
        carried along where the bundle can do that.
    anyway
        Take the best guess of a face where none is certain.
    face
        Which face of the photo: a number as ``Detector.detect`` counts, or a point (x, y) in pixels. None is the largest.

    Parts are named by index, name or group ("all", "eyes", "brows", "mouth", "nose"), or a list of those. Distances are in
    coordinates of the face's square, which is 2 wide: x goes right, y goes down. Donors are named as ``photo`` is, but for
    arrays; ``weight`` (0 to 1) is how much is taken of them. Each edit gives back whether anything changed, and raises
    EditError, which names what is wrong, where nothing was.
    """

    def __init__(
        self,
        photo: Union[Picture, Path],
        bundle: Union[Path, Bundle, None] = None,
        *,
        blend: Optional[str] = None,
        anyway: bool = False,
        face: Union[int, Tuple[float, float], None] = None,
        provider: str = "auto",
        threads: Optional[int] = None,
    ) -> None: ...
    @property
    def parts(self) -> List[str]:
        """Names of the parts, in their order."""

    @property
    def notes(self) -> List[str]:
        """What its user should know about how the photo was opened."""

    @property
    def keypoints(self) -> Dict[str, Tuple[float, float]]:
        """Where the parts are now: (x, y) by name, in the face's square, [-1, 1]."""

    def apply(self, operations: Union[Mapping[str, Any], Sequence[Mapping[str, Any]]]) -> bool:
        """Does an operation, or a list of them, as ``runtime edit --do`` takes them: {"op": "move", "part": "nose", "dy": 0.1}.
        Those before one that is refused stay done."""

    def move(self, part: Part, dx: float = 0.0, dy: float = 0.0, *, to: Optional[Tuple[float, float]] = None) -> bool:
        """Moves parts by ``dx`` and ``dy``, or one part ``to`` a place."""

    def pose(self, *, scale: float = 1.0, rotate: float = 0.0, dx: float = 0.0, dy: float = 0.0) -> bool:
        """Scales (0.25 to 4), then turns (degrees, clockwise), then moves the whole pose about its centre."""

    def spread(self, part: Part, by: float) -> bool:
        """Moves several parts away from, or towards, their centre, by a factor of 0.25 to 4."""

    def scale(self, part: Part, by: float) -> bool:
        """Makes parts wider or narrower where they are, by a factor of 0.25 to 4."""

    def swap(self, part: Part, donor: Path, *, weight: float = 1.0) -> bool:
        """Takes another face's appearance of the parts; in a photo that is carried, the other photo's own pixels."""

    def background(self, donor: Path, *, weight: float = 1.0) -> bool:
        """Takes another face's background."""

    def take_pose(self, donor: Path, part: Optional[Part] = None, *, weight: float = 1.0) -> bool:
        """Takes another face's keypoints; a photo that is carried keeps its own face's shape and turns as the other does."""

    def express(self, values: Mapping[str, float]) -> bool:
        """Sets expressions of a photo that is carried: values by the names of ``Bundle.expressions``, within their ranges."""

    def take_expression(self, donor: Path, part: Optional[Part] = None, *, weight: float = 1.0) -> bool:
        """Takes another face's expression."""

    def remove(self, part: Part) -> bool:
        """Takes parts away: the background fills their place."""

    def add(self, part: Part, *, to: Optional[Tuple[float, float]] = None) -> bool:
        """Puts parts back that were removed: where they were, or one ``to`` a place."""

    def duplicate(self, part: Part, to: Tuple[float, float], *, into: Optional[Part] = None) -> bool:
        """Duplicates a part by means of one that was removed, ``into`` or the first."""

    def reset(self, part: Part) -> bool:
        """Makes parts as they were in the beginning."""

    def lock(self, part: Part) -> bool:
        """Keeps parts from being changed by later operations, and their region of the picture as it was."""

    def unlock(self, part: Part) -> bool:
        """Takes the lock off."""

    def undo(self) -> bool:
        """Takes the last operation back. False where there is none."""

    def redo(self) -> bool:
        """Does what was taken back again. False where there is none."""

    def render(self) -> Picture:
        """The photo at its full size with the edited face in it, or the generated face alone."""

    def save(self, path: Path, *, mark: bool = True, visible_mark: bool = False) -> None:
        """Writes the same to a .png or .jpg in the place of what is there: with the profile, depth and alpha of the photo's
        file.

        ``mark`` notes in its metadata that it is AI-edited or AI-generated (IPTC Digital Source Type), ``visible_mark`` writes
        that on the picture, too.
        """

    def save_session(self, path: Path, *, overwrite: bool = False) -> None:
        """Writes the session, with what can be undone, to a .json that an Editor opens again."""

class Reenactor:
    """Moves the face of a photo, or a generated one, as the face in frame after frame moves.

    source
        As the ``photo`` of an Editor. Where the bundle carries photos, a photo keeps its own pixels; else a generator draws.
    view
        What is shown: "photo" (the source's photo with the moving face in it), "face" (the face alone), "beside" (the driver's
        frame with the face beside it) or "driver" (the face over the driver's). None is "photo" of a photo, else "face".
    drive
        Which motion is taken over: "all", "pose", "mouth" or "eyes".
    absolute
        Take the driver's keypoints themselves, not their motion against a neutral face.
    shift, pose, parts
        How much of the head's shift in the frame is followed (0 to 1), and by what the head's and the parts' own motion is
        multiplied.
    fps
        Frames a second of those that are driven without a time.
    anyway, face
        As of an Editor.

    Until the driver's face has been still for about a second, or ``set_neutral`` was called, it is not known what of it is
    motion.
    """

    def __init__(
        self,
        source: Union[Picture, Path],
        bundle: Union[Path, Bundle, None] = None,
        *,
        view: Optional[str] = None,
        drive: str = "all",
        absolute: bool = False,
        shift: float = 0.2,
        pose: float = 1.0,
        parts: float = 1.0,
        fps: float = 30.0,
        anyway: bool = False,
        face: Union[int, Tuple[float, float], None] = None,
        provider: str = "auto",
        threads: Optional[int] = None,
    ) -> None: ...
    def drive(self, frame: Picture, time: Optional[float] = None) -> Picture:
        """The source's face moved as the one in ``frame``, seen at ``time`` seconds (0 or more) since the first frame. Where
        there is no face it eases back to what it was."""

    def set_neutral(self, picture: Picture) -> None:
        """Takes the face of ``picture`` as the driver's neutral one: of a photo that is carried."""

    def calibrate(self) -> bool:
        """Takes what the driver did of late as the neutral face. False where there was no face."""

    @property
    def notes(self) -> List[str]:
        """What its user should know about how the source was opened."""

    def save(self, path: Path, picture: Picture, *, mark: bool = True, visible_mark: bool = False) -> None:
        """Writes a driven picture to a .png or .jpg in the place of what is there, marked as ``Editor.save`` does."""

class Clip:
    """The frames of a clip (MP4 with H.264, AVI with JPEGs, y4m; others where ffmpeg is installed) or of a picture: an iterator
    of (seconds since the first, frame). ``fps`` is for pictures.

    Raises SourceError where it cannot be read, at its end, too, if some of it could not be.
    """

    def __init__(self, path: Path, *, fps: float = 25.0) -> None: ...
    @property
    def size(self) -> Optional[Tuple[int, int]]:
        """Width and height of its frames in pixels, where they are known and all alike."""

    @property
    def count(self) -> Optional[int]:
        """How many frames there are in all, where that is known."""

    def __iter__(self) -> Clip: ...
    def __next__(self) -> Tuple[float, Picture]: ...

def read_picture(path: Path) -> Picture:
    """Reads a JPEG, PNG or WebP as ``runtime`` does: turned upright as its EXIF asks, in RGB, on white where it is clear."""

def write_picture(path: Path, picture: Picture, *, origin: Optional[str] = None) -> None:
    """Writes a picture to a .png or .jpg, whole or not at all, in the place of what is there. ``origin`` ("generated" or
    "edited") notes in its metadata that it was made by AI."""

def draw_faces(picture: Picture, detections: Detections, *, names: bool = True) -> Picture:
    """A copy of ``picture`` with the faces found in it drawn on it, and the ``names`` of their keypoints."""

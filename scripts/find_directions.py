"""Directions of pose and expression in the style space of the generator of faces, from a teacher's landmarks.

Run by scripts/find-directions, which says what for. A direction is the coefficient of one attribute in a linear
regression of the style on it and on what must not change with it, scaled to length 1."""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

import numpy as np

MEAN_OF, MEAN_SEED = 2000, 12345  # as in trainer/src/dataset/faces
COMPONENTS = 30  # principal components of the half of the picture that is to stay
SMALL = 32  # side of the picture that they are of
FOLD = 5  # one of so many faces is held out to measure how well attributes are predicted

# Landmarks of MediaPipe's face mesh.
EYES = {"left": (33, 133, 159, 145), "right": (263, 362, 386, 374)}  # outer, inner, upper, lower
BROWS = {"left": (66, 105), "right": (296, 334)}
LIPS, CORNERS, CHEEKS, NOSE = (13, 14), (61, 291), (234, 454), 1

# Name: the attribute it moves, attributes that are held, half of the picture that is held. What is neither may come along: a
# smile with a laugh, a narrow mouth with a round one.
DIRECTIONS = {
    "yaw": ("yaw", ("pitch", "gap", "width", "smile", "eyes", "brows"), None),
    "pitch": ("pitch", ("yaw", "gap", "width", "smile", "eyes", "brows"), None),
    "mouth_open": ("gap", ("yaw", "pitch", "width", "eyes", "brows"), "upper"),
    "laugh": ("gap", ("yaw", "pitch", "eyes", "brows"), "upper"),
    "mouth_round": ("gap", ("yaw", "pitch", "smile", "eyes", "brows"), "upper"),
    "smile": ("smile", ("yaw", "pitch", "gap", "eyes", "brows"), "upper"),
    "eyes": ("eyes", ("yaw", "pitch", "gap", "width", "smile", "brows"), "lower"),
    "brows": ("brows", ("yaw", "pitch", "gap", "width", "smile", "eyes"), "lower"),
}


def progress(label, done, total, began, last=[0.0]):
    now = time.monotonic()
    if now - last[0] < 2 and done < total:
        return
    last[0] = now
    left = (now - began) / max(done, 1) * (total - done)
    print(f"find-directions: {label} {done}/{total}, {left:.0f} s left", file=sys.stderr, flush=True)


def attributes(points):
    """Of landmarks [468, 3] in units of the picture's width, x right, y down; all over the distance of the eyes."""
    q = points[:, :2]
    left, right = (q[list(eye[:2])].mean(0) for eye in EYES.values())
    x, y = right - left
    unit = np.hypot(x, y)
    # Upright, from the middle between the eyes: nothing must change as the head tilts.
    q = (q - (left + right) / 2) @ (np.array([[x, -y], [y, x]]) / unit**2)
    corners = q[list(CORNERS), 1].mean()
    cheeks = q[list(CHEEKS), 0]
    return {
        "gap": q[LIPS[1], 1] - q[LIPS[0], 1],
        "width": q[CORNERS[1], 0] - q[CORNERS[0], 0],
        "smile": q[list(LIPS), 1].mean() - corners,
        "eyes": np.mean([q[eye[3], 1] - q[eye[2], 1] for eye in EYES.values()]),
        "brows": -np.mean([q[list(brow), 1] for brow in BROWS.values()]),
        # Where the nose's tip lies between the cheeks, and between eyes and mouth.
        "yaw": (q[NOSE, 0] - cheeks.mean()) / (cheeks[1] - cheeks[0]),
        "pitch": q[NOSE, 1] / corners,
    }


def measure(paths, store):
    """Landmarks of each picture with a face, and the picture at 32 px; what `store` has is kept."""
    import cv2
    import mediapipe

    known = dict(np.load(store)) if store.exists() else {}
    todo = [p for p in paths if p.stem not in known]
    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1)
    began = time.monotonic()

    def keep():
        part = store.with_name(store.stem + ".part.npz")
        np.savez(part, **known)
        os.replace(part, store)

    try:
        for i, path in enumerate(todo):
            picture = cv2.imread(str(path))
            if picture is None:
                print(f"find-directions: {path}: not a picture; left out", file=sys.stderr)
                continue
            rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            found = mesh.process(rgb).multi_face_landmarks
            points = [[m.x, m.y, m.z] for m in found[0].landmark] if found else []
            small = cv2.resize(rgb, (SMALL, SMALL), interpolation=cv2.INTER_AREA)
            known[path.stem] = np.concatenate([np.float32(points).ravel(), np.float32(small).ravel() / 255])
            progress("landmarks", i + 1, len(todo), began)
    finally:
        keep()
    size = SMALL * SMALL * 3
    return {n: (v[:-size].reshape(-1, 3), v[-size:]) for n, v in known.items() if len(v) > size}


def styles(networks, seeds):
    """The styles of plain faces, as trainer/src/dataset/faces draws them."""
    import openvino

    core = openvino.Core()
    network = core.compile_model(core.read_model(networks / "MappingNetwork.xml"), "CPU")
    style = lambda noise: next(iter(network({0: noise[None].astype(np.float32)}).values()))[0].copy()
    random = np.random.RandomState(MEAN_SEED)
    mean = np.mean([style(random.randn(512)) for _ in range(MEAN_OF)], 0)
    all = []
    for seed in seeds:
        random = np.random.RandomState(seed)
        psi = random.uniform(0.5, 1.0)
        all.append(mean + psi * (style(random.randn(512)) - mean))
    return np.array(all)


def standard(x):
    return (x - x.mean(0)) / (x.std(0) + 1e-9)


def components(x, count):
    x = x - x.mean(0)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return u[:, :count] * s[:count]


def direction(w, target, held):
    """The coefficient of `target` [N] in the regression of `w` [N, 512] on it and on `held` [N, M], of length 1."""
    x = np.column_stack([target, held])
    coefficients, *_ = np.linalg.lstsq(standard(x), w - w.mean(0), rcond=None)
    return coefficients[0] / np.linalg.norm(coefficients[0])


def ridge(x, y):
    return np.linalg.solve(x.T @ x + 0.1 * len(x) * np.eye(x.shape[1]), x.T @ (y - y.mean()))


def predicted(w, target):
    """Correlation of the attribute with its ridge regression on the style, on faces that were held out, and what of
    the attribute, in deviations, that regression on all faces gives to a style vector."""
    x = standard(w)
    test = np.arange(len(w)) % FOLD == 0
    correlation = np.corrcoef(x[test] @ ridge(x[~test], target[~test]), target[test])[0, 1]
    return correlation, ridge(x, target) / (w.std(0) + 1e-9) / target.std()


def read_safetensors(path):
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    body = raw[8 + length :]
    span = lambda t: np.frombuffer(body[slice(*t["data_offsets"])], np.float32)
    return {n: span(t) for n, t in header.items() if n != "__metadata__"}


def write_safetensors(path, vectors):
    header, at = {}, 0
    for name, v in sorted(vectors.items()):
        header[name] = {"dtype": "F32", "shape": [len(v)], "data_offsets": [at, at + 4 * len(v)]}
        at += 4 * len(v)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    body = b"".join(v.astype("<f4").tobytes() for _, v in sorted(vectors.items()))
    part = path.with_name(path.name + ".part")
    part.write_bytes(len(text).to_bytes(8, "little") + text + body)
    os.replace(part, path)


def main():
    parser = argparse.ArgumentParser(prog="scripts/find-directions")
    parser.add_argument("faces", type=Path, help="folder of plain faces, named by seed")
    parser.add_argument("out", type=Path, help="safetensors to write")
    parser.add_argument("--networks", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--compare", type=Path, help="print how far the directions are from those of this file")
    parser.add_argument("--limit", type=int, help="use the first so many faces only")
    parser.add_argument("--force", action="store_true", help="replace OUT")
    options = parser.parse_args()
    if options.out.exists() and not options.force:
        parser.error(f"{options.out} exists: replace it with --force")
    if not options.faces.is_dir():
        parser.error(f"{options.faces} is no folder: make one with `trainer data faces 6000 {options.faces}`")
    paths = sorted(p for p in options.faces.iterdir() if re.fullmatch(r"\d+\.jpg", p.name))[: options.limit]
    if len(paths) < 200:
        parser.error(f"{options.faces} holds {len(paths)} plain faces; 200 is the least, some thousand are wanted")
    found = measure(paths, options.out.with_suffix(".landmarks.npz"))
    names = [p.stem for p in paths if p.stem in found]
    print(f"{len(names)} faces, {len(paths) - len(names)} without one that the teacher finds")
    table = [attributes(found[n][0].astype(float)) for n in names]
    values = {a: np.array([row[a] for row in table]) for a in table[0]}
    pictures = np.array([found[n][1] for n in names], np.float64).reshape(-1, SMALL, SMALL * 3)
    count = min(COMPONENTS, len(names) // 20)
    halves = {
        "upper": components(pictures[:, : SMALL // 2].reshape(len(names), -1), count),
        "lower": components(pictures[:, SMALL // 2 :].reshape(len(names), -1), count),
        None: np.zeros((len(names), 0)),
    }
    w = styles(options.networks, [int(n) for n in names])
    readers = {}
    for name, v in values.items():
        correlation, readers[name] = predicted(w, v)
        print(f"{name:12} mean {v.mean():7.3f} deviation {v.std():.3f} predicted with correlation {correlation:.2f}")
    vectors = {}
    for name, (moved, held, half) in DIRECTIONS.items():
        vectors[name] = direction(w, values[moved], np.column_stack([*(values[a] for a in held), halves[half]]))
    print("by four units of a direction, in deviations over faces:")
    for name, v in vectors.items():
        print(f"{name:12} " + " ".join(f"{a} {4 * (readers[a] @ v):5.2f}" for a in readers))
    write_safetensors(options.out, vectors)
    if options.compare:
        for name, v in read_safetensors(options.compare).items():
            print(f"{name:12} cosine with {options.compare.name} {v @ vectors[name]:.2f}")
    print(options.out)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)

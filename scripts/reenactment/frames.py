"""Sources, drivers, and what the runtime makes of them."""

import glob
import os
import re
import subprocess
import tempfile
import tomllib

PICTURES = (".jpg", ".jpeg", ".png")
# Pictures in a folder are no clip: the first of them is held until the runtime knows the driver's neutral face, then each
# until smoothing has come to rest, and what is then shown is measured.
HOLD_FIRST, HOLD = 75, 10


class Problem(Exception):
    """What is wrong, and what to do."""


def in_order(name):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def pictures(folder):
    """The pictures in a folder, numbers in their names in order."""
    names = sorted((n for n in os.listdir(folder) if n.lower().endswith(PICTURES)), key=in_order)
    if not names:
        raise Problem(f"{folder} has no pictures (JPEG, PNG)")
    return [os.path.join(folder, name) for name in names]


def expand(patterns, folder, key):
    """The paths that patterns stand for, relative to a folder."""
    paths = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        found = sorted(glob.glob(os.path.join(folder, os.path.expanduser(pattern))), key=in_order)
        if not found:
            raise Problem(f"{key}: nothing is called {pattern} in {folder}")
        paths.extend(found)
    return paths


def read_set(path):
    """Groups of sources and of drivers: two lists of (group, path)."""
    try:
        with open(path, "rb") as file:
            listed = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Problem(f"{path}: {error}") from error
    groups = []
    for key in ("sources", "drivers"):
        table = listed.pop(key, None)
        if not isinstance(table, dict) or not table:
            raise Problem(f'{path}: a table [{key}] with lists of paths is missing, as in people = ["people/*.jpg"]')
        folder = os.path.dirname(os.path.abspath(path))
        groups.append([(group, p) for group, all in table.items() for p in expand(all, folder, f"{path}: {key}.{group}")])
    if listed:
        raise Problem(f"{path}: {', '.join(listed)} is not known: there are [sources] and [drivers]")
    return groups


def held(count, first):
    """Numbers of the pictures to show, one a frame, and of the frames to measure, when `first` is the face at rest."""
    shown = [first] * HOLD_FIRST + [i for i in range(count) for _ in range(HOLD)]
    return shown, [HOLD_FIRST + HOLD * (i + 1) - 1 for i in range(count)]


def hold(paths, first, folder):
    """Fills a folder with links, a frame each; the frames to measure."""
    shown, measured = held(len(paths), first)
    for i, picture in enumerate(shown):
        os.symlink(os.path.abspath(paths[picture]), os.path.join(folder, f"{i:06}{os.path.splitext(paths[picture])[1]}"))
    return measured


def reenact(program, source, driver, out, arguments, environment):
    """Runs the runtime; paths of the pictures that it wrote, one for each of the driver's frames."""
    command = [*program, "reenact", "--source", source, "--driver", driver, "--view", "source", "--headless", "--no-hud"]
    command += ["--out", out, *arguments]
    with tempfile.TemporaryFile() as errors:
        code = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment, check=False).returncode
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
    if code != 0 or not os.path.isdir(out):
        raise Problem(f"{' '.join(command)} ended with {code}: {said or 'it said nothing'}")
    return pictures(out)

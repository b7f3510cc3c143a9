"""How a driven face follows its driver and stays its source: see scripts/evaluate-reenactment."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time

import cv2
import numpy as np

import frames
import measures
import teacher
from frames import Problem

# Side of a picture on a strip, pixels, and how many are evenly spaced.
CELL, EVEN = 192, 8
# Side of what a strip shows, over the distance between the eyes.
AROUND = 4.2


def read(path):
    """A picture [H, W, 3], RGB."""
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    if picture is None:
        raise Problem(f"{path} is no picture that can be read (JPEG, PNG)")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def read_clip(path, most):
    """The frames of a clip, RGB."""
    clip = cv2.VideoCapture(path)
    if not clip.isOpened():
        raise Problem(f"{path} is no clip that can be read, and no folder")
    try:
        for _ in range(most or sys.maxsize):
            good, picture = clip.read()
            if not good:
                return
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    finally:
        clip.release()


class Progress:
    """Lines on stderr: one that is renewed on a terminal, else one a pair."""

    def __init__(self, total):
        self.total, self.done, self.start, self.shown = total, 0, time.monotonic(), 0.0
        self.terminal = sys.stderr.isatty()

    def say(self, text):
        elapsed = time.monotonic() - self.start
        left = f", {elapsed / self.done * (self.total - self.done):.0f} s left" if self.done else ""
        line = f"{100 * self.done / max(self.total, 1):.0f} %{left}: {text}"
        print(f"\r\x1b[K{line[:110]}" if self.terminal else line, end="" if self.terminal else "\n", file=sys.stderr, flush=True)

    def step(self, count, text):
        self.done = min(self.done + count, self.total)
        if self.terminal and time.monotonic() - self.shown > 0.2:
            self.shown = time.monotonic()
            self.say(text)

    def end(self):
        if self.terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


class Driver:
    """A clip, or pictures in a folder, with what the teacher reads off each."""

    def __init__(self, group, path, most):
        self.group, self.path, self.most = group, path, most
        self.name = os.path.basename(os.path.normpath(path))
        self.paths = frames.pictures(path) if os.path.isdir(path) else None
        if self.paths is None and not os.path.isfile(path):
            raise Problem(f"there is no driver {path}")
        self.signals, self.columns, self.around = None, None, None

    def count(self):
        """About how many frames the runtime is shown."""
        if self.paths is not None:
            return frames.HOLD_FIRST + frames.HOLD * len(self.paths)
        clip = cv2.VideoCapture(self.path)
        count = int(clip.get(cv2.CAP_PROP_FRAME_COUNT))
        clip.release()
        return max(1, min(count, self.most or count))

    def pictures(self):
        return map(read, self.paths) if self.paths is not None else read_clip(self.path, self.most)

    def look(self, step):
        """Reads all frames; once a driver."""
        with teacher.Landmarks(frames=self.paths is None) as landmarks:
            points = []
            for picture in self.pictures():
                points.append(landmarks.points(picture))
                step()
        self.signals = np.array([measures.NOTHING if p is None else measures.signals(p) for p in points])
        if np.isnan(self.signals).all():
            raise Problem(f"the teacher finds no face in {self.path}")
        self.around = around([p for p in points if p is not None])
        even = np.linspace(0, len(points) - 1, min(EVEN, len(points))).round().astype(int).tolist()
        most = [int(np.nanargmax(self.signals[:, 0])), int(np.nanargmin(self.signals[:, 2]))]
        self.columns = even + ([i for i in most if i not in even] if self.paths is None else [])

    def shown(self, folder):
        """What the runtime is given as the driver, and the numbers of its frames that are measured."""
        if self.paths is None:
            return self.path, list(range(len(self.signals)))
        return folder, frames.hold(self.paths, measures.at_rest(self.signals), folder)


def around(all_points):
    """A square about a face through all frames: left, top, side."""
    middles = np.array([np.mean(measures.eyes(p), 0)[:2] * 0.5 + p[measures.LIPS[0]][:2] * 0.5 for p in all_points])
    between = [np.linalg.norm(np.subtract(*measures.eyes(p))) for p in all_points]
    side = AROUND * float(np.median(between))
    x, y = np.median(middles, 0)
    return x - side / 2, y - side / 2, side


def cell(picture, square):
    left, top, side = square
    scale = CELL / side
    move = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    if scale < 0.5:
        # warpAffine does not average over what it leaves out.
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / scale)
    return cv2.warpAffine(picture, move, (CELL, CELL), flags=how, borderMode=cv2.BORDER_REPLICATE)


class Evaluation:
    """All pairs of some sources with some drivers."""

    def __init__(self, options):
        self.options = options
        self.recognition = teacher.Recognition(options.models)
        self.environment = dict(os.environ)

    def run(self, sources, drivers):
        options = self.options
        counts = [driver.count() for driver in drivers]
        progress = Progress((len(sources) + 1) * sum(counts))
        pairs = []
        for driver, count in zip(drivers, counts):
            driver.look(lambda: progress.step(1, f"reads {driver.name}"))
            for group, source in sources:
                name = f"{source_name(source)} as {driver.name}"
                progress.say(name)
                began = progress.done
                pairs.append({"source_group": group, "driver_group": driver.group, **self.pair(source, driver, lambda: progress.step(1, name))})
                progress.step(began + count - progress.done, name)
        progress.end()
        return pairs

    def pair(self, source, driver, step):
        options = self.options
        photo = read(source)
        with teacher.Landmarks(frames=False) as landmarks:
            points = landmarks.points(photo)
        if points is None:
            print(f"\nwarning: the teacher finds no face in {source}", file=sys.stderr)
        own = self.recognition.describe(photo, points)
        with tempfile.TemporaryDirectory(prefix="reenactment-", dir=options.work) as work:
            shown = os.path.join(work, "driver")
            os.mkdir(shown)
            shown, measured = driver.shown(shown)
            if options.driven:
                paths, measured = frames.pictures(options.driven), list(range(len(driver.signals)))
            else:
                arguments = ["--max-frames", str(options.max_frames)] if options.max_frames and not driver.paths else []
                paths = frames.reenact(
                    options.program, source, shown, os.path.join(work, "driven"), arguments + options.arguments, self.environment
                )
            if len(paths) <= measured[-1] or (driver.paths is None and len(paths) != len(measured)):
                raise Problem(f"{driver.path} has {len(measured)} frames, and {len(paths)} were driven by it")
            paths = [paths[i] for i in measured]
            return self.compare(source, photo, own, driver, paths, step)

    def compare(self, source, photo, own, driver, paths, step):
        described = set(np.linspace(0, len(paths) - 1, min(self.options.identity_frames, len(paths))).round().astype(int).tolist())
        found, descriptors, kept, points_found = [], [], {}, []
        with teacher.Landmarks(frames=driver.paths is None) as landmarks:
            for i, path in enumerate(paths):
                picture = read(path)
                points = landmarks.points(picture)
                found.append(measures.NOTHING if points is None else measures.signals(points))
                if points is not None:
                    points_found.append(points)
                if i in described:
                    descriptor = self.recognition.describe(picture, points)
                    if descriptor is not None:
                        descriptors.append(descriptor)
                if i in driver.columns and self.options.strips:
                    kept[i] = picture
                step()
        if self.options.strips:
            self.strip(source, photo, driver, kept, points_found)
        pair_sums = measures.sums(driver.signals, found)
        return {
            "source": source,
            "driver": driver.path,
            "frames": len(paths),
            "faces": float(np.mean(~np.isnan(np.array(found)).any(1))),
            "identity": measures.middle(descriptors, own),
            "signals": measures.following([pair_sums]),
            "sums": {key: value if key == "n" else value.tolist() for key, value in pair_sums.items()},
        }

    def strip(self, source, photo, driver, kept, points_found):
        """Driver above, driven face below; the source before them."""
        wanted = set(driver.columns)
        drivers = {i: picture for i, picture in enumerate(driver.pictures()) if i in wanted}
        height, width = photo.shape[:2]
        square = around(points_found) if points_found else (0, 0, max(height, width))
        above = [np.full((CELL, CELL, 3), 255, np.uint8)] + [cell(drivers[i], driver.around) for i in driver.columns]
        scale = next(iter(kept.values())).shape[1] / width
        small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale != 1 else photo
        below = [cell(small, square)] + [cell(kept[i], square) for i in driver.columns]
        sheet = np.vstack([np.hstack(above), np.hstack(below)])
        cv2.imwrite(strip_path(self.options.strips, source, driver), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def source_name(source):
    """Folder and name: many portraits are called the same."""
    folder, name = os.path.split(os.path.abspath(source))
    parents = [p for p in folder.split(os.sep)[-2:] if p and p != "assets"]
    return "/".join([*parents[-1:], os.path.splitext(name)[0]])


def strip_path(folder, source, driver):
    return os.path.join(folder, f"{source_name(source).replace('/', '-')}--{os.path.splitext(driver.name)[0]}.png")


def report(pairs):
    """Pairs, and groups of them: each kind of driver on each kind of source, and on all."""
    groups, all_groups = {}, len({pair["source_group"] for pair in pairs}) > 1
    for pair in pairs:
        for on in [pair["source_group"], "all"] if all_groups else [pair["source_group"]]:
            groups.setdefault(f"{pair['driver_group']} on {on}", []).append(pair)
    return {name: measures.summary(members) for name, members in groups.items()}


def print_tables(pairs, groups):
    rows = [
        measures.row(f"{source_name(p['source'])} as {os.path.basename(os.path.normpath(p['driver']))}", p["faces"], p["signals"], p["identity"])
        for p in pairs
    ]
    for name, group in groups.items() if len(pairs) > 1 else []:
        rows.append(measures.row(f"median, {name} (n = {group['pairs']})", group["faces"], group["median"], group["identity"]))
        rows.append(measures.row(f"all frames, {name}", group["faces"], group["pooled"], group["identity"]))
    print(measures.table(rows))
    print("\nEach cell: correlation and slope. '-': the driver hardly moves so. Faces of several pairs: the least.")


def arguments():
    parser = argparse.ArgumentParser(prog="evaluate-reenactment")
    parser.add_argument("source", nargs="?")
    parser.add_argument("driver", nargs="?")
    parser.add_argument("--sources")
    parser.add_argument("--drivers", action="append", default=[])
    parser.add_argument("--set", dest="listed")
    parser.add_argument("--bundle")
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--driven")
    parser.add_argument("--strips")
    parser.add_argument("--json")
    parser.add_argument("--max-frames", type=int)
    parser.add_argument("--identity-frames", type=int, default=12)
    parser.add_argument("--work")
    parser.add_argument("--force", action="store_true")
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:cut])
    options.arguments = given[cut + 1 :]
    options.program = [options.runtime] + (["--bundle", options.bundle] if options.bundle else [])
    return options


def asked(options):
    """Sources and drivers, with their groups."""
    if options.listed:
        if options.source or options.sources or options.drivers:
            raise Problem("--set names sources and drivers: leave out the others")
        sources, drivers = frames.read_set(options.listed)
    else:
        names = [options.source, options.driver]
        if options.sources and options.driver is None:
            # With --sources the only name is the driver's.
            names = [None, options.source]
        sources = [("sources", s) for s in [names[0]] + (frames.pictures(options.sources) if options.sources else []) if s]
        drivers = [("drivers", d) for d in [names[1], *options.drivers] if d]
    if not sources or not drivers:
        raise Problem("name a SOURCE and a DRIVER; --help says how")
    if options.driven and len(sources) * len(drivers) != 1:
        raise Problem("--driven is the output of one pair: name one source and one driver")
    for _, source in sources:
        if not os.path.isfile(source):
            raise Problem(f"there is no source {source}")
    return sources, [Driver(group, path, options.max_frames) for group, path in drivers]


def prepare(options, sources, drivers):
    """Nothing is written over, and what cannot be written is known before hours of work."""
    paths = [options.json] if options.json else []
    if options.strips:
        os.makedirs(options.strips, exist_ok=True)
        paths += [strip_path(options.strips, s, d) for _, s in sources for d in drivers]
    there = [p for p in paths if os.path.exists(p)]
    if there and not options.force:
        raise Problem(f"{there[0]} is already there: --force writes over it")
    if not options.driven and shutil.which(options.runtime) is None:
        raise Problem(f"{options.runtime} is no program: cargo build --release -p lkg-runtime, or name one by --runtime")


def silence_libraries():
    """MediaPipe writes warnings past Python: what this program itself says goes on."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)


def main():
    options = arguments()
    silence_libraries()
    sources, drivers = asked(options)
    prepare(options, sources, drivers)
    pairs = Evaluation(options).run(sources, drivers)
    groups = report(pairs)
    print_tables(pairs, groups)
    if options.json:
        written = {"runtime": options.runtime, "bundle": options.bundle, "teacher": teacher.name(), "pairs": pairs, "groups": groups}
        temporary = f"{options.json}.tmp"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(written, file, indent=1)
            file.write("\n")
        os.replace(temporary, options.json)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Problem as problem:
        print(f"evaluate-reenactment: error: {problem}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nevaluate-reenactment: stopped", file=sys.stderr)
        sys.exit(130)

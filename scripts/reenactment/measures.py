"""How a driven face follows its driver: numbers from landmarks alone, by numpy."""

import math

import numpy as np

# Names and units of what is read off a face. Lengths are over the distance between the eyes.
SIGNALS = ("lip gap", "mouth width", "eye opening", "brow height", "yaw", "pitch", "roll")
# A driver whose standard deviation is less hardly moves so: nothing can be said about who follows it.
LEAST_DEVIATION = (0.02, 0.02, 0.015, 0.015, 2.0, 2.0, 2.0)
# How far each is from rest when it counts as one step away from it.
STEP = (0.1, 0.1, 0.05, 0.05, 10.0, 10.0, 10.0)

# Numbers of MediaPipe's landmarks: corners, upper and lower lid of the eyes on the picture's left and right.
LEFT_EYE, RIGHT_EYE = (33, 133, 159, 145), (263, 362, 386, 374)
LIPS, MOUTH = (13, 14), (61, 291)
LEFT_BROW, RIGHT_BROW = 105, 334
TEMPLES, FOREHEAD, NOSE_BASE = (234, 454), 10, 2


def unit(v):
    return v / (np.linalg.norm(v) + 1e-9)


def eyes(points):
    """Middles of both eyes."""
    return [(points[eye[0]] + points[eye[1]]) / 2 for eye in (LEFT_EYE, RIGHT_EYE)]


def signals(points):
    """SIGNALS of a face: `points` [468 or more, 3] in pixels, x right, y down, z away. Angles in degrees: yaw is positive
    where the nose points to the picture's right, pitch where it points down, roll where the head leans to it."""
    p = np.asarray(points, np.float64)
    left, right = eyes(p)
    between = np.linalg.norm(right - left)
    distance = lambda a, b: np.linalg.norm(p[a] - p[b]) / between
    opening = (distance(*LEFT_EYE[2:]) + distance(*RIGHT_EYE[2:])) / 2
    brows = (np.linalg.norm(p[LEFT_BROW] - left) + np.linalg.norm(p[RIGHT_BROW] - right)) / (2 * between)
    # Only points that expressions leave alone.
    x = unit(unit(p[TEMPLES[1]] - p[TEMPLES[0]]) + unit(p[RIGHT_EYE[0]] - p[LEFT_EYE[0]]))
    down = p[NOSE_BASE] - p[FOREHEAD]
    y = unit(down - x * (down @ x))
    nose = -np.cross(x, y)
    yaw, pitch = math.atan2(nose[0], -nose[2]), math.atan2(nose[1], math.hypot(nose[0], nose[2]))
    roll = math.atan2(x[1], x[0])
    angles = [math.degrees(a) for a in (yaw, pitch, roll)]
    return np.array([distance(*LIPS), distance(*MOUTH), opening, brows, *angles])


NOTHING = np.full(len(SIGNALS), np.nan)


def sums(driver, driven):
    """Of signals [N, 7] of the same frames (rows of NaN: no face): frames with both, and sums of products of deviations from
    the mean, `xx`, `xy`, `yy`, [7] each."""
    driver, driven = np.asarray(driver, np.float64), np.asarray(driven, np.float64)
    both = ~(np.isnan(driver).any(1) | np.isnan(driven).any(1))
    x, y = driver[both], driven[both]
    if len(x) == 0:
        none = np.zeros(len(SIGNALS))
        return {"n": 0, "xx": none, "xy": none, "yy": none}
    x, y = x - x.mean(0), y - y.mean(0)
    return {"n": len(x), "xx": (x * x).sum(0), "xy": (x * y).sum(0), "yy": (y * y).sum(0)}


def following(all_sums):
    """Correlation and least-squares slope of each signal over one or several pairs, deviations taken within each; None where
    the driver hardly moves so."""
    n = sum(s["n"] for s in all_sums)
    xx, xy, yy = (sum(np.asarray(s[name]) for s in all_sums) for name in ("xx", "xy", "yy"))
    found = {}
    for i, name in enumerate(SIGNALS):
        deviation = math.sqrt(xx[i] / n) if n else 0.0
        moves = n > 2 and deviation >= LEAST_DEVIATION[i]
        found[name] = {
            "driver_deviation": deviation,
            "correlation": float(xy[i] / math.sqrt(xx[i] * yy[i])) if moves and yy[i] > 1e-12 else 0.0 if moves else None,
            "slope": float(xy[i] / xx[i]) if moves else None,
        }
    return found


def median(values):
    """The median of those that are not None, or None."""
    values = [v for v in values if v is not None]
    return float(np.median(values)) if values else None


def summary(pairs):
    """Medians over pairs, and what all their frames say together."""
    return {
        "pairs": len(pairs),
        "faces": min((p["faces"] for p in pairs), default=None),
        "identity": median([p["identity"] for p in pairs]),
        "median": {
            name: {what: median([p["signals"][name][what] for p in pairs]) for what in ("correlation", "slope")}
            for name in SIGNALS
        },
        "pooled": following([p["sums"] for p in pairs]),
    }


def at_rest(driver):
    """The number of the frame in signals [N, 7] whose face is most at rest: mouth closed, eyes open, head and brows as they
    are most of the time."""
    driver = np.asarray(driver, np.float64)
    rest = np.nanmedian(driver, 0)
    rest[0], rest[2] = np.nanmin(driver[:, 0]), np.nanmax(driver[:, 2])
    away = np.abs(driver - rest) / np.array(STEP)
    return int(np.nanargmin(np.where(np.isnan(away).any(1), np.inf, away.sum(1))))


def middle(descriptors, source):
    """Median distance of face descriptors from that of the source; None without any."""
    return median([float(np.linalg.norm(d - source)) for d in descriptors]) if source is not None else None


HEAD = ("", "faces", *SIGNALS, "identity")


def row(name, faces, signals_found, identity):
    """Cells of a table: correlation and slope of each signal."""
    number = lambda v: "-" if v is None else f"{v:.2f}"
    cells = [f"{number(signals_found[s]['correlation'])} {number(signals_found[s]['slope'])}" for s in SIGNALS]
    cells = ["-" if cell == "- -" else cell for cell in cells]
    return [name, "-" if faces is None else f"{100 * faces:.0f} %", *cells, number(identity)]


def table(rows):
    """Markdown with columns in line."""
    rows = [list(HEAD), *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    line = lambda cells: "| " + " | ".join(cell.ljust(w) for cell, w in zip(cells, widths)) + " |"
    return "\n".join([line(rows[0]), "|" + "|".join("-" * (w + 2) for w in widths) + "|", *map(line, rows[1:])])

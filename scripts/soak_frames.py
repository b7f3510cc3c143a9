"""Counts and times the frames of a running program, and watches what it holds. Called by scripts/soak.

soak_frames.py run FRAMES OUT COMMAND...   COMMAND writes y4m to its standard output; it is interrupted after FRAMES frames
soak_frames.py check OUT                   the table of OUT.tsv, a plot of it where gnuplot is, and whether it is sound

A row of OUT.tsv is a window of the run: second at which it ends, frames until then, least memory (kB), threads, files, then
median, 90 %, 99 % and longest time of a frame (ms), from one frame to the next, and the processor's time of one (ms).
"""

import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time

WINDOWS = 200
COLUMNS = ("second", "frames", "memory", "threads", "files", "p50", "p90", "p99", "longest", "processor")
# Of the run, which warms up.
WARM_UP = 0.1
MOST_GROWTH = 2.0  # percent of memory
MOST_SLOWER = 1.5  # times the processor's time of a frame, which other programs change little
PLOT = """
set terminal pngcairo size 1100,1000 font 'sans,11'
set output '{png}'
set datafile separator tab
set multiplot layout 3,1 title '{title}'
set key outside right; set grid; set xlabel 'frames'; set format x '%.0f'
set ylabel 'memory (MB)'; set yrange [0:*]
plot '{tsv}' skip 1 using 2:($3/1024) with lines lw 2 title 'resident'
set ylabel 'count'
plot '{tsv}' skip 1 using 2:4 with steps lw 2 title 'threads', '' skip 1 using 2:5 with steps lw 2 title 'open files'
set ylabel 'ms a frame'; set logscale y; set yrange [*:*]
plot '{tsv}' skip 1 using 2:6 with lines lw 2 title 'p50', '' skip 1 using 2:7 with lines title 'p90', \\
  '' skip 1 using 2:8 with lines title 'p99', '' skip 1 using 2:9 with points pt 7 ps 0.3 title 'longest', \\
  '' skip 1 using 2:10 with lines dt 2 title 'processor'
"""


def held(pid):
    """Memory (kB), threads and open files of a process."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["VmRSS"].split()[0]), int(fields["Threads"]), len(os.listdir(f"/proc/{pid}/fd"))


def processor(pid):
    """Time that the processor worked for a process, in seconds."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def frames(stream):
    """The time at which each frame of y4m has come."""
    head = stream.readline().decode("ascii", "replace").split()
    sides = {field[0]: field[1:] for field in head[1:]}
    if not head or head[0] != "YUV4MPEG2":
        return
    width, height, form = int(sides["W"]), int(sides["H"]), sides.get("C", "420")
    half = ((width + 1) // 2) * ((height + 1) // 2)
    size = width * height + {"420": 2 * half, "444": 2 * width * height, "mon": 0}[form[:3]]
    while stream.readline().startswith(b"FRAME"):
        if len(stream.read(size)) < size:
            return
        yield time.monotonic()


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(wanted, out, command):
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    start = last = sampled = told = time.monotonic()
    count, window, samples, rows = 0, [], [held(child.pid)], []
    each, worked = max(1, wanted // WINDOWS), processor(child.pid)
    try:
        for now in frames(child.stdout):
            if count:
                window.append((now - last) * 1000)
            last, count = now, count + 1
            if now - sampled >= 1:
                samples.append(held(child.pid))
                sampled = now
            if count % each == 0 or count == wanted:
                samples.append(held(child.pid))
                window.sort()
                times = [percentile(window, share) for share in (0.5, 0.9, 0.99)] + [window[-1]] if window else [0.0] * 4
                work = processor(child.pid)
                mean = 1000 * (work - worked) / (len(window) or 1)
                rows.append([now - start, count, *(min(s[i] for s in samples) for i in range(3)), *times, mean])
                window, samples, worked = [], [], work
            if now - told >= 30:
                told = now
                left = (now - start) / count * (wanted - count)
                print(f"soak: {count} of {wanted} frames, {count / (now - start):.0f} a second, {left / 60:.0f} min left", flush=True)
            if count == wanted:
                break
    except KeyboardInterrupt:
        print(f"soak: interrupted after {count} frames", flush=True)
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
    while child.stdout.read(1 << 20):
        pass
    try:
        code = child.wait(60)
    except subprocess.TimeoutExpired:
        child.kill()
        sys.exit("soak: error: the program does not end after an interrupt")
    text = ["\t".join(COLUMNS)] + ["\t".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row) for row in rows]
    pathlib.Path(f"{out}.tsv").write_text("\n".join(text) + "\n", encoding="utf-8")
    if code != 0 or count < wanted:
        sys.exit(f"soak: error: the program ended with exit code {code} after {count} of {wanted} frames")


def check(out):
    lines = pathlib.Path(f"{out}.tsv").read_text(encoding="utf-8").splitlines()
    rows = [dict(zip(COLUMNS, map(float, line.split("\t")))) for line in lines[1:]]
    if len(rows) < 20:
        sys.exit(f"too short to assess: {len(rows)} windows, 20 at least are needed")
    print(f"{'frames':>10} {'second':>8} {'memory (MB)':>12} {'threads':>8} {'files':>6} {'p50':>8} {'p90':>8} {'p99':>8} {'longest':>8} {'processor':>9}  (ms)")
    for row in rows[:: max(1, len(rows) // 20)] + rows[-1:]:
        print(f"{row['frames']:10.0f} {row['second']:8.0f} {row['memory'] / 1024:12.2f} {row['threads']:8.0f} {row['files']:6.0f} "
              f"{row['p50']:8.2f} {row['p90']:8.2f} {row['p99']:8.2f} {row['longest']:8.1f} {row['processor']:9.2f}")
    tenth = max(2, len(rows) // 10)
    warm = rows[int(WARM_UP * len(rows)):]
    before, after = warm[:tenth], warm[-tenth:]
    least = lambda part, name: min(row[name] for row in part)
    growth = 100 * (least(after, "memory") / least(before, "memory") - 1)
    slower = statistics.median(r["processor"] for r in after) / max(1e-9, statistics.median(r["processor"] for r in before))
    print(f"after the first {100 * WARM_UP:.0f} % memory grew by {growth:.2f} % (most: {MOST_GROWTH:.0f} %), "
          f"a frame takes {slower:.2f} times the processor's time (most: {MOST_SLOWER})")
    faults = []
    if growth >= MOST_GROWTH:
        faults.append("memory grows")
    for name in ("threads", "files"):
        if least(after, name) != least(before, name):
            faults.append(f"{name} went from {least(before, name):.0f} to {least(after, name):.0f}")
    if slower >= MOST_SLOWER:
        faults.append("frames take more and more work")
    if shutil.which("gnuplot"):
        title = f"{rows[-1]['frames']:.0f} frames in {rows[-1]['second'] / 60:.0f} min"
        script = PLOT.format(png=f"{out}.png", tsv=f"{out}.tsv", title=title)
        done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True)
        print(f"plot: {out}.png" if done.returncode == 0 else f"no plot: {done.stderr.strip()}")
    else:
        print("no plot, as gnuplot is missing (sudo apt-get install gnuplot-nox)")
    for fault in faults:
        print(f"FAILED: {fault}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(int(sys.argv[2]), sys.argv[3], sys.argv[4:])
    else:
        check(sys.argv[2])

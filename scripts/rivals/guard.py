"""Holds this build against a stored baseline, on noisy machines too: instructions that our own part takes, and what
our part adds to ONNX Runtime's own run. Standard library only.

Usage: guard.py BASELINE FIXED_WORK RUNTIME RUSTC [--update] [--no-ratios]"""

import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FEW, MANY = 2, 12  # the difference leaves out what starting takes


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"bench: error: {' '.join(map(str, command))} failed: {done.stderr.strip()[-500:]}")
    return done


def perf_works():
    """Virtual machines often have `perf` and no counters behind it."""
    if not shutil.which("perf"):
        return False
    done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", "true"], capture_output=True, text=True)
    return done.returncode == 0 and re.match(r"\d+,", done.stderr) is not None


def by_perf(command):
    return int(run(["perf", "stat", "-x,", "-e", "instructions:u", *command]).stderr.split(",")[0])


def by_callgrind(command):
    with tempfile.TemporaryDirectory() as folder:
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        found = re.search(r"Collected : (\d+)", run([*tool, *command]).stderr)
    if not found:
        sys.exit("bench: error: valgrind gave no instruction count")
    return int(found[1])


def instructions(program, count):
    counts = {}
    for part in run([program]).stdout.split():
        few, many = (count([program, part, str(n)]) for n in (FEW, MANY))
        counts[part] = (many - few) // (MANY - FEW)
    return counts


def ratios(program, limits):
    """What our part adds to the bare run; only what lies surely above its limit is a failure."""
    command = [program, "--provider", "cpu", "bench", "--batch", "1", "--cold", "0", "--live", "0", "--json", "-"]
    report = json.loads(run(command).stdout)
    failures = []
    for row in report["overheads"]:
        limit = next((limits[key] for key in limits if row["of"].startswith(key)), None)
        over = limit is not None and row["low"] > limit
        if over:
            failures.append(f"{row['of']}: surely above {limit}")
        verdict = "" if limit is None else f", limit {limit}: " + ("FAILED" if over else "ok")
        print(f"  {row['of']}: {row['ratio']:.3f} times {row['over']} "
              f"({row['low']:.3f} to {row['high']:.3f}, {row['n']} rounds){verdict}")
    return failures


def main():
    path, fixed_work, program, rustc = sys.argv[1:5]
    update, path = "--update" in sys.argv[5:], Path(path)
    baseline = json.loads(path.read_text())
    if perf_works():
        tool, count = "perf", by_perf
    elif shutil.which("valgrind"):
        tool, count = "callgrind", by_callgrind
    else:
        sys.exit("bench: error: neither perf counters nor valgrind here; on Debian and Ubuntu: apt-get install valgrind")
    # Each compiler, processor and tool counts otherwise, so each has a baseline of its own.
    key = f"{platform.machine()} {tool} {rustc}"
    counts = instructions(fixed_work, count)
    failures = []
    known = baseline["instructions"].get(key)
    if update:
        baseline["instructions"][key] = counts
        path.write_text(json.dumps(baseline, indent=2, sort_keys=True) + "\n")
        print(f"baseline written for {key}")
    elif known is None:
        failures.append(f"no baseline for {key}: record one with scripts/bench guard --update, on the commit before yours")
    tolerance = baseline["tolerance"]
    print(f"instructions for one frame ({key}):")
    for part, now in counts.items():
        before = (known or {}).get(part)
        change = now / before - 1 if before else None
        over = change is not None and change > tolerance and not update
        if over:
            failures.append(f"{part}: {100 * change:.1f} % more instructions, {100 * tolerance:.0f} % are allowed")
        verdict = "new" if change is None else f"{100 * change:+.1f} %" + (" FAILED" if over else "")
        print(f"  {part}: {now:,} {verdict}")
        if change is not None and change < -tolerance and not update:
            print("    faster than the baseline: keep that with scripts/bench guard --update")
    if "--no-ratios" not in sys.argv[5:]:
        print("over ONNX Runtime's bare run:")
        failures += ratios(program, baseline["ratio_limits"])
    for failure in failures:
        print(f"bench: REGRESSION: {failure}", file=sys.stderr)
    sys.exit(1 if failures else 0)


main()

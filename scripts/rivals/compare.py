"""Holds the runtime against its rivals: programs take turns, a pass over the same frames each, so that what the
machine does meanwhile falls on all alike. Standard library only.

Usage: compare.py [--rounds N] [--starts N] [--json FILE] NAME=KIND=COMMAND...
KIND is whole (decode, keypoints, draw) or network. The first of each kind is what the others are divided by."""

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

PARTS = ("decode", "keypoints", "draw", "total", "network")


class Rival:
    def __init__(self, text):
        self.name, self.kind, command = text.split("=", 2)
        self.command = shlex.split(command)
        self.times = {part: [] for part in PARTS}  # of all rounds
        self.rounds = {part: [] for part in PARTS}  # median of each round
        self.starts = []
        self.found = self.frames = 0
        self.passes = 0.0  # ms that all passes took
        self.peak = None

    def start(self):
        """Starts it and waits for its first frame; the time is that of a fresh process, files in the file cache."""
        begun = time.perf_counter()
        log = tempfile.TemporaryFile("w+")
        process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1
        )
        line = process.stdout.readline()
        seconds = time.perf_counter() - begun
        if not line:
            process.wait()
            log.seek(0)
            sys.exit(f"{self.name} did not start: {log.read()[-600:].strip()}")
        self.starts.append(seconds * 1e3)
        return process

    def turn(self, process, count):
        process.stdin.write("go\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended in the middle of a pass (exit code {process.wait()})")
        answer = json.loads(line)
        if not count:
            return
        for part in PARTS:
            if answer.get(part):
                self.times[part] += answer[part]
                self.rounds[part].append(statistics.median(answer[part]))
        self.frames += max(len(answer.get(part) or []) for part in PARTS)
        self.found += answer["found"]
        self.passes += answer.get("pass") or 0
        self.peak = max(self.peak or 0, answer["peak_rss"] or 0) or None

    def p(self, part, share):
        times = sorted(self.times[part])
        return times[max(0, -(-int(len(times) * share * 1000) // 1000) - 1)] if times else None


def ratio(other, ours):
    """Median of the rounds' ratios, and the least and most of them."""
    ratios = [b / a for a, b in zip(ours, other)]
    return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None


def cell(value, digits=3):
    return "-" if value is None else f"{value:.{digits}g}"


def table(heads, rows):
    print("| " + " | ".join(heads) + " |")
    print("|" + " --- |" + " ---: |" * (len(heads) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def against(ours, value, better):
    """How many times better ours is: `value` over ours for what should be small."""
    return "-" if not ours or not value else f"{(value / ours if better == 'small' else ours / value):.2f}"


def report(rivals):
    whole = [r for r in rivals if r.kind == "whole"]
    rows = []
    for r in whole:
        first = whole[0]
        fps, first_fps = (x.frames / x.passes * 1e3 for x in (r, first))
        times = ratio(r.rounds["keypoints"], first.rounds["keypoints"])
        rows.append([
            r.name, str(r.frames), f"{100 * r.found / r.frames:.0f} %",
            *(cell(r.p("keypoints", share)) for share in (0.5, 0.9, 0.99)),
            f"{times[0]:.2f} ({times[1]:.2f} to {times[2]:.2f})",
            cell(r.p("decode", 0.5)), cell(r.p("draw", 0.5)), cell(r.p("total", 0.5)), cell(r.p("total", 0.9)),
            f"{fps:.0f}", against(first_fps, fps, "large"),
        ])
    print("End to end, ms: JPEG in memory to picture drawn; frames/s are those of whole passes, in which each program does "
          "beside each other what it can. `x` is how many times the first row is better.\n")
    table(["program", "n", "face found", "frame to keypoints p50", "p90", "p99", "x (range of rounds)", "decode p50",
           "draw p50", "total p50", "total p90", "frames/s", "x"], rows)
    rows = []
    for r in whole:
        first = whole[0]
        start, ours = statistics.median(r.starts), statistics.median(first.starts)
        rows.append([
            r.name, str(len(r.starts)), cell(start, 4), against(ours, start, "small"),
            cell(r.peak and r.peak / 1e6, 4), against(first.peak, r.peak, "small"),
        ])
    print("Start (process start to first keypoints, files in the file cache) and memory (peak resident).\n")
    table(["program", "starts", "start ms", "x", "peak MB", "x"], rows)
    network = [r for r in rivals if r.kind == "network"] + [r for r in whole if r.times["network"]]
    rows = []
    for r in network:
        times = ratio(r.rounds["network"], network[0].rounds["network"])
        rows.append([
            r.name, str(len(r.times["network"])), *(cell(r.p("network", share)) for share in (0.5, 0.9, 0.99)),
            f"{times[0]:.2f} ({times[1]:.2f} to {times[2]:.2f})", cell(r.peak and r.peak / 1e6, 4),
        ])
    if rows:
        print("The detector network alone, ms.\n")
        table(["program", "n", "p50", "p90", "p99", "x (range of rounds)", "peak MB"], rows)


def quiet():
    """Idle share of the machine over a second, before anything is started."""
    def ticks():
        with open("/proc/stat") as stat:
            values = [int(v) for v in stat.readline().split()[1:9]]
        return sum(values), values[3] + values[4]

    (all_a, idle_a), _ = ticks(), time.sleep(1)
    all_b, idle_b = ticks()
    return (idle_b - idle_a) / max(1, all_b - all_a)


def cpu_name():
    with open("/proc/cpuinfo") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--json")
    parser.add_argument("rivals", nargs="+")
    args = parser.parse_args()
    rivals = [Rival(text) for text in args.rivals]
    idle = quiet()
    print(f"{cpu_name()}, {os.cpu_count()} processors, kernel {platform.release()}, "
          f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}; the machine was {100 * idle:.0f} % idle before.\n")
    for number in range(args.starts):
        for r in rivals:
            progress(f"start {number + 1} of {args.starts}: {r.name}")
            process = r.start()
            process.stdin.close()
            process.wait()
    running = [(r, r.start()) for r in rivals]
    begun = time.monotonic()
    for number in range(args.rounds + 1):
        for r, process in running:
            left = (time.monotonic() - begun) / max(number, 1) * (args.rounds + 1 - number)
            progress(f"round {number} of {args.rounds}: {r.name}" + (f", {left:.0f} s left" if number else ""))
            # The first round warms up.
            r.turn(process, count=number > 0)
    progress("")
    for _, process in running:
        process.stdin.close()
        process.wait()
    report(rivals)
    if idle < 0.9:
        print("INVALID: other programs used the machine; measure again when it is quiet.")
    if args.json:
        fields = ("name", "kind", "rounds", "starts", "found", "frames", "peak")
        with open(args.json, "w") as file:
            json.dump([{field: getattr(r, field) for field in fields} for r in rivals], file, indent=1)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


main()

"""Attacks on the pages and on /api of a real server. Usage: attack.py RUNTIME BUNDLE FOLDER [--quick]

Prints what got through, and at the end `N passed, N failed`. Without --quick also what takes long: peers that drip, stall
and never read. See scripts/test-page-attacks.
"""

import sys
import time

import requests_refused
import resources
from peer import Server

TOKEN = "0123456789abcdef"


class Tally:
    """Counts attacks; one that got through is printed."""

    def __init__(self):
        self.passed, self.failed, self.group = 0, 0, ""

    def begin(self, group):
        self.group, self.begun, self.start = group, self.passed + self.failed, time.monotonic()

    def end(self):
        took = time.monotonic() - self.start
        print(f"{self.group}: {self.passed + self.failed - self.begun} attacks, {took:.1f} s", flush=True)

    def check(self, name, held, seen=""):
        if held:
            self.passed += 1
        else:
            self.failed += 1
            print(f"GOT THROUGH {self.group}: {name}: {seen}", flush=True)


def run(tally, groups, server, **more):
    for group in groups:
        tally.begin(group.__doc__)
        group(tally, server, **more)
        tally.check("a visitor afterwards", server.visited(), "is not served")
        tally.end()


def main():
    program, bundle, folder = sys.argv[1:4]
    quick = "--quick" in sys.argv
    tally = Tally()
    clip = ["--bundle", bundle, "webcam", "clip.avi", "--loop", "--headless"]
    with Server(program, clip, folder) as live, Server(program, ["--bundle", bundle, "edit"], folder, TOKEN) as editor:
        live.alive(), editor.alive()
        before = [server.status() for server in (live, editor)]
        run(tally, requests_refused.OPEN, live)
        run(tally, requests_refused.WITH_TOKEN, editor)
        run(tally, requests_refused.BOTH, live)
        run(tally, requests_refused.BOTH, editor)
        run(tally, resources.FLOODS, live)
        run(tally, resources.FLOODS, editor)
        run(tally, resources.STRANGERS, editor)
        run(tally, resources.VIEWERS, live)
        if not quick:
            run(tally, resources.SLOW + resources.SLOW_LIVE, live)
            run(tally, resources.SLOW, editor)
        tally.begin("afterwards")
        for name, server, was in (("live", live, before[0]), ("edit", editor, before[1])):
            tally.check(f"{name}: threads and files", resources.settles(server, was), f"{was} became {server.status()}")
            memory = server.status()[0]
            tally.check(f"{name}: memory", memory < 500, f"{memory:.0f} MB at most")
            said = "".join(server.stderr)
            tally.check(f"{name}: no panic", "panicked" not in said, said[-300:])
            code = server.stop()
            tally.check(f"{name}: Ctrl-C ends it well", code == 0, f"exit {code}: {''.join(server.stderr)[-300:]}")
        tally.end()
    print(f"{tally.passed} passed, {tally.failed} failed")
    sys.exit(tally.failed != 0)


if __name__ == "__main__":
    main()

"""A browser for checks: Chromium without a window, controlled through a pipe (the DevTools protocol). Python alone,
nothing to install beside Chromium."""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

# The last ones keep it from looking for its maker's hosts.
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--window-size=1280,900", "--remote-debugging-pipe"]
PROGRAMS = ["chromium", "chromium-browser", "google-chrome"]


class Failed(Exception):
    """A check did not hold."""


def above(descriptor):
    """The same file under a number of 10 or more."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10)
    os.close(descriptor)
    return moved


class Browser:
    """Chromium with an empty profile. Use it in a `with`."""

    def __init__(self):
        program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
        if program is None:
            raise Failed("there is no Chromium")
        self.profile = tempfile.mkdtemp(prefix="lkg-browser-")
        to_child, self.out = os.pipe()
        self.into, from_child = os.pipe()
        # It reads from descriptor 3 and writes to 4; neither end may be one of those, or it would be put in the other's way.
        to_child, from_child = above(to_child), above(from_child)
        place = lambda: (os.dup2(to_child, 3), os.dup2(from_child, 4))
        command = [program, *FLAGS, "--user-data-dir=" + self.profile, "about:blank"]
        # Nothing else is inherited: what Python opens is closed when another program begins.
        self.child = subprocess.Popen(command, preexec_fn=place, close_fds=False, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_child)
        os.close(from_child)
        self.numbers = itertools.count(1)
        self.held = b""
        self.events = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        os.close(self.out)
        os.close(self.into)
        shutil.rmtree(self.profile, ignore_errors=True)

    def _message(self, deadline):
        while b"\0" not in self.held:
            ready, _, _ = select.select([self.into], [], [], max(0, deadline - time.monotonic()))
            got = os.read(self.into, 1 << 20) if ready else b""
            if not got:
                raise Failed("the browser does not answer")
            self.held += got
        text, self.held = self.held.split(b"\0", 1)
        return json.loads(text)

    def send(self, method, session=None, timeout=30, **parameters):
        """Asks for something and gives the answer; what happens meanwhile is kept in `events`."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout
        while True:
            answer = self._message(deadline)
            if answer.get("id") == number:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error'].get('message')}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def open(self, address, size=(1280, 900), touch=False):
        """A new page at an address, as large as asked for, with a mouse or with fingers."""
        return Page(self, address, size, touch)


class Page:
    """A tab."""

    def __init__(self, browser, address, size, touch):
        self.browser = browser
        self.target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.send("Target.attachToTarget", targetId=self.target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.send(domain + ".enable")
        width, height = size
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        if touch:
            self.send("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
        self.send("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'", what="the page does not load")

    def send(self, method, **parameters):
        return self.browser.send(method, self.session, **parameters)

    def run(self, expression):
        """What an expression of JavaScript gives; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise Failed(f"{expression}: {answer['exceptionDetails'].get('exception', {}).get('description')}")
        return answer["result"].get("value")

    def wait(self, expression, seconds=10, what=None):
        """Until an expression is true; gives its value."""
        deadline = time.monotonic() + seconds
        while True:
            value = self.run(expression)
            if value:
                return value
            if time.monotonic() > deadline:
                raise Failed(what or f"never: {expression}")
            time.sleep(0.03)

    def click(self, selector):
        """A click of the mouse in the middle of an element."""
        box = self.run(f"(r => [r.x + r.width / 2, r.y + r.height / 2])"
                       f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())")
        for kind in ["mousePressed", "mouseReleased"]:
            self.send("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def mouse(self, kind, x, y, held=True):
        """Something that a mouse does at a point, in pixels of the page, with the left button held or without."""
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left" if held else "none",
                  buttons=1 if held and kind != "mouseReleased" else 0, clickCount=1)

    def touch(self, kind, points):
        """Something that fingers do at these points."""
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        self.send("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def key(self, key):
        """A tap of a key."""
        text = key if len(key) == 1 else ""
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def shot(self, path):
        """A picture of the page, PNG."""
        data = self.send("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def complaints(self):
        """What the page's scripts, or the browser about the page, complained of."""
        found = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            if event["method"] == "Runtime.exceptionThrown":
                details = event["params"]["exceptionDetails"]
                found.append(details.get("exception", {}).get("description") or details["text"])
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                found.append(event["params"]["entry"]["text"])
        return found

    def close(self):
        self.browser.send("Target.closeTarget", targetId=self.target)


class Program:
    """The runtime as a server that runs in a folder. Use it in a `with`."""

    def __init__(self, arguments, folder):
        self.errors = tempfile.NamedTemporaryFile("w+")
        self.child = subprocess.Popen([os.environ["RUNTIME"], *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.address = None
        deadline = time.monotonic() + 30
        while self.address is None:
            words = self.said().split()
            self.address = next((w for w in words if w.startswith("http://")), None)
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"no page is served: {self.said()}")
            time.sleep(0.05)

    def said(self):
        with open(self.errors.name) as file:
            return file.read()

    def answer(self, ask):
        """What it says next, after `ask` was called."""
        before = self.said()
        ask()
        deadline = time.monotonic() + 10
        while not (more := self.said()[len(before):]).endswith("\n"):
            if time.monotonic() > deadline:
                raise Failed("the program says nothing")
            time.sleep(0.03)
        return more.splitlines()[0].strip()

    def end(self):
        """Asks it to end; gives the exit code and what it printed."""
        self.child.send_signal(2)
        try:
            printed, _ = self.child.communicate(timeout=15)
        except subprocess.TimeoutExpired as e:
            raise Failed("the program does not end") from e
        return self.child.returncode, printed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self.errors.close()


def still(folder):
    """A picture of a face in `folder`: the one that PHOTO names, else the demo clip's first."""
    if os.environ.get("PHOTO"):
        return os.environ["PHOTO"]
    # No face is certain enough for this, so none is drawn on.
    plain = ["--headless", "--no-hud", "--provider", "cpu", "--max-frames", "1", "--min-confidence", "1"]
    command = [os.environ["RUNTIME"], "webcam", os.environ["CLIP"], *plain, "--out", "still"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return os.path.join(folder, "still", "frame-000000.jpg")


class Checks:
    """Counts what holds and prints a line for each."""

    def __init__(self):
        self.failed = 0

    def __call__(self, name, holds, otherwise="", seen=""):
        more = seen if holds else otherwise or seen
        print(f"{'ok     ' if holds else 'FAILED '} {name}" + (f": {more}" if more else ""), flush=True)
        self.failed += not holds

    def of_a_photo(self, *parts):
        """Runs parts with a photo and a folder of their own each, and ends."""
        with tempfile.TemporaryDirectory() as place:
            photo = still(place)
            for part in parts:
                folder = os.path.join(place, part.__name__)
                os.mkdir(folder)
                try:
                    part(photo, folder)
                except Failed as e:
                    self(part.__name__.replace("_", " "), False, e)
        self.end()

    def end(self):
        sys.exit(1 if self.failed else 0)

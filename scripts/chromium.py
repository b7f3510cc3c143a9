"""Chromium without a display, told what to do through its DevTools pipe: no package is needed."""

import base64
import json
import os
import subprocess
import tempfile
import time


class Browser:
    """One page of a headless Chromium."""

    def __init__(self, program, width=1280, height=900, touch=False):
        self.folder = tempfile.TemporaryDirectory()
        # The pipe's ends are file descriptors 3 (commands) and 4 (answers) of the browser.
        command_read, self.commands = os.pipe()
        self.answers, answer_write = os.pipe()

        def place():
            # By way of numbers that neither end has yet: one may be what the other is to become.
            os.dup2(command_read, 103)
            os.dup2(answer_write, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--remote-debugging-pipe", f"--window-size={width},{height}", f"--user-data-dir={self.folder.name}"]
        self.process = subprocess.Popen([program, *flags, "about:blank"], preexec_fn=place, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(command_read)
        os.close(answer_write)
        self.held = b""
        self.number = 0
        self.session = None
        self.trouble = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        if touch:
            self.send("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)

    def _message(self):
        while b"\0" not in self.held:
            part = os.read(self.answers, 1 << 20)
            if not part:
                raise RuntimeError("the browser ended")
            self.held += part
        message, self.held = self.held.split(b"\0", 1)
        return json.loads(message)

    def send(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if answer.get("method") == "Runtime.exceptionThrown":
                details = answer["params"]["exceptionDetails"]
                self.trouble.append(details.get("exception", {}).get("description", details["text"]))
            if answer.get("method") == "Log.entryAdded" and answer["params"]["entry"]["level"] == "error":
                self.trouble.append(answer["params"]["entry"]["text"])

    def run(self, script):
        """The value of an expression, awaited."""
        result = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"].get("exception", {}).get("description", "script failed"))
        return result["result"].get("value")

    def until(self, script, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.run(script)
            if value:
                return value
            time.sleep(0.03)
        raise RuntimeError(f"not within {seconds} s: {script}")

    def open(self, url):
        self.send("Page.navigate", url=url)
        self.until('location.href !== "about:blank" && document.readyState === "complete"')

    def shot(self, path):
        data = self.send("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def mouse(self, kind, x, y, held=True):
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left" if held else "none",
                  buttons=1 if held and kind != "mouseReleased" else 0, clickCount=1)

    def touch(self, kind, points):
        self.send("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)])

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.folder.cleanup()

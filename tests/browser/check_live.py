"""The live page, as somebody sees it who watches."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

from browser import Browser, Checks, Failed, Program, still

CLIP = os.environ["CLIP"]
SHOTS = os.environ["SHOTS"]
COMMON = ["webcam", "--headless", "--provider", "cpu", "--loop"]
# What the picture is, in a number.
HASH = """(() => { const c = document.getElementById("picture"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  let h = 0; for (let i = 0; i < d.length; i += 4) h = (h * 31 + d[i] * 7 + d[i + 1] * 3 + d[i + 2]) | 0; return h; })()"""
pressed = '(n => document.querySelector(`[data-switch=${n}]`).getAttribute("aria-pressed"))'
check = Checks()


def text(page, name):
    return page.run(f"document.getElementById('{name}').textContent")


def turn(page, name, on):
    page.click(f"[data-switch={name}]")
    page.wait(f"{pressed}('{name}') === '{str(on).lower()}'", what=f"{name} does not become {on}")


def frames(page, count):
    """Until so many more frames were processed: a busy machine takes longer over them."""
    page.wait("!!facts")
    first = page.run("facts.run.frames")
    page.wait(f"facts.run.frames >= {first} + {count}", 30, "frames do not go on")


def moves(page, seconds=10.0):
    before = page.run(HASH)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if page.run(HASH) != before:
            return True
        time.sleep(0.05)
    return False


def status(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as e:
        return e.code


def a_clip(browser, folder):
    with Program([*COMMON, CLIP, "--serve", "0", "--json"], folder) as program:
        page = browser.open(program.address)
        page.wait("document.getElementById('state').textContent === 'live'", what="the page is not live")
        check("the picture moves", moves(page))
        page.wait("document.getElementById('face').textContent === 'found'", what="no face is found")
        frames(page, 60)
        fps, latency = float(text(page, "fps")), float(text(page, "latency"))
        check("rate and latency are shown", fps > 0.5 and 0 < latency < 5000, f"{fps} fps, {latency} ms")
        steps = page.run("[...document.querySelectorAll('#legend span')].map(e => e.textContent)")
        check("the graph names its steps", {"decode", "network", "overlay"} <= set(steps), steps)
        drawn = page.run("""(() => { const c = document.getElementById("graph"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
            const colours = new Set(); for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 250) colours.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);
            return colours.size; })()""")
        check("and has their colours", drawn >= 3, f"{drawn} colours")
        points = page.run("document.querySelectorAll('#points div').length")
        check("the keypoints are listed", points == 10, points)
        page.shot(os.path.join(SHOTS, "live.png"))
        turn(page, "pause", True)
        time.sleep(0.5)
        check("paused: the picture stands still", not moves(page, 1.5) and text(page, "state") == "paused")
        turn(page, "pause", False)
        check("and goes on", moves(page))
        # One who does not read what is sent.
        host, port = program.address.split("/")[2].split(":")
        slow = socket.create_connection((host, int(port)))
        slow.sendall(f"GET /stream.mjpg HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        time.sleep(3)
        slowed = float(text(page, "fps"))
        check("a viewer that does not read slows nobody", slowed > 0.7 * fps and moves(page), f"{slowed} of {fps} fps")
        slow.close()
        turn(page, "recording", True)
        time.sleep(1.5)
        turn(page, "recording", False)
        link = page.wait("(document.querySelector('#files a') || {}).href", what="the recording is not listed")
        with urllib.request.urlopen(link, timeout=10) as answer:
            clip = os.path.join(folder, "fetched.mp4")
            with open(clip, "wb") as file:
                file.write(answer.read())
        played = subprocess.run([os.environ["RUNTIME"], "webcam", clip, "--headless", "--out", "null", "--json",
                                 "--provider", "cpu"], capture_output=True, text=True, check=False)
        recorded = json.loads(played.stdout)["frames"] if played.returncode == 0 else 0
        check("what was recorded is fetched and plays", recorded > 3, f"{recorded} frames {played.stderr}")
        check("nothing was complained of", not page.complaints(), page.complaints())
        page.close()
        time.sleep(1)
        code, printed = program.end()
        report = json.loads(printed)
        check("viewers that go end nothing", code == 0 and not report["failed"] and report["ended"] == "interrupted",
              f"{code} {printed}")


def a_picture(browser, folder):
    with Program([*COMMON, still(folder), "--serve", "0", "--no-hud", "--no-smooth"], folder) as program:
        page = browser.open(program.address)
        page.wait("document.getElementById('face').textContent === 'found'", what="no face is found")
        # The square takes a while to come to rest.
        frames(page, 100)

        def settled():
            frames(page, 5)
            return page.run(HASH)

        def becomes(picture):
            """The crop that the detector sees may still stir by less than a pixel."""
            return any(settled() == picture for _ in range(10))

        plain = settled()
        check("a still picture stands still", becomes(plain))
        for name, on in [("overlay", False), ("mirror", True), ("numbers", True), ("heat_maps", True), ("square", True)]:
            turn(page, name, on)
            changed = settled()
            check(f"{name} changes the picture", changed != plain)
            turn(page, name, not on)
            check(f"{name} changes it back", becomes(plain))
        page.key("m")
        page.wait(f"{pressed}('mirror') === 'true'", what="the key m does nothing")
        check("the key m mirrors, too", settled() != plain)
        turn(page, "smoothing", True)  # raises where the loop does not say so
        page.key("h")
        page.wait("$('help').open", what="the key h does nothing")
        rows = page.run("$('keys').rows.length")
        page.shot(os.path.join(SHOTS, "live-keys.png"))
        page.key("m")
        page.key("?")
        page.wait("!$('help').open", what="the key ? does not close the help")
        check("h lists the keys, which rest meanwhile", rows > 10 and page.run(f"{pressed}('mirror')") == "true", f"{rows} keys")
        check("nothing was complained of", not page.complaints(), page.complaints())


def strangers(browser, folder):
    arguments = [*COMMON, CLIP, "--serve", "0", "--token", "abcdefgh", "--viewers", "2"]
    with Program(arguments, folder) as program:
        bare = program.address.split("?")[0]
        check("without a token: 401", status(bare) == 401, status(bare))
        check("with a wrong one: 401", status(bare + "?token=abcdefgx") == 401)
        page = browser.open(bare + "?token=wrongwrong")
        check("and the browser shows no page", not page.run("!!document.getElementById('picture')"))
        page.close()
        pages = [browser.open(program.address) for _ in range(2)]
        for page in pages:
            page.wait("document.getElementById('state').textContent === 'live'", what="a viewer with the token sees nothing")
        check("the token is not left in the address", "token" not in pages[0].run("location.href"))
        late = browser.open(program.address)
        late.wait("document.getElementById('state').textContent === 'full'", what="a third viewer of two is let in")
        check("one viewer too many is turned away", "Too many are watching" in text(late, "message"))
        pages.pop().close()
        late.wait("document.getElementById('state').textContent === 'live'", 20, "a place that became free is not taken")
        check("and gets in when another goes", moves(late))
        code, _ = program.end()
        late.wait("document.getElementById('state').textContent === 'not connected'", what="the end is not shown")
        check("the end is shown", code == 0)


def main():
    import tempfile
    with Browser() as browser, tempfile.TemporaryDirectory() as folder:
        for part in [a_clip, a_picture, strangers]:
            try:
                part(browser, folder)
            except Failed as e:
                check(part.__name__.replace("_", " "), False, e)
    check.end()


main()

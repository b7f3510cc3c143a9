"""What scripts/test-edit-page does in the browser: RUNTIME CHROMIUM PHOTO CLIP SHOTS, in an empty folder."""

import json
import os
import re
import subprocess
import sys
import time

from chromium import Browser

runtime, chromium, photo, clip, shots = sys.argv[1:]
failed = 0


def check(name, ok, more=""):
    global failed
    failed += not ok
    print(f"test-edit-page: {'ok     ' if ok else 'FAILED '} {name}{': ' if more else ''}{more}", flush=True)


def serve(*what):
    """The program and its address."""
    program = subprocess.Popen([runtime, "--provider", "cpu", *what, "--serve", "0"], stderr=subprocess.PIPE, text=True)
    for line in program.stderr:
        found = re.search(r"http://\S+", line)
        if found:
            return program, found.group(0)
    sys.exit(f"no page: {line}")


# What the canvas shows, in bytes; how much two such differ, in steps of 255; where a part is on the page.
TOOLS = """
window.seen = () => { draw(); return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; };
window.kept = {};
window.keep = name => { kept[name] = seen().slice(); return true; };
window.differ = (a, b) => { let sum = 0; for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]); return sum / a.length; };
// Mean difference within 40 pixels of a place, and of everything farther than `far` from it.
window.around = (a, b, x, y, far) => {
  let near = 0, n = 0, away = 0, m = 0;
  for (let v = 0; v < canvas.height; v++) for (let u = 0; u < canvas.width; u++) {
    const d = Math.hypot(u - x, v - y), i = 4 * (v * canvas.width + u);
    const change = Math.abs(a[i] - b[i]) + Math.abs(a[i + 1] - b[i + 1]) + Math.abs(a[i + 2] - b[i + 2]);
    if (d < 40) { near += change / 3; n++; } else if (d > far) { away += change / 3; m++; }
  }
  return [near / n, m ? away / m : 0];
};
window.where = i => { const [x, y] = toStage(inPicture(state.parts[i].at)), box = canvas.getBoundingClientRect();
                      return [x + box.left, y + box.top]; };
true
"""


def open_page(url, **how):
    page = Browser(chromium, **how)
    page.open(url)
    page.until("!!(state && base && patch)")
    page.until("[...document.images].every(image => image.complete && image.naturalWidth)")
    page.run(TOOLS)
    return page


def settled(page):
    page.run("line.then(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))")


def click(page, what):
    page.run(f"document.querySelector({json.dumps(what)}).click()")
    settled(page)


program, url = serve("edit", photo)
page = open_page(url)
tablet = None
try:
    parts = page.run("state.parts.map(part => part.name)")
    # The part nearest to the face's middle has room on all sides.
    middle = page.run("state.parts.map((p, i) => [Math.hypot(...p.at), i]).sort((a, b) => a[0] - b[0])[0][1]")
    check("the page opens", len(parts) > 1, f"{len(parts)} parts, {page.run('state.donors.length')} faces to take from")

    # Without its points, so that only the picture counts.
    page.run("keep('start')")
    page.run("showPoints = false; keep('bare'); showPoints = true; true")
    page.shot(f"{shots}/drag-before.png")
    x, y = page.run(f"where({middle})")
    page.mouse("mouseMoved", x, y, held=False)
    page.mouse("mousePressed", x, y)
    number = page.run("pictures")
    began = time.monotonic()
    page.mouse("mouseMoved", x + 40, y)
    page.until(f"pictures > {number}")
    took = 1000 * (time.monotonic() - began)
    page.run("showPoints = false; keep('dragged'); showPoints = true; true")
    near, away = page.run(f"(() => {{ const box = canvas.getBoundingClientRect(); "
                          f"return around(kept.bare, kept.dragged, {x + 20} - box.left, {y} - box.top, 300); }})()")
    check("one move of 40 pixels: the next picture shows the part there", near > 1 and page.run("pictures") == number + 1,
          f"{took:.0f} ms with the browser's own time; change near the part {near:.1f}, away {away:.2f}, of 255")
    check("nothing is done before the button is let go", page.run("state.done") == 0)
    for i in range(30):
        page.mouse("mouseMoved", x + 40 + (i % 5), y + (i % 3))
        time.sleep(0.02)
    page.mouse("mouseMoved", x + 40, y)
    page.mouse("mouseReleased", x + 40, y)
    page.until("state.done === 1")
    settled(page)
    moved = page.run(f"where({middle})")
    check("let go: one edit, the point where the mouse was", abs(moved[0] - x - 40) < 0.6 and abs(moved[1] - y) < 0.6,
          page.run("state.history[0]"))
    check("the picture kept up", page.run("pictures") > number + 5, f"{page.run('pictures') - number} pictures in 30 moves, median {page.run('$(`took`).textContent')}")
    page.shot(f"{shots}/drag-after.png")
    page.run("keep('moved')")

    page.send("Input.dispatchKeyEvent", type="keyDown", key="z", code="KeyZ", windowsVirtualKeyCode=90, modifiers=2)
    page.until("state.done === 0")
    settled(page)
    page.run("choose([0])")
    check("Ctrl+Z: the picture as it was, to the byte", page.run("differ(kept.start, seen())") == 0)
    page.send("Input.dispatchKeyEvent", type="keyDown", key="y", code="KeyY", windowsVirtualKeyCode=89, modifiers=2)
    page.until("state.done === 1")
    page.run(f"choose([{middle}])")
    check("Ctrl+Y: the edit again", page.run("differ(kept.moved, seen())") == 0)

    def edits(name, what, least=0.005):
        page.run("keep('then')")
        done = page.run("state.done")
        click(page, what)
        change = page.run("differ(kept.then, seen())")
        check(name, page.run("state.done") == done + 1 and change >= least, f"change {change:.2f} of 255")

    page.run("$('strip').children[2].click()")
    edits("the look of a part from another face", "[data-take=look]")
    page.run("$('weight').value = 50; $('weight').dispatchEvent(new Event('input'))")
    edits("half of all its looks", "[data-take=looks]")
    edits("half of its background", "[data-take=background]")
    edits("half of its pose", "[data-take=pose]")
    page.shot(f"{shots}/taken.png")
    page.run("keep('then'); $('width').value = 0.6; $('width').dispatchEvent(new Event('input'))")
    time.sleep(0.3)
    page.run("$('width').dispatchEvent(new Event('change'))")
    settled(page)
    change = page.run("differ(kept.then, seen())")
    check("a part made wider", abs(page.run(f"state.parts[{middle}].scale") - 2 ** 0.6) < 0.01 and change > 0.02,
          f"change {change:.2f} of 255")
    edits("a part removed", "#remove")
    check("its name is struck out", page.run("document.querySelectorAll('#parts .gone').length") == 1)
    other = (middle + 1) % len(parts)
    page.run(f"choose([{other}])")
    edits("another drawn twice by means of it", "#twice")
    edits("and reset", "#reset", least=0)
    edits("locked", "#lock", least=0)
    x, y = page.run(f"where({other})")
    done = page.run("state.done")
    page.mouse("mousePressed", x, y)
    page.mouse("mouseMoved", x + 30, y)
    page.mouse("mouseReleased", x + 30, y)
    time.sleep(0.3)
    check("a locked part stays", page.run("state.done") == done, page.run("$('message').textContent"))

    page.run("show(true); keep('before'); show(false); true")
    page.run("showPoints = false; keep('after'); showPoints = true; true")
    check("before shows the photo, after the edits",
          page.run("differ(kept.before, kept.after)") > 0.02 and page.run("differ(kept.before, kept.bare)") < 1.5)
    click(page, "#nearer")
    check("nearer", page.run("zoom") > 1.2)
    page.shot(f"{shots}/nearer.png")
    click(page, "#fit")
    seeds = page.run("String(state.donors)")
    click(page, "#others")
    check("other faces on the strip", page.run("String(state.donors)") != seeds)

    click(page, "#save")
    files = sorted(os.listdir("."))
    check("saved where the program runs", [f[-4:] for f in files] == ["json", ".png"], page.run("$('message').textContent"))
    png = page.run("fetch('/picture.png').then(a => a.arrayBuffer()).then(a => [...new Uint8Array(a)])")
    check("the same picture comes to the browser, marked",
          bytes(png) == open(files[1], "rb").read() and b"compositeWithTrainedAlgorithmicMedia" in bytes(png))
    again = subprocess.run([runtime, "--provider", "cpu", "edit", files[0], "--out", "again.png"], capture_output=True)
    check("the saved session makes the same picture", again.returncode == 0 and open("again.png", "rb").read() == bytes(png))

    # A tablet beside it, on the same face.
    tablet = open_page(url, width=820, height=1100, touch=True)
    done = tablet.run("state.done")
    free = next(i for i in range(len(parts)) if i != other)
    tablet.run("document.querySelector('#fit').click()")
    x, y = tablet.run(f"where({free})")
    tablet.touch("touchStart", [(x + 12, y)])
    for i in range(1, 5):
        tablet.touch("touchMove", [(x + 12 + 10 * i, y)])
    tablet.touch("touchEnd", [])
    tablet.until(f"state.done === {done + 1}")
    settled(tablet)
    check("a finger near the point drags it, too", abs(tablet.run(f"where({free})[0]") - x - 40) < 0.6)
    box = tablet.run("(() => { const b = canvas.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height - 30]; })()")
    tablet.touch("touchStart", [(box[0] - 40, box[1])])
    tablet.touch("touchStart", [(box[0] - 40, box[1]), (box[0] + 40, box[1])])
    tablet.touch("touchMove", [(box[0] - 100, box[1]), (box[0] + 100, box[1])])
    tablet.touch("touchEnd", [])
    check("two fingers zoom", abs(tablet.run("zoom") - 2.5) < 0.1, f"{tablet.run('zoom'):.2f} times")
    check("and do no edit", tablet.run("state.done") == done + 1)
    tablet.shot(f"{shots}/tablet.png")
    page.until(f"state.done === {done + 1}", 5)
    check("the other browser sees it", True)
    wide = tablet.run("[document.documentElement.scrollWidth, innerWidth]")
    check("nothing hangs over the tablet's edge", wide[0] <= wide[1])
    trouble = page.trouble + tablet.trouble
    check("no error in either browser", not trouble, "; ".join(trouble))
    program.terminate()
    check("the program ends", program.wait(5) is not None)
    page.until("$('message').textContent.includes('cannot be reached')", 6)
    check("and the page says so", True)
except RuntimeError as e:
    check("to the end", False, str(e))
    page.shot(f"{shots}/failed.png")
finally:
    program.kill()
    page.close()
    if tablet:
        tablet.close()

# The live page of a driven face: what it is asked for there is said by the program.
program, url = serve("reenact", "--source", "seed:3", "--source", photo, clip, "--loop", "--headless", "--out", "null")
page = Browser(chromium)
try:
    page.open(url)
    page.until("document.querySelectorAll('#offers button').length === 3")
    page.until("$('state').textContent === 'live' && facts && facts.face")
    for button, answer in [("Next face", "the next face"), ("What is driven", "the head alone is driven")]:
        page.run(f"[...document.querySelectorAll('#offers button')].find(b => b.textContent === '{button}').click()")
        said = program.stderr.readline()
        check(f"reenact --serve, {button}", answer in said, said.strip())
    page.shot(f"{shots}/reenact.png")
    check("no error in the browser", not page.trouble, "; ".join(page.trouble))
except RuntimeError as e:
    check("to the end", False, str(e))
    page.shot(f"{shots}/failed.png")
finally:
    program.kill()
    page.close()
sys.exit(failed > 0)

"""The editor's page, used with a mouse, and with fingers in another browser; then the live page of a re-enactment."""

import json
import os
import subprocess
import time

from browser import Browser, Checks, Failed, Program

check = Checks()


def shot(name):
    return os.path.join(os.environ["SHOTS"], f"edit-{name}.png")


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


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
window.where = i => { const [x, y] = toView(inPicture(state.parts[i].at)), box = canvas.getBoundingClientRect();
                      return [x + box.left, y + box.top]; };
true
"""


def open_page(browser, address, **how):
    page = browser.open(address, **how)
    page.wait("!!(state && base && patch)", 15)
    page.wait("[...document.images].every(image => image.complete && image.naturalWidth)", 15)
    page.run(TOOLS)
    return page


def settled(page):
    page.run("line.then(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))")


def click(page, what):
    page.run(f"document.querySelector({json.dumps(what)}).click()")
    settled(page)


def an_editor(photo, folder):
    serve = ["--provider", "cpu", "edit", photo, "--serve", "0"]
    with Program(serve, folder) as program, Browser() as browser, Browser() as other_browser:
        page = open_page(browser, program.address)
        try:
            edit(page, program, other_browser, folder)
        except Failed:
            page.shot(shot("failed"))
            raise


def edit(page, program, other_browser, folder):
    parts = page.run("state.parts.map(part => part.name)")
    # The part nearest to the face's middle has room on all sides.
    middle = page.run("state.parts.map((p, i) => [Math.hypot(...p.at), i]).sort((a, b) => a[0] - b[0])[0][1]")
    check("the page opens", len(parts) > 1, seen=f"{len(parts)} parts, {page.run('state.donors.length')} faces to take from")

    # Without its points, so that only the picture counts.
    page.run("keep('start')")
    page.run("showPoints = false; keep('bare'); showPoints = true; true")
    page.shot(shot("drag-before"))
    x, y = page.run(f"where({middle})")
    page.mouse("mouseMoved", x, y, held=False)
    page.mouse("mousePressed", x, y)
    number = page.run("pictures")
    began = time.monotonic()
    page.mouse("mouseMoved", x + 40, y)
    page.wait(f"pictures > {number}", 15)
    took = 1000 * (time.monotonic() - began)
    page.run("showPoints = false; keep('dragged'); showPoints = true; true")
    near, away = page.run(f"(() => {{ const box = canvas.getBoundingClientRect(); "
                          f"return around(kept.bare, kept.dragged, {x + 20} - box.left, {y} - box.top, 300); }})()")
    check("one move of 40 pixels: the next picture shows the part there", near > 1 and page.run("pictures") == number + 1,
          seen=f"{took:.0f} ms with the browser's own time; change near the part {near:.1f}, away {away:.2f}, of 255")
    check("nothing is done before the button is let go", page.run("state.done") == 0)
    for i in range(30):
        page.mouse("mouseMoved", x + 40 + (i % 5), y + (i % 3))
        time.sleep(0.02)
    page.mouse("mouseMoved", x + 40, y)
    page.mouse("mouseReleased", x + 40, y)
    page.wait("state.done === 1", 15)
    settled(page)
    moved = page.run(f"where({middle})")
    check("let go: one edit, the point where the mouse was", abs(moved[0] - x - 40) < 0.6 and abs(moved[1] - y) < 0.6,
          seen=page.run("state.history[0]"))
    check("the picture kept up", page.run("pictures") > number + 5,
          seen=f"{page.run('pictures') - number} pictures in 30 moves, median {page.run('$(`took`).textContent')}")
    page.shot(shot("drag-after"))
    page.run("keep('moved')")

    page.send("Input.dispatchKeyEvent", type="keyDown", key="z", code="KeyZ", windowsVirtualKeyCode=90, modifiers=2)
    page.wait("state.done === 0", 15)
    settled(page)
    page.run("choose([0])")
    check("Ctrl+Z: the picture as it was, to the byte", page.run("differ(kept.start, seen())") == 0)
    page.send("Input.dispatchKeyEvent", type="keyDown", key="y", code="KeyY", windowsVirtualKeyCode=89, modifiers=2)
    page.wait("state.done === 1", 15)
    page.run(f"choose([{middle}])")
    check("Ctrl+Y: the edit again", page.run("differ(kept.moved, seen())") == 0)

    def edits(name, what, least=0.005):
        page.run("keep('then')")
        done = page.run("state.done")
        click(page, what)
        change = page.run("differ(kept.then, seen())")
        check(name, page.run("state.done") == done + 1 and change >= least, seen=f"change {change:.2f} of 255")

    page.run("$('strip').children[2].click()")
    edits("the appearance of a part from another face", "[data-take=appearance]")
    page.run("$('weight').value = 50; $('weight').dispatchEvent(new Event('input'))")
    edits("half of its appearance, all parts", "[data-take=all]")
    edits("half of its background", "[data-take=background]")
    edits("half of its pose", "[data-take=pose]")
    page.shot(shot("taken"))
    page.run("keep('then'); $('width').value = 0.6; $('width').dispatchEvent(new Event('input'))")
    time.sleep(0.3)
    page.run("$('width').dispatchEvent(new Event('change'))")
    settled(page)
    change = page.run("differ(kept.then, seen())")
    check("a part made wider", abs(page.run(f"state.parts[{middle}].scale") - 2 ** 0.6) < 0.01 and change > 0.02,
          seen=f"change {change:.2f} of 255")
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
    check("a locked part stays", page.run("state.done") == done, seen=page.run("$('message').textContent"))

    page.run("show(true); keep('before'); show(false); true")
    page.run("showPoints = false; keep('after'); showPoints = true; true")
    check("before shows the photo, after the edits",
          page.run("differ(kept.before, kept.after)") > 0.02 and page.run("differ(kept.before, kept.bare)") < 1.5)
    click(page, "#nearer")
    check("nearer", page.run("zoom") > 1.2)
    page.shot(shot("nearer"))
    click(page, "#fit")
    seeds = page.run("String(state.donors)")
    click(page, "#others")
    check("other faces on the strip", page.run("String(state.donors)") != seeds)

    click(page, "#save")
    files = sorted(os.listdir(folder))
    check("saved where the program runs", [f[-4:] for f in files] == ["json", ".png"],
          seen=page.run("$('message').textContent"))
    png = page.run("fetch('/picture.png').then(a => a.arrayBuffer()).then(a => [...new Uint8Array(a)])")
    check("the same picture comes to the browser, marked",
          bytes(png) == read(folder, files[1]) and b"compositeWithTrainedAlgorithmicMedia" in bytes(png))
    again = subprocess.run([os.environ["RUNTIME"], "--provider", "cpu", "edit", files[0], "--out", "again.png"], cwd=folder,
                           capture_output=True, check=False)
    check("the saved session makes the same picture", again.returncode == 0 and read(folder, "again.png") == bytes(png))

    # A tablet beside it, on the same face.
    tablet = open_page(other_browser, program.address, size=(820, 1100), touch=True)
    done = tablet.run("state.done")
    free = next(i for i in range(len(parts)) if i != other)
    tablet.run("document.querySelector('#fit').click()")
    x, y = tablet.run(f"where({free})")
    tablet.touch("touchStart", [(x + 12, y)])
    for i in range(1, 5):
        tablet.touch("touchMove", [(x + 12 + 10 * i, y)])
    tablet.touch("touchEnd", [])
    tablet.wait(f"state.done === {done + 1}", 15)
    settled(tablet)
    check("a finger near the point drags it, too", abs(tablet.run(f"where({free})[0]") - x - 40) < 0.6)
    box = tablet.run("(() => { const b = canvas.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height - 30]; })()")
    tablet.touch("touchStart", [(box[0] - 40, box[1])])
    tablet.touch("touchStart", [(box[0] - 40, box[1]), (box[0] + 40, box[1])])
    tablet.touch("touchMove", [(box[0] - 100, box[1]), (box[0] + 100, box[1])])
    tablet.touch("touchEnd", [])
    check("two fingers zoom", abs(tablet.run("zoom") - 2.5) < 0.1, seen=f"{tablet.run('zoom'):.2f} times")
    check("and do no edit", tablet.run("state.done") == done + 1)
    tablet.shot(shot("tablet"))
    page.wait(f"state.done === {done + 1}", 5)
    check("the other browser sees it", True)
    wide = tablet.run("[document.documentElement.scrollWidth, innerWidth]")
    check("nothing hangs over the tablet's edge", wide[0] <= wide[1])
    trouble = page.complaints() + tablet.complaints()
    check("no error in either browser", not trouble, trouble)
    program.child.terminate()
    check("the program ends", program.child.wait(5) is not None)
    page.wait("$('message').textContent.includes('cannot be reached')", 6)
    check("and the page says so", True)


def a_reenactment(photo, folder):
    """What is asked for on the page is said by the program."""
    clip = os.environ["CLIP"]
    serve = ["--provider", "cpu", "reenact", "--source", "seed:3", "--source", photo, clip, "--loop", "--headless",
             "--out", "null", "--serve", "0"]
    with Program(serve, folder) as program, Browser() as browser:
        page = browser.open(program.address)
        page.wait("document.querySelectorAll('#offers button').length === 3", 15)
        page.wait("$('state').textContent === 'live' && facts && facts.detections && facts.detections.faces.length", 15)
        for button, answer in [("Next face", "the next face"), ("Which motion", "motion taken over: the head's")]:
            press = f"[...document.querySelectorAll('#offers button')].find(b => b.textContent === '{button}').click()"
            said = program.answer(lambda press=press: page.run(press))
            check(f"reenact --serve, {button}", answer in said, seen=said)
        page.shot(shot("reenact"))
        check("no error in the browser", not page.complaints(), page.complaints())


check.of_a_photo(an_editor, a_reenactment)

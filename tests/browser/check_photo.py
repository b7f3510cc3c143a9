"""The start page and its ways, and photos that are sent: to an editor with nothing open, and to a re-enactment; at the size of
a desk and of a telephone."""

import base64
import json
import os

from browser import Browser, Checks, Program

check = Checks()
SIZES = {"desk": ((1280, 800), False), "phone": ((390, 844), True)}

# A photo of `count` such faces side by side, as a file.
TOOLS = """
window.faces = async (url, count, name) => {
  const one = new Image(), wide = document.createElement('canvas');
  one.src = url;
  await one.decode();
  wide.width = one.width * count; wide.height = one.height;
  for (let i = 0; i < count; i++) wide.getContext('2d').drawImage(one, i * one.width, 0);
  return new File([await new Promise(done => wide.toBlob(done, 'image/png'))], name);
};
window.drop = file => {
  const data = new DataTransfer();
  data.items.add(file);
  for (const kind of ['dragenter', 'dragover', 'drop'])
    document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
};
true
"""


def shot(name):
    return os.path.join(os.environ["SHOTS"], f"photo-{name}.png")


def as_url(path):
    with open(path, "rb") as file:
        return "data:image/jpeg;base64," + base64.b64encode(file.read()).decode()


def fits(page, name):
    wide = page.run("[document.documentElement.scrollWidth, innerWidth]")
    check(f"{name}: nothing hangs over the edge", wide[0] <= wide[1], wide)


def choose(page, path):
    """What a user does who chooses a file."""
    page.send("DOM.enable")
    root = page.send("DOM.getDocument")["root"]["nodeId"]
    node = page.send("DOM.querySelector", nodeId=root, selector="#photoFile")["nodeId"]
    page.send("DOM.setFileInputFiles", files=[path], nodeId=node)


def hand_over(page, path):
    """The photo as a constant of the page: its policy lets nothing in from elsewhere."""
    page.run(f"window.url = {json.dumps(as_url(path))}; true")
    page.run(TOOLS)


def refused(page, file, part, name):
    page.run(f"takePhoto({file})")
    said = page.wait("$('photoText').className === 'bad' && $('photoText').textContent", 60, f"{name} is not refused")
    check(f"{name} is refused", part in said, said, said)
    page.shot(shot(name.replace(" ", "-")))
    page.click("#photoCancel")


def an_editor(photo, folder):
    with Program(["--provider", "cpu", "edit", "--serve", "0"], folder) as program, Browser() as browser:
        for name, (size, touch) in SIZES.items():
            page = browser.open(program.address.replace("/edit", "/"), size=size, touch=touch)
            page.shot(shot(f"start-{name}"))
            fits(page, f"start, {name}")
            ways = page.run("[...document.querySelectorAll('.way')].map(w => (w.querySelector('a') || w.querySelector('code')).textContent)")
            check(f"start, {name}: one way, two commands", ways[2] == "Open" and ways[0] == "runtime webcam --serve", ways)
            page.run("document.querySelector('.way a').click()")
            page.wait("location.pathname === '/edit' && document.readyState === 'complete' && typeof $ !== 'undefined'", what="the way leads nowhere")
            if name == "desk":
                page.wait("!$('empty').hidden", what="there is no hint")
                page.shot(shot("empty-desk"))
                choose(page, photo)
                page.wait("!!(state && base && patch)", 90, "the chosen photo is not opened")
                check("a photo that is chosen is opened", page.run("state.source") == os.path.basename(photo), page.run("state.source"))
            hand_over(page, photo)
            page.wait("!!(state && base && patch)", 10)
            fits(page, f"editor, {name}")
            page.shot(shot(f"editor-{name}"))

            page.run("faces(url, 3, 'three.png').then(drop)")
            page.wait("!$('photoFaces').hidden", 90, "nobody asks which face")
            check(f"{name}: three faces are counted", "3 faces" in page.run("$('photoText').textContent"))
            page.shot(shot(f"faces-{name}"))
            fits(page, f"faces, {name}")
            box = page.run("(() => { const b = $('photoFaces').getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()")
            third = [box[0] + box[2] * 5 / 6, box[1] + box[3] / 2]
            if touch:
                page.touch("touchStart", [third])
                page.touch("touchEnd", [])
            else:
                page.mouse("mousePressed", *third)
                page.mouse("mouseReleased", *third)
            page.wait("state && state.source === 'three.png' && !$('photo').open", 90, "the tap chooses nothing")
            at = page.run("state.view.face[0] / state.view.size[0]")
            check(f"{name}: the face that was tapped is edited", 0.67 < at < 1, at, f"{at:.2f} of the width")
            page.wait("base.width === state.view.size[0]", 10)

            refused(page, "new File(['hello'], 'a.txt')", "JPEG, PNG and WebP can be read", f"text {name}")
            heic = "new File([new Uint8Array([0, 0, 0, 24, ...new TextEncoder().encode('ftypheic'), 0, 0, 0, 0, " \
                   "...new TextEncoder().encode('mif1heic')])], 'a.heic')"
            refused(page, heic, "HEIC", f"heic {name}")
            large = "Object.defineProperty(new File(['x'], 'scan.png'), 'size', { value: 3e8 })"
            refused(page, large, "256 MiB are the most", f"large {name}")
            page.run("act({ op: 'move', part: 0, dx: 0.05 })")
            page.wait("state.done === 1", 10)
            page.run("faces(url, 1, 'one.png').then(takePhoto)")
            page.wait("!$('photoGo').hidden", 10, "edits are given up unasked")
            page.shot(shot(f"warning-{name}"))
            page.click("#photoGo")
            page.wait("state.source === 'one.png' && state.done === 0", 90, "the next photo is not opened")
            check(f"{name}: another photo takes its place, once asked", True)
            page.key("h")
            page.wait("$('help').open")
            page.shot(shot(f"editor-keys-{name}"))
            page.close()
        # The browser logs answers of 400 on its own.
        check("nothing is kept on the disk", not os.listdir(folder), os.listdir(folder))


def a_reenactment(photo, folder):
    serve = ["--provider", "cpu", "reenact", "--source", "seed:3", os.environ["CLIP"], "--loop", "--headless", "--out", "null",
             "--serve", "0"]
    with Program(serve, folder) as program, Browser() as browser:
        for name, (size, touch) in SIZES.items():
            page = browser.open(program.address.replace("/live", "/"), size=size, touch=touch)
            ways = page.run("[...document.querySelectorAll('.way a')].map(a => a.pathname)")
            check(f"{name}: ways to re-enactment and editor", ways == ["/live", "/edit"], ways)
            page.shot(shot(f"start-reenact-{name}"))
            page.run("document.querySelector('.way a').click()")
            page.wait("location.pathname === '/live' && typeof $ !== 'undefined'", what="the way leads nowhere")
            page.wait("$('state').textContent === 'live' && !$('send').hidden", 20, "no photo is asked for")
            check(f"{name}: the title says what runs", page.run("document.title").startswith("Re-enactment"), page.run("document.title"))
            hand_over(page, photo)
            fits(page, f"re-enactment, {name}")
            page.run("faces(url, 1, 'sent.png').then(drop)")
            page.wait("$('photo').open", 10, "nothing comes of a drop")
            page.wait("!$('photo').open || $('photo').className !== 'busy'", 90, "the page waits on")
            said = program.said().splitlines()[-1]
            check(f"{name}: a photo that is dropped is driven", said.endswith("sent.png was sent and is driven now"), said)
            page.shot(shot(f"sent-{name}"))
            page.shot(shot(f"reenact-{name}"))
            refused(page, "new File(['hello'], 'a.txt')", "can be read", f"text for re-enactment {name}")
            page.close()
        # The editor beside it.
        page = browser.open(program.address.replace("/live", "/edit"))
        page.wait("!$('empty').hidden")
        choose(page, photo)
        page.wait("!!(state && base && patch)", 90, "the editor beside it opens nothing")
        check("the editor beside it opens a photo", True)
        check("nothing was complained of", not page.complaints(), page.complaints())
        check("nothing is kept on the disk", not os.listdir(folder), os.listdir(folder))


check.of_a_photo(an_editor, a_reenactment)

"use strict";
const $ = id => document.getElementById(id);
const put = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
const isAsking = () => !!document.querySelector("dialog[open]");

// --- keys ---------------------------------------------------------------------------------------------------------

// Lists what keys do: pairs of keys, which blanks part, and words.
function listKeys(rows) {
  $("keys").replaceChildren(...rows.map(([keys, words]) => {
    const row = document.createElement("tr"), left = document.createElement("td"), right = document.createElement("td");
    keys.split(" ").forEach((key, i) => {
      const cap = document.createElement("kbd");
      cap.textContent = key;
      left.append(...(i ? [" ", cap] : [cap]));
    });
    right.textContent = words;
    row.append(left, right);
    return row;
  }));
  $("help").showModal();
}
$("helpClose").addEventListener("click", () => $("help").close());
addEventListener("keydown", event => {
  if ($("help").open && ["h", "?"].includes(event.key.toLowerCase())) { event.stopImmediatePropagation(); $("help").close(); }
});

// --- a photo that is sent -----------------------------------------------------------------------------------------

// By a button or by being dropped. Of several faces one is chosen by a tap. The page says where it goes (none: nowhere),
// what is to be asked before, and what is done with the answer.
const photo = { path: null, warn: () => "", done: () => {}, file: null, faces: [], stop: new AbortController() };
const MOST_MIB = {{most}};

function sayPhoto(text, buttons, bad) {
  put("photoText", text);
  $("photoText").className = bad ? "bad" : "";
  $("photo").className = buttons.length ? "" : "busy";
  for (const id of ["photoGo", "photoGuess", "photoOther"]) $(id).hidden = !buttons.includes(id);
  $("photoFaces").hidden = $("photoList").hidden = !buttons.includes("photoFaces");
  if (!$("photo").open) $("photo").showModal();
}
async function postPhoto(path, more) {
  let answer, text;
  const query = new URLSearchParams({ file: photo.file.name, ...more });
  try {
    answer = await fetch(`${path}?${query}`, { method: "POST", body: photo.file, signal: photo.stop.signal });
    text = (await answer.text()).trim();
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Error("The photo did not get through: it cannot be read here, or the program cannot be reached.");
  }
  if (answer.ok) return JSON.parse(text);
  // Errors under /api are JSON, others a line.
  let told = text;
  try { told = JSON.parse(text).error || text; } catch (e) { /* It is a line. */ }
  throw Object.assign(new Error(told), { status: answer.status });
}
function refusePhoto(error, tried) {
  if (error.name === "AbortError") return;
  const guess = error.status === 422 && !tried ? ["photoGuess"] : [];
  sayPhoto(error.message, [...guess, "photoOther"], true);
}
function takePhoto(file) {
  if (!photo.path || !file) return;
  photo.stop.abort();
  Object.assign(photo, { file, faces: [], stop: new AbortController() });
  const mib = file.size / 2 ** 20, warning = photo.warn();
  if (mib > MOST_MIB) sayPhoto(`${file.name} has ${mib.toFixed(0)} MiB; ${MOST_MIB} MiB are the most.`, ["photoOther"], true);
  else if (warning) sayPhoto(warning, ["photoGo", "photoOther"]);
  else lookAtPhoto();
}
async function lookAtPhoto() {
  sayPhoto(`Looking for faces in ${photo.file.name}`, []);
  try {
    const found = await postPhoto("/api/detect", {});
    if (found.faces.length > 1) await chooseFace(found); else await sendPhoto({});
  } catch (e) { refusePhoto(e); }
}
async function sendPhoto(how) {
  sayPhoto(`Opening ${photo.file.name}`, []);
  try {
    const answer = await postPhoto(photo.path, how);
    $("photo").close();
    photo.done(answer);
  } catch (e) { refusePhoto(e, how.anyway); }
}
async function chooseFace(found) {
  const signal = photo.stop.signal, canvas = $("photoFaces"), g = canvas.getContext("2d");
  const bitmap = await createImageBitmap(photo.file).catch(() => null);
  if (signal.aborted) return;
  const most = Math.min(innerWidth - 64, 520), scale = Math.min(most / found.width, innerHeight * 0.5 / found.height), r = devicePixelRatio || 1;
  canvas.width = Math.round(found.width * scale * r); canvas.height = Math.round(found.height * scale * r);
  canvas.style.width = `${canvas.width / r}px`;
  photo.faces = found.faces.map(({ box: [x, y, w, h] }) => ({ x: x + w / 2, y: y + h / 2, box: [x, y, w, h], scale }));
  sayPhoto(`There are ${found.faces.length} faces in it. Tap the one that is meant.`, ["photoFaces", "photoOther"]);
  if (bitmap) g.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  photo.faces.forEach(({ box }, i) => {
    const [x, y, w, h] = box.map(v => v * scale * r), tall = Math.min(18 * r, Math.max(11 * r, h * 0.3));
    g.lineWidth = 2.5 * r; g.strokeStyle = "#5ab0ff"; g.strokeRect(x, y, w, h);
    g.fillStyle = "#1d5f9e"; g.fillRect(x, y, tall * 1.3, tall * 1.3);
    g.fillStyle = "#fff"; g.font = `600 ${tall}px system-ui, sans-serif`; g.textAlign = "center"; g.textBaseline = "middle";
    g.fillText(i + 1, x + tall * 0.65, y + tall * 0.69);
  });
  $("photoList").replaceChildren(...photo.faces.map((face, i) => {
    const button = document.createElement("button");
    button.textContent = `Face ${i + 1}`;
    button.addEventListener("click", () => sendPhoto(at(face)));
    return button;
  }));
  function at(face) { return { face: `${face.x.toFixed(1)},${face.y.toFixed(1)}` }; }
  canvas.onclick = event => {
    const place = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - place.left, event.clientY - place.top].map(v => v * found.width / place.width);
    // The nearest one, in sizes of its own.
    const far = ({ x: fx, y: fy, box }) => Math.max(Math.abs(x - fx) / box[2], Math.abs(y - fy) / box[3]);
    const [nearest] = [...photo.faces].sort((a, b) => far(a) - far(b));
    if (far(nearest) < 0.8) sendPhoto(at(nearest));
  };
}
// The event comes later: another photo may have been taken by then.
$("photo").addEventListener("close", () => { if (!$("photo").open) photo.stop.abort(); });
$("photoCancel").addEventListener("click", () => $("photo").close());
$("photoGo").addEventListener("click", lookAtPhoto);
$("photoGuess").addEventListener("click", () => sendPhoto({ anyway: 1 }));
$("photoOther").addEventListener("click", () => $("photoFile").click());
$("photoFile").addEventListener("change", () => { takePhoto($("photoFile").files[0]); $("photoFile").value = ""; });
for (const kind of ["dragenter", "dragover"])
  addEventListener(kind, event => {
    if (!photo.path || !event.dataTransfer || ![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    $("drop").hidden = false;
  });
addEventListener("dragleave", event => { if (!event.relatedTarget) $("drop").hidden = true; });
addEventListener("drop", event => {
  $("drop").hidden = true;
  if (!photo.path) return;
  event.preventDefault();
  takePhoto(event.dataTransfer.files[0]);
});

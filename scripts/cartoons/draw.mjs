// Draws cartoon heads with where their eyes, nose and mouth are: node draw.mjs COUNT FIRST_SEED OUT [--posed]
// OUT/NNNNNN.png, one for each seed; OUT/landmarks.csv: file, then x, y in [0, 1] of the picture of both eyes, the nose and
// both corners of the mouth (left is the picture's left). Upright in the middle, 256 px, to train on; --posed: turned, near
// and off the middle as training crops are, 128 px, to measure on.
import fs from "node:fs";
import path from "node:path";
import { Resvg } from "@resvg/resvg-js";
import { faceToSvgString, generate } from "facesjs";

// The square of facesjs' canvas (400 x 600) that is drawn: the head, with room round it.
const VIEW = { x: -40, y: 90, side: 480 };
const MIDDLE = [VIEW.x + VIEW.side / 2, VIEW.y + VIEW.side / 2];
// Where facesjs puts the eyes, canvas units.
const EYES = [
  [140, 310],
  [260, 310],
];

/** mulberry32: facesjs draws from Math.random, which can't be seeded. */
function seeded(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** The box of one part alone, canvas units. */
function box(face, part) {
  const bare = { ...face };
  for (const [name, value] of Object.entries(face)) {
    if (value?.id !== undefined && name !== part) bare[name] = { ...value, id: "none" };
  }
  return new Resvg(faceToSvgString(bare)).getBBox();
}

/** Eyes, nose and corners of the mouth, canvas units; undefined where the face lacks one. */
function landmarks(face) {
  const [nose, mouth] = [box(face, "nose"), box(face, "mouth")];
  if (!nose || !mouth) return undefined;
  const height = mouth.y + mouth.height / 2;
  const nosed = [nose.x + nose.width / 2, nose.y + nose.height / 2];
  return [...EYES, nosed, [mouth.x, height], [mouth.x + mouth.width, height]];
}

/** The square that is shown: turned by `angle` degrees about the view's middle, then `side` round `centre`. */
function crop(posed) {
  if (!posed) return { angle: 0, side: VIEW.side, centre: MIDDLE, size: 256 };
  const random = (least, most) => least + Math.random() * (most - least);
  const side = VIEW.side / random(1.1, 1.5);
  const room = ((VIEW.side - side) / 2) * 0.8;
  return {
    angle: random(-20, 20),
    side,
    centre: [MIDDLE[0] + random(-room, room), MIDDLE[1] + random(-room, room)],
    size: 128,
  };
}

/** Points of the canvas in [0, 1] of the picture. */
function project(points, { angle, side, centre }) {
  const [sin, cos] = [Math.sin((angle * Math.PI) / 180), Math.cos((angle * Math.PI) / 180)];
  return points.map(([x, y]) => {
    const [dx, dy] = [x - MIDDLE[0], y - MIDDLE[1]];
    const turned = [MIDDLE[0] + cos * dx - sin * dy, MIDDLE[1] + sin * dx + cos * dy];
    return turned.map((v, i) => (v - centre[i]) / side + 0.5);
  });
}

const [count, first, out, flag] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4], process.argv[5]];
if (!(count > 0) || !Number.isInteger(first) || !out || (flag !== undefined && flag !== "--posed")) {
  console.error("usage: node draw.mjs COUNT FIRST_SEED OUT [--posed]");
  process.exit(2);
}
fs.mkdirSync(out, { recursive: true });
const names = ["eye_left", "eye_right", "nose", "mouth_left", "mouth_right"];
const lines = [["file", ...names.flatMap((name) => [`${name}_x`, `${name}_y`])].join(",")];
const begun = Date.now();
for (let seed = first; seed < first + count; seed++) {
  Math.random = seeded(seed);
  const face = generate();
  const ground = `hsl(${Math.floor(Math.random() * 360)}, 35%, 70%)`;
  const points = landmarks(face);
  let view, shown;
  // What is measured must be in the picture.
  do {
    view = crop(flag === "--posed");
    shown = points && project(points, view);
  } while (shown?.flat().some((v) => v < 0 || v > 1));
  const { angle, side, centre, size } = view;
  const corner = [centre[0] - side / 2, centre[1] - side / 2];
  const picture = faceToSvgString(face)
    .replace(/ width="100%" height="100%"/, ` width="${size}" height="${size}"`)
    .replace(/viewBox="[^"]*"/, `viewBox="${corner[0]} ${corner[1]} ${side} ${side}"`)
    .replace(/(<svg[^>]*>)/, `$1<g transform="rotate(${angle} ${MIDDLE[0]} ${MIDDLE[1]})">`)
    .replace(/<\/svg>\s*$/, "</g></svg>");
  const file = `${String(seed).padStart(6, "0")}.png`;
  fs.writeFileSync(path.join(out, file), new Resvg(picture, { background: ground }).render().asPng());
  if (shown) lines.push([file, ...shown.flat().map((v) => v.toFixed(5))].join(","));
  const done = seed - first + 1;
  // What resvg holds is not JavaScript's, so the collector is called by hand (needs --expose-gc).
  if (done % 50 === 0) globalThis.gc?.();
  if (done % 1000 === 0 || done === count) {
    const left = Math.round((((Date.now() - begun) / done) * (count - done)) / 1000);
    console.error(`drawn ${done}/${count} ETA ${left} s`);
  }
}
fs.writeFileSync(path.join(out, "landmarks.csv"), `${lines.join("\n")}\n`);

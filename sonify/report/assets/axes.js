// Geometry that all panels share: the same time at the same x, in every one of them.

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

const axes = { width: 800, left: 58, right: 58 };

const xOf = (time) => axes.left + (time / facts.length) * (axes.width - axes.left - axes.right);
const timeOf = (x) => Math.min(Math.max((x - axes.left) / (axes.width - axes.left - axes.right), 0), 1) * facts.length;

// a canvas as sharp as the screen; returns its context, in CSS pixels
function prepared(canvas, width, height) {
  const sharp = Math.min(Math.max(window.devicePixelRatio || 1, 1), 3);
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  canvas.style.aspectRatio = `${width} / ${height}`;
  const context = canvas.getContext("2d");
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.textBaseline = "middle";
  return context;
}

const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];

// round metric times about every 100 pixels: [x, text]
function timeTicks() {
  const span = facts.length * facts.speed;
  const wanted = (span * 100) / Math.max(axes.width - axes.left - axes.right, 1);
  const step = STEPS_S.find((each) => each >= wanted) || 604800 * Math.ceil(wanted / 604800);
  const ticks = [];
  for (let at = Math.ceil(facts.since / step) * step; at <= facts.since + span && ticks.length < 200; at += step) {
    const iso = isoTime(at);
    const text = iso === null ? number(at) : step >= 86400 ? iso.slice(5, 10) : iso.slice(11, step >= 60 ? 16 : 19);
    ticks.push([xOf(soundTime(at)), text]);
  }
  return ticks;
}

function drawGrid(context, top, bottom) {
  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
  context.beginPath();
  for (const [x] of timeTicks()) {
    context.moveTo(Math.round(x) + 0.5, top);
    context.lineTo(Math.round(x) + 0.5, bottom);
  }
  context.stroke();
}

const hatches = new Map();

function hatch(colour, sparse) {
  const key = `${colour} ${sparse}`;
  if (!hatches.has(key)) {
    const size = sparse ? 10 : 6;
    const tile = element("canvas", { width: size, height: size });
    const context = tile.getContext("2d");
    context.strokeStyle = colour;
    context.lineWidth = 1;
    context.beginPath();
    for (const shift of [-size, 0, size]) {
      context.moveTo(shift, size);
      context.lineTo(shift + size, 0);
    }
    context.stroke();
    hatches.set(key, tile);
  }
  return hatches.get(key);
}

function fillHatched(context, x, y, width, height, colour, sparse) {
  context.fillStyle = context.createPattern(hatch(colour, sparse), "repeat");
  context.fillRect(x, y, width, height);
}

// where the source delivered nothing: hatched, in every panel
function drawStale(context, columns, top, bottom) {
  for (let column = 0; column < columns.count; column++) {
    if (columns.fresh[column]) continue;
    let last = column;
    while (last + 1 < columns.count && !columns.fresh[last + 1]) last++;
    const begin = xOf(columns.begin(column));
    const width = Math.max(xOf(columns.begin(last + 1)) - begin, 2);
    context.fillStyle = colours.panel;
    context.fillRect(begin, top, width, bottom - top);
    fillHatched(context, begin, top, width, bottom - top, colours.stale, false);
    column = last;
  }
}

function drawIncidents(context, top, bottom) {
  context.save();
  context.strokeStyle = colours.accent;
  context.globalAlpha = facts.incidents.length > 12 ? 0.3 : 0.65;
  context.setLineDash([2, 3]);
  context.beginPath();
  for (const incident of facts.incidents) {
    if (incident.standing) continue;
    const x = Math.round(xOf(incident.at)) + 0.5;
    context.moveTo(x, top);
    context.lineTo(x, bottom);
  }
  context.stroke();
  context.restore();
}

function writeRight(context, text, x, y) {
  context.textAlign = "right";
  context.fillText(text, x, y);
  context.textAlign = "left";
}

function shortened(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let kept = [...text];
  while (kept.length > 1 && context.measureText(`${kept.join("")}…`).width > width) kept = kept.slice(0, Math.ceil(kept.length * 0.9) - 1);
  return `${kept.join("")}…`;
}

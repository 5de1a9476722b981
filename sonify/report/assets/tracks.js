// The panels over time, one below the other.

const view = { hidden: new Set(), backend: -1, colour: facts.bands.tilted ? "work" : "rate", mine: null, other: null };

const shownBackends = (columns) => Array.from({ length: columns.backends }, (_, index) => index).filter((index) => !view.hidden.has(index));

// --- lines -----------------------------------------------------------------

function lineTrack({ id, title, unit, panel, names, write, perBackend = true, logarithmic = false, height = 96 }) {
  const track = { id, title, unit, panel };
  const value = (columns, name, column, backend) => (perBackend ? columns.of(name, column, backend) : columns[name][column]);
  const measured = () => names.some((name) => view.mine[name].some(Number.isFinite));

  function domain() {
    const [yellow, red] = facts.limits[panel] || [NaN, NaN];
    let least = Infinity;
    let most = 0;
    for (const columns of [view.mine, view.other]) {
      if (!columns) continue;
      for (const name of names) {
        for (const each of columns[name]) {
          if (each > most) most = each;
          if (each > 0 && each < least) least = each;
        }
      }
    }
    if (logarithmic) {
      const low = Math.min(least, yellow || Infinity, 1);
      const high = Math.max(most, red || 0, low * 10);
      return [low / 1.4, high * 1.4];
    }
    const limit = most > red * 0.8 ? red : most > yellow * 0.3 ? red : yellow;
    return [0, Math.max(most * 1.1, (limit || 0) * 1.2) || 1];
  }

  track.measured = measured;
  track.draw = (canvas) => {
    if (!measured()) return drawNotMeasured(canvas);
    const context = prepared(canvas, axes.width, height);
    const top = 5;
    const bottom = height - 5;
    const begin = axes.left;
    const width = axes.width - axes.left - axes.right;
    drawGrid(context, top, bottom);
    const [low, high] = domain();
    const yOf = (each) => {
      const share = logarithmic ? Math.log(Math.max(each, low) / low) / Math.log(high / low) : (each - low) / (high - low);
      return bottom - Math.min(Math.max(share, 0), 1) * (bottom - top);
    };
    drawZones(context, facts.limits[panel], yOf, write, begin, width, top);
    drawScale(context, low, high, yOf, logarithmic, write, top, bottom);
    drawStale(context, view.mine, top, bottom);
    if (view.other) {
      context.strokeStyle = colours.dim;
      context.lineWidth = 1.2;
      for (const name of names.slice(-1)) {
        context.setLineDash([1, 2]);
        strokeLine(context, view.other, yOf, (column) => worstOf(view.other, name, column, perBackend));
      }
    }
    for (const [order, name] of names.entries()) {
      context.setLineDash(names.length > 1 && order === 1 ? [5, 3] : []);
      for (const backend of perBackend ? shownBackends(view.mine) : [-1]) {
        context.strokeStyle = backend < 0 ? colours.accent : backendColour(backend);
        context.lineWidth = backend < 0 ? 1.6 : backendWidth(backend);
        strokeLine(context, view.mine, yOf, (column) => value(view.mine, name, column, backend));
      }
    }
    context.setLineDash([]);
    drawIncidents(context, top, bottom);
  };

  track.now = (column) => {
    const [name] = names.slice(-1);
    const [worst, backend] = worstWho(view.mine, name, column, perBackend);
    return [stateOf(panel, worst), write(worst), perBackend && worst > 0 ? facts.backends[backend] : ""];
  };

  track.tip = (column) =>
    (perBackend ? shownBackends(view.mine) : [-1]).map((backend) => [
      backend < 0 ? colours.accent : backendColour(backend),
      backend < 0 ? title : facts.backends[backend],
      names.map((name) => write(value(view.mine, name, column, backend))).join(" / "),
    ]);

  track.table = () => ({
    heads: perBackend ? facts.backends.flatMap((one) => (names.length > 1 ? names.map((name) => `${one} ${name}`) : [one])) : [title],
    cells: (column) =>
      (perBackend ? facts.backends.map((_, index) => index) : [-1]).flatMap((backend) =>
        names.map((name) => write(value(view.mine, name, column, backend))),
      ),
  });

  track.label = () => {
    if (!measured()) return `${title}: not measured.`;
    const [name] = names.slice(-1);
    let worst = -Infinity;
    let when = 0;
    let who = -1;
    for (let column = 0; column < view.mine.count; column++) {
      const [each, backend] = worstWho(view.mine, name, column, perBackend);
      if (each > worst) [worst, when, who] = [each, column, backend];
    }
    const whose = perBackend && who >= 0 ? ` by ${facts.backends[who]}` : "";
    return `${title} over time. Highest ${write(worst)}${whose} at ${clock(metricTime(view.mine.middle(when)), true)} UTC.${limitText(panel, write)}`;
  };
  return track;
}

function drawNotMeasured(canvas) {
  const context = prepared(canvas, axes.width, 30);
  const width = axes.width - axes.left - axes.right;
  fillHatched(context, axes.left, 4, width, 22, colours.faint, true);
  context.fillStyle = colours.panel;
  context.fillRect(axes.left + 8, 7, context.measureText("not measured").width + 12, 16);
  context.fillStyle = colours.dim;
  context.fillText("not measured", axes.left + 14, 15);
}

function limitText(panel, write) {
  const limits = facts.limits[panel];
  return limits ? ` Yellow from ${write(limits[0])}, red over ${write(limits[1])}.` : "";
}

function worstWho(columns, name, column, perBackend) {
  if (!perBackend) return [columns[name][column], -1];
  let worst = NaN;
  let who = -1;
  for (let backend = 0; backend < columns.backends; backend++) {
    const each = columns.of(name, column, backend);
    if (Number.isFinite(each) && !(each <= worst)) [worst, who] = [each, backend];
  }
  return [worst, who];
}

const worstOf = (columns, name, column, perBackend) => worstWho(columns, name, column, perBackend)[0];

function drawZones(context, limits, yOf, write, begin, width, top) {
  if (!limits) return;
  const [yellow, red] = limits.map(yOf);
  const alpha = colours.theme === "dark" ? 0.13 : 0.14;
  for (const [colour, from, to] of [["yellow", yellow, red], ["red", red, top]]) {
    if (from - to < 0.5) continue;
    context.globalAlpha = alpha;
    context.fillStyle = colours[colour];
    context.fillRect(begin, to, width, from - to);
    context.globalAlpha = 1;
  }
  context.setLineDash([4, 4]);
  context.lineWidth = 1;
  let free = Infinity;
  for (const [colour, y, letter, limit] of [["yellow", yellow, "Y", limits[0]], ["red", red, "R", limits[1]]]) {
    if (y <= top + 0.5) continue;
    context.strokeStyle = colours[colour];
    context.beginPath();
    context.moveTo(begin, Math.round(y) + 0.5);
    context.lineTo(begin + width, Math.round(y) + 0.5);
    context.stroke();
    if (axes.right > 40) {
      const at = Math.min(y, free - 12);
      context.fillStyle = colours[colour];
      context.fillText(`${letter} ${write(limit)}`, begin + width + 5, at);
      free = at;
    }
  }
  context.setLineDash([]);
}

function drawScale(context, low, high, yOf, logarithmic, write, top, bottom) {
  context.fillStyle = colours.dim;
  let steps;
  if (logarithmic) {
    steps = [];
    for (let power = Math.ceil(Math.log10(low)); power <= Math.log10(high); power++) steps.push(10 ** power);
  } else {
    const rough = (high - low) / 3;
    const size = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((each) => each * size).find((each) => each >= rough) || rough;
    steps = Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, index) => index * step);
  }
  for (const each of steps) {
    const y = Math.min(Math.max(yOf(each), top + 4), bottom - 4);
    writeRight(context, write(each).replace(" /s", ""), axes.left - 6, y);
  }
  context.strokeStyle = colours.faint;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(axes.left - 0.5, top);
  context.lineTo(axes.left - 0.5, bottom);
  context.stroke();
}

// a gap wherever nothing was measured; a lone value is a dot
function strokeLine(context, columns, yOf, valueAt) {
  const wide = (axes.width - axes.left - axes.right) / columns.count > 5;
  context.beginPath();
  let open = false;
  for (let column = 0; column < columns.count; column++) {
    const each = valueAt(column);
    if (!Number.isFinite(each)) {
      open = false;
      continue;
    }
    const y = yOf(each);
    if (wide) {
      const begin = xOf(columns.begin(column));
      if (open) context.lineTo(begin, y);
      else context.moveTo(begin, y);
      context.lineTo(xOf(columns.begin(column + 1)), y);
    } else {
      const x = xOf(columns.middle(column));
      if (open) context.lineTo(x, y);
      else {
        context.moveTo(x, y);
        context.lineTo(x + 0.8, y);
      }
    }
    open = true;
  }
  context.stroke();
}

// --- heatmap and spectrogram -------------------------------------------------

const PICTURE_HEIGHT = () => Math.min(Math.max(facts.bands.centres_s.length * 9, 150), 260);

// height of a latency or a note in the picture, 0 (top) to 1, by its place on the ladder of bands
function shareOfPlace(place) {
  const bands = facts.bands.centres_s.length;
  const share = (place + 0.5) / bands;
  return facts.bands.rising ? 1 - share : share;
}

function placeOfLatency(seconds) {
  const edges = facts.bands.edges_s;
  return (Math.log(seconds / edges[0]) / Math.log(edges[edges.length - 1] / edges[0])) * (edges.length - 1) - 0.5;
}

function drawPicture(context, image, smooth, top, bottom) {
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "high";
  const end = image.end;
  context.drawImage(image.canvas, axes.left, top, xOf(end) - axes.left, bottom - top);
}

function imageOf(width, height, shade, end) {
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d");
  const data = context.createImageData(width, height);
  const pixels = new Uint32Array(data.data.buffer);
  const table = colours.ramp.map(([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const share = shade(x, y);
      pixels[y * width + x] = share < 0 ? 0 : table[share];
    }
  }
  context.putImageData(data, 0, 0);
  return { canvas, end };
}

const HEAT = { rate: { low: 0.03, high: 100, unit: "requests/s" }, work: { low: 0.003, high: 30, unit: "requests in flight" } };

function drawLatencyLimits(context, begin, end, top, bottom) {
  const limits = facts.limits.latency_p95;
  if (!limits) return;
  context.setLineDash([4, 4]);
  context.lineWidth = 1;
  for (const [colour, limit] of [["yellow", limits[0]], ["red", limits[1]]]) {
    const y = Math.round(top + shareOfPlace(placeOfLatency(limit)) * (bottom - top)) + 0.5;
    if (y < top || y > bottom) continue;
    context.strokeStyle = colours[colour];
    context.beginPath();
    context.moveTo(begin, y);
    context.lineTo(end, y);
    context.stroke();
  }
  context.setLineDash([]);
}

function drawNotes(context, top, bottom) {
  const { notes, frequencies_hz } = facts.bands;
  const each = (bottom - top) / notes.length;
  const step = Math.max(Math.ceil(14 / each), 1);
  context.fillStyle = colours.dim;
  for (let band = 0; band < notes.length; band += step) {
    const y = top + shareOfPlace(band) * (bottom - top);
    if (axes.right > 40) context.fillText(notes[band], axes.width - axes.right + 5, y);
  }
  return frequencies_hz;
}

function drawFrame(context, top, bottom) {
  context.strokeStyle = colours.faint;
  context.lineWidth = 1;
  context.strokeRect(axes.left - 0.5, top - 0.5, axes.width - axes.left - axes.right + 1, bottom - top + 1);
}

const heatTrack = (id, title, which) => ({
  id,
  title,
  unit: "",
  panel: "latency_p95",
  draw(canvas) {
    const columns = view[which];
    const height = PICTURE_HEIGHT();
    const context = prepared(canvas, axes.width, height);
    const top = 3;
    const bottom = height - 3;
    const bands = columns.bands;
    const inner = Math.max(Math.round(xOf(columns.begin(columns.count)) - axes.left), 1);
    const width = Math.min(Math.max(inner * 2, 1), 2400);
    context.fillStyle = css(colours.ramp[0]);
    context.fillRect(axes.left, top, axes.width - axes.left - axes.right, bottom - top);
    const shades = Array.from({ length: bands }, () => new Int16Array(columns.count));
    for (let column = 0; column < columns.count; column++) {
      for (let band = 0; band < bands; band++) shades[band][column] = shadeOf(columns.bandRate(column, band, view.backend), band);
    }
    const end = columns.begin(columns.count);
    // a pixel shows the most of the columns that share it
    const first = Array.from({ length: width + 1 }, (_, x) => Math.max(columns.at(Math.min((x / width) * end, end - 0.005)), 0));
    const image = imageOf(width, bands, (x, y) => {
      const row = shades[facts.bands.rising ? bands - 1 - y : y];
      let most = row[first[x]];
      for (let column = first[x] + 1; column < first[x + 1]; column++) most = Math.max(most, row[column]);
      return most;
    }, end);
    drawPicture(context, image, false, top, bottom);
    drawUnmeasured(context, columns, top, bottom);
    drawStale(context, columns, top, bottom);
    drawLatencyLimits(context, axes.left, axes.width - axes.right, top, bottom);
    if (which === "mine") drawIncidents(context, top, bottom);
    context.fillStyle = colours.dim;
    for (const seconds of [1e-5, 1e-4, 0.001, 0.01, 0.1, 1, 10, 100]) {
      const share = shareOfPlace(placeOfLatency(seconds));
      if (share >= -0.001 && share <= 1.001) {
        writeRight(context, latency(seconds), axes.left - 6, Math.min(Math.max(top + share * (bottom - top), top + 5), bottom - 5));
      }
    }
    drawNotes(context, top, bottom);
    drawFrame(context, top, bottom);
  },
  now(column) {
    if (which !== "mine") return [null, "", ""];
    const [worst, backend] = worstWho(view.mine, "p95", column, true);
    return [stateOf("latency_p95", worst), `p95 ${latency(worst)}`, backend >= 0 ? facts.backends[backend] : ""];
  },
  tip(column, share, time) {
    const band = bandAt(share);
    const edges = facts.bands.edges_s;
    const rows = [[null, `${latency(edges[band])} to ${latency(edges[band + 1])}`, facts.bands.notes[band]]];
    if (which !== "mine") column = view[which].at(time);
    if (column < 0) return rows;
    const total = view[which].bandRate(column, band, view.backend);
    rows.push([null, view.backend < 0 ? "all backends" : facts.backends[view.backend], `${rate(total)}, ${number(total * facts.bands.centres_s[band])} in flight`]);
    if (view.backend < 0) {
      const each = facts.backends.map((_, index) => [index, view[which].bandRate(column, band, index)]);
      for (const [index, value] of each.filter(([, one]) => one > 0).sort((a, b) => b[1] - a[1]).slice(0, 4)) {
        rows.push([backendColour(index), facts.backends[index], rate(value)]);
      }
    }
    return rows;
  },
  table: () => ({
    heads: facts.bands.edges_s.slice(0, -1).map((edge, band) => `${latency(edge)}–${latency(facts.bands.edges_s[band + 1])}`),
    cells: (column) => facts.bands.centres_s.map((_, band) => number(view[which].bandRate(column, band, view.backend))),
  }),
  label: () =>
    `${title}: time from left to right, latency from ${facts.bands.rising ? "fast at the bottom to slow at the top" : "slow at the bottom to fast at the top"}; ` +
    `brightness is ${HEAT[view.colour].unit} in each of ${facts.bands.centres_s.length} bands.${limitText("latency_p95", latency)}`,
});

const heatmap = heatTrack("latency", facts.other ? "Latency heatmap of this" : "Latency heatmap", "mine");
const otherHeatmap = facts.other ? heatTrack("other-latency", `Latency heatmap of ${facts.other.label}`, "other") : null;

function bandAt(share) {
  const bands = facts.bands.centres_s.length;
  const place = Math.floor((facts.bands.rising ? 1 - share : share) * bands);
  return Math.min(Math.max(place, 0), bands - 1);
}

function shadeOf(value, band) {
  if (Number.isNaN(value)) return -1;
  if (!(value > 0)) return 0;
  const { low, high } = HEAT[view.colour];
  const shown = view.colour === "work" ? value * facts.bands.centres_s[band] : value;
  return Math.round(Math.min(Math.max(Math.log(shown / low) / Math.log(high / low), 0.02), 1) * 255);
}

// fresh, yet without latencies: sparsely hatched, which is neither nothing nor stale
function drawUnmeasured(context, columns, top, bottom) {
  for (let column = 0; column < columns.count; column++) {
    if (!columns.fresh[column] || !Number.isNaN(columns.bandRate(column, 0, view.backend))) continue;
    const begin = xOf(columns.begin(column));
    fillHatched(context, begin, top, xOf(columns.begin(column + 1)) - begin, bottom - top, colours.faint, true);
  }
}

const spectrogram = {
  id: "spectrogram",
  title: "Its sound",
  unit: "spectrogram of this very audio, on the same axis; short figures across it are alarms",
  draw(canvas) {
    const height = PICTURE_HEIGHT();
    const context = prepared(canvas, axes.width, height);
    const top = 3;
    const bottom = height - 3;
    const [rows, width] = facts.sections.spectrogram.shape;
    const levels = view.mine.spectrogram;
    drawPicture(context, imageOf(width, rows, (x, y) => levels[y * width + x], facts.length), true, top, bottom);
    drawLatencyLimits(context, axes.left, axes.width - axes.right, top, bottom);
    drawIncidents(context, top, bottom);
    const { frequencies_hz } = facts.bands;
    const step = Math.max(Math.ceil(28 / ((bottom - top) / frequencies_hz.length)), 1);
    context.fillStyle = colours.dim;
    for (let band = 0; band < frequencies_hz.length; band += step) {
      writeRight(context, hertz(frequencies_hz[band]), axes.left - 6, top + shareOfPlace(band) * (bottom - top));
    }
    drawNotes(context, top, bottom);
    drawFrame(context, top, bottom);
  },
  tip(column, share, time) {
    const [rows, width] = facts.sections.spectrogram.shape;
    const x = Math.min(Math.floor((time / facts.length) * width), width - 1);
    const y = Math.min(Math.max(Math.floor(share * rows), 0), rows - 1);
    const { low_db, high_db } = facts.spectrogram;
    const level = low_db + (view.mine.spectrogram[y * width + x] / 255) * (high_db - low_db);
    const band = bandAt(share);
    return [
      [null, `${facts.bands.notes[band]}, about ${hertz(facts.bands.frequencies_hz[band])}`, level > low_db ? `${level.toFixed(0)} dBFS` : `under ${low_db} dBFS`],
      [null, "latency at this height", latency(facts.bands.centres_s[band])],
    ];
  },
  label: () => "Spectrogram of the sound, on the same axes as the heatmap above it: each latency band lies at the height of its note.",
};

// --- glitches ------------------------------------------------------------------

const LANE = 13;

const glitches = {
  id: "glitch_rate",
  title: "Glitch activations",
  unit: "1/s per backend; a taller tick is worse",
  panel: "glitch_rate",
  measured: () => view.mine.glitch_rate.some(Number.isFinite),
  get height() {
    return Math.max(shownBackends(view.mine).length * LANE + 10, 36);
  },
  draw(canvas) {
    if (!glitches.measured()) return drawNotMeasured(canvas);
    const columns = view.mine;
    const height = glitches.height;
    const context = prepared(canvas, axes.width, height);
    const backends = shownBackends(columns);
    drawGrid(context, 5, height - 5);
    drawStale(context, columns, 5, height - 5);
    for (const [lane, backend] of backends.entries()) {
      const floor = 5 + (lane + 1) * LANE - 2;
      context.fillStyle = colours.grid;
      context.fillRect(axes.left, floor, axes.width - axes.left - axes.right, 1);
      context.fillStyle = backendColour(backend);
      writeRight(context, shortened(context, facts.backends[backend], axes.left - 10), axes.left - 6, floor - 5);
      for (let column = 0; column < columns.count; column++) {
        const value = columns.of("glitch_rate", column, backend);
        if (!(value > 0)) continue;
        const state = stateOf("glitch_rate", value);
        const tall = { green: 4, yellow: 7, red: 11 }[state] || 4;
        const begin = xOf(columns.begin(column));
        context.fillStyle = state === "green" || !state ? backendColour(backend) : colours[state];
        context.fillRect(begin, floor - tall, Math.max(Math.min(xOf(columns.begin(column + 1)) - begin - 0.5, 6), 1.2), tall);
      }
    }
    drawIncidents(context, 5, height - 5);
  },
  now(column) {
    const [worst, backend] = worstWho(view.mine, "glitch_rate", column, true);
    return [stateOf("glitch_rate", worst), rate(worst), worst > 0 ? facts.backends[backend] : ""];
  },
  tip: (column) => shownBackends(view.mine).map((backend) => [backendColour(backend), facts.backends[backend], rate(view.mine.of("glitch_rate", column, backend))]),
  table: () => ({ heads: facts.backends, cells: (column) => facts.backends.map((_, backend) => rate(view.mine.of("glitch_rate", column, backend))) }),
  label: () => (glitches.measured() ? `Glitch activations over time, a lane for each backend.${limitText("glitch_rate", rate)}` : "Glitch activations: not measured."),
};

const TRACKS = [
  ...(otherHeatmap ? [otherHeatmap] : []),
  heatmap,
  spectrogram,
  lineTrack({ id: "spectrum", title: "Performance spectrum", unit: "p50 solid, p95 dashed, per backend", panel: "latency_p95", names: ["p50", "p95"], write: latency, logarithmic: true, height: 128 }),
  lineTrack({ id: "request_rate", title: "Request rate", unit: "1/s per backend", panel: "request_rate", names: ["request_rate"], write: rate }),
  lineTrack({ id: "error_ratio", title: "Error rate", unit: "failed ÷ all, per backend", panel: "error_ratio", names: ["error_ratio"], write: percent }),
  lineTrack({ id: "fallback_ratio", title: "Fallback rate", unit: "fallbacks ÷ all, per backend", panel: "fallback_ratio", names: ["fallback_ratio"], write: percent }),
  glitches,
  lineTrack({ id: "queue_depth", title: "Queue depth", unit: "requests that wait", panel: "queue_depth", names: ["queue_depth"], write: count, perBackend: false, height: 80 }),
  lineTrack({ id: "active_requests", title: "Active requests", unit: "requests being served", panel: "active_requests", names: ["active_requests"], write: count, perBackend: false, height: 80 }),
];

// What is true at the playhead (bars, batch sizes), and the overview that is the slider.

function drawBars(column) {
  const canvas = byId("bars");
  const columns = view.mine;
  const width = Math.max(canvas.parentElement.clientWidth, 200);
  const each = 26;
  const left = Math.min(84, width * 0.28);
  const right = 92;
  const height = columns.backends * each + 22;
  const context = prepared(canvas, width, height);
  const low = 0.001;
  const high = 60;
  const xAt = (seconds) => left + (Math.min(Math.max(Math.log(seconds / low) / Math.log(high / low), 0), 1)) * (width - left - right);
  const limits = facts.limits.latency_p95;
  if (limits) {
    for (const [colour, from, to] of [["yellow", limits[0], limits[1]], ["red", limits[1], high]]) {
      context.globalAlpha = 0.13;
      context.fillStyle = colours[colour];
      context.fillRect(xAt(from), 0, xAt(to) - xAt(from), height - 18);
      context.globalAlpha = 1;
    }
  }
  context.textAlign = "center";
  context.fillStyle = colours.dim;
  let free = -Infinity;
  for (const seconds of [0.001, 0.01, 0.1, 1, 10]) {
    context.fillStyle = colours.grid;
    context.fillRect(Math.round(xAt(seconds)), 0, 1, height - 18);
    const half = context.measureText(latency(seconds)).width / 2;
    if (xAt(seconds) - half < free + 6) continue;
    context.fillStyle = colours.dim;
    context.fillText(latency(seconds), xAt(seconds), height - 8);
    free = xAt(seconds) + half;
  }
  context.textAlign = "left";
  const said = [];
  for (let backend = 0; backend < columns.backends; backend++) {
    const y = backend * each;
    const p50 = column < 0 ? NaN : columns.of("p50", column, backend);
    const p95 = column < 0 ? NaN : columns.of("p95", column, backend);
    const state = stateOf("latency_p95", p95);
    context.fillStyle = backendColour(backend);
    context.fillText(shortened(context, facts.backends[backend], left - 8), 0, y + each / 2);
    if (Number.isFinite(p95)) {
      context.globalAlpha = 0.35;
      context.fillRect(left, y + 5, Math.max(xAt(p95) - left, 1), each - 10);
      context.globalAlpha = 1;
      context.fillRect(left, y + 9, Math.max(xAt(p50) - left, 1), each - 18);
      context.fillRect(xAt(p95) - 1, y + 4, 2, each - 8);
    } else {
      fillHatched(context, left, y + 7, width - left - right, each - 14, colours.grid, true);
    }
    context.fillStyle = state && state !== "green" ? colours[state] : colours.text;
    const letter = state ? { green: "G", yellow: "Y", red: "R" }[state] : MISSING;
    writeRight(context, Number.isFinite(p95) ? `${latency(p50)} / ${latency(p95)}` : "not measured", width - 14, y + each / 2);
    writeRight(context, letter, width, y + each / 2);
    said.push(`${facts.backends[backend]}: p50 ${latency(p50)}, p95 ${latency(p95)}`);
  }
  canvas.setAttribute("aria-label", `Latency of each backend at the playhead. ${said.join("; ")}`);
}

function drawBatches(column) {
  const canvas = byId("batches");
  const columns = view.mine;
  const edges = facts.batch_edges;
  const width = Math.max(canvas.parentElement.clientWidth, 200);
  const height = 96;
  if (!columns.batches || !columns.batch_rate.some(Number.isFinite)) {
    byId("batch-card").classList.add("empty");
    const context = prepared(canvas, width, 24);
    context.fillStyle = colours.dim;
    context.fillText("not measured", 0, 12);
    canvas.setAttribute("aria-label", "Batch sizes: not measured");
    return;
  }
  const context = prepared(canvas, width, height);
  const floor = height - 18;
  const each = width / columns.batches;
  const mean = batchMeans(columns);
  const most = mean.most || 1;
  for (let band = 0; band < columns.batches; band++) {
    const value = column < 0 ? NaN : columns.batch_rate[column * columns.batches + band];
    const tall = (share) => Math.sqrt(Math.min(share / most, 1)) * (floor - 12);
    context.strokeStyle = colours.dim;
    context.setLineDash([3, 2]);
    context.strokeRect(band * each + 3.5, floor - tall(mean.values[band]) + 0.5, each - 7, tall(mean.values[band]));
    context.setLineDash([]);
    if (Number.isFinite(value)) {
      context.fillStyle = colours.accent;
      context.fillRect(band * each + 3, floor - tall(value), each - 6, tall(value));
    } else {
      fillHatched(context, band * each + 3, 8, each - 6, floor - 8, colours.grid, true);
    }
    context.fillStyle = colours.dim;
    context.textAlign = "center";
    const high = edges[band + 1];
    context.fillText(high === null ? `>${number(edges[band])}` : high - edges[band] <= 1 ? number(edges[band]) : `≤${number(high)}`, (band + 0.5) * each, height - 8);
    context.textAlign = "left";
  }
  canvas.setAttribute("aria-label", "Batches a second in each size band at the playhead; the outline is the mean of the whole time");
}

function batchMeans(columns) {
  if (!columns.means) {
    const values = new Float64Array(columns.batches);
    let most = 0;
    let counted = 0;
    for (let column = 0; column < columns.count; column++) {
      const row = columns.batch_rate.subarray(column * columns.batches, (column + 1) * columns.batches);
      if (!Number.isFinite(row[0])) continue;
      counted++;
      row.forEach((value, band) => {
        values[band] += value;
        most = Math.max(most, value);
      });
    }
    columns.means = { values: values.map((value) => value / Math.max(counted, 1)), most };
  }
  return columns.means;
}

function drawOverview() {
  const canvas = byId("overview");
  const height = 64;
  const context = prepared(canvas, axes.width, height);
  const top = 14;
  const bottom = height - 16;
  const begin = axes.left;
  const width = axes.width - axes.left - axes.right;
  context.fillStyle = colours.ground;
  context.fillRect(begin, top, width, bottom - top);
  for (const incident of facts.incidents) {
    if (incident.standing) continue;
    const worst = incident.findings.some((one) => one.state === "red") ? "red" : incident.findings.some((one) => one.state === "stale") ? "stale" : "yellow";
    context.globalAlpha = 0.25;
    context.fillStyle = colours[worst];
    context.fillRect(xOf(incident.at), top, Math.max(xOf(incident.end) - xOf(incident.at), 2), bottom - top);
    context.globalAlpha = 1;
  }
  drawStale(context, view.mine, top, bottom);
  const outline = view.mine.outline;
  const points = outline.length / 2;
  context.fillStyle = colours.accent;
  for (let point = 0; point < points; point++) {
    const high = 1 - outline[points + point] / 255;
    const low = 1 - outline[point] / 255;
    const x = begin + (point / points) * width;
    const y = top + high * (bottom - top);
    context.fillRect(x, y, Math.max(width / points, 0.7), Math.max((low - high) * (bottom - top), 1));
  }
  context.fillStyle = colours.dim;
  context.textAlign = "center";
  let last = -Infinity;
  for (const [x, text] of timeTicks()) {
    const half = context.measureText(text).width / 2;
    if (x - half < last + 8 || x + half > axes.width) continue;
    context.fillText(text, x, height - 7);
    context.fillStyle = colours.faint;
    context.fillRect(Math.round(x), bottom, 1, 3);
    context.fillStyle = colours.dim;
    last = x + half;
  }
  let free = -Infinity;
  facts.incidents.forEach((incident, index) => {
    if (incident.standing) return;
    const x = xOf(incident.at);
    const wide = context.measureText(String(index + 1)).width + 8;
    context.fillStyle = colours.accent;
    context.fillRect(x, 0, 1.5, top);
    if (x < free || x + wide > axes.width) return; // where they crowd only the first has its number
    context.fillRect(x, 0, wide, 12);
    context.fillStyle = colours.panel;
    context.fillText(String(index + 1), x + wide / 2, 6.5);
    free = x + wide + 1;
  });
  for (const event of facts.events) {
    const x = xOf(event.at);
    context.fillStyle = colours.text;
    context.beginPath();
    context.moveTo(x - 4, top);
    context.lineTo(x + 4, top);
    context.lineTo(x, top + 6);
    context.fill();
  }
  context.textAlign = "left";
}

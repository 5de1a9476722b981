// Puts it together: tracks, one playhead, keys, theme, and the loop that runs only while something moves.

const THEMES = ["auto", "dark", "light"];
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const state = { column: -2, shownTenth: -1, printing: false, theme: "auto", looping: false };
const playheads = document.querySelectorAll(".playhead");

function buildTracks() {
  const holder = byId("tracks");
  for (const track of TRACKS) {
    track.canvas = element("canvas", { role: "img" });
    track.nowNode = element("p", { class: "reading" });
    const head = element("header", {}, element("h2", {}, track.title, " ", element("small", {}, track.unit || "")), track.nowNode);
    if (track === heatmap) head.insertBefore(heatmapChoices(), track.nowNode);
    if (track === spectrogram) track.nowNode.append(rampKey(`${facts.spectrogram.low_db} dBFS`, `${facts.spectrogram.high_db} dBFS`));
    track.plot = element("div", { class: "plot seekable" }, track.canvas);
    track.node = element("section", { class: "track", id: `track-${track.id}` }, head, track.plot);
    if (track.table && !(track.measured && !track.measured())) {
      const details = element("details", { class: "table" }, element("summary", {}, "Table"));
      details.addEventListener("toggle", () => {
        if (details.open && details.children.length === 1) details.append(tableOf(track));
        placePlayhead(player.time);
      });
      track.node.append(details);
    }
    wirePlot(track);
    holder.append(track.node);
  }
}

function heatmapChoices() {
  const option = (value, text) => element("option", { value }, text);
  const backends = element("select", { "aria-label": "Backend of the heatmap" }, option("-1", "all backends"), ...facts.backends.map((name, index) => option(String(index), name)));
  const shades = element("select", { "aria-label": "What the colours of the heatmap show" }, option("work", "requests in flight"), option("rate", "requests/s"));
  shades.value = view.colour;
  backends.addEventListener("change", () => {
    view.backend = Number(backends.value);
    drawHeat();
  });
  shades.addEventListener("change", () => {
    view.colour = shades.value;
    key.replaceWith((key = heatKey()));
    drawHeat();
  });
  let key = heatKey();
  return element("span", { class: "choices" }, backends, shades, key);
}

function drawHeat() {
  if (otherHeatmap) drawTrack(otherHeatmap);
  drawTrack(heatmap);
}

const heatKey = () => rampKey(number(HEAT[view.colour].low), `${number(HEAT[view.colour].high)}${view.colour === "rate" ? " /s" : ""}`);

function rampKey(low, high) {
  return element("span", { class: "ramp" }, low, element("canvas", { width: 64, height: 1, class: "ramp-bar", "aria-hidden": "true" }), high);
}

function paintKeys() {
  for (const bar of document.querySelectorAll(".ramp-bar")) {
    const context = bar.getContext("2d");
    for (let x = 0; x < 64; x++) {
      context.fillStyle = css(colours.ramp[x * 4 + 2]);
      context.fillRect(x, 0, 1, 1);
    }
  }
  for (const swatch of document.querySelectorAll(".swatch")) {
    swatch.style.background = backendColour(Number(swatch.dataset.index));
    swatch.style.height = `${backendWidth(Number(swatch.dataset.index)) * 2}px`;
  }
}

function drawTrack(track) {
  track.draw(track.canvas);
  track.canvas.setAttribute("aria-label", track.label());
  paintKeys();
}

function drawAll() {
  if (!view.mine) return;
  const width = Math.round(byId("tracks").clientWidth);
  axes.width = Math.max(width, 240);
  const narrow = axes.width < 560;
  axes.left = narrow ? 50 : 58;
  axes.right = narrow ? 14 : 62;
  hatches.clear();
  TRACKS.forEach(drawTrack);
  drawOverview();
  state.column = -2;
  placePlayhead(player.time);
}

// --- the playhead ------------------------------------------------------------

function placePlayhead(time) {
  const x = xOf(time);
  for (const playhead of playheads) playhead.style.transform = `translateX(${x.toFixed(2)}px)`;
  const tenth = Math.floor(time * 10);
  if (tenth !== state.shownTenth) {
    state.shownTenth = tenth;
    byId("sound-time").textContent = `${minutes(time, 1)} / ${minutes(facts.length)}`;
    byId("metric-time").textContent = `${clock(metricTime(time), true)} UTC`;
  }
  const column = view.mine ? view.mine.at(time) : -1;
  if (column !== state.column) {
    state.column = column;
    showColumn(column, time);
  }
}

function showColumn(column, time) {
  drawBars(column);
  drawBatches(column);
  byId("bars-when").textContent = column < 0 ? "after the end" : view.mine.fresh[column] ? `p50 / p95 at ${clock(metricTime(time))}` : "stale";
  for (const track of TRACKS) {
    if (!track.now) continue;
    if (column < 0 || !view.mine.fresh[column]) {
      track.nowNode.textContent = column < 0 ? MISSING : "stale";
      continue;
    }
    const [panelState, text, who] = track.measured && !track.measured() ? [null, MISSING, ""] : track.now(column);
    track.nowNode.replaceChildren(...(panelState ? [chip(panelState), " "] : []), text, ...(who ? [" ", nameOf(who)] : []));
  }
  const slider = byId("overview");
  slider.setAttribute("aria-valuemin", "0");
  slider.setAttribute("aria-valuemax", facts.length.toFixed(1));
  slider.setAttribute("aria-valuenow", time.toFixed(1));
  slider.setAttribute("aria-valuetext", `${minutes(time)} of ${minutes(facts.length)}, ${clock(metricTime(time), true)} UTC`);
}

function loop() {
  placePlayhead(player.time);
  if (!player.playing) {
    state.looping = false;
    return;
  }
  if (calm.matches) setTimeout(() => requestAnimationFrame(loop), 250);
  else requestAnimationFrame(loop);
}

player.onchange = () => {
  const button = byId("play");
  button.classList.toggle("playing", player.playing);
  button.setAttribute("aria-label", player.playing ? "Pause" : "Play");
  if (!state.looping) {
    state.looping = true;
    requestAnimationFrame(loop);
  }
};

function goTo(time) {
  player.seek(time);
  placePlayhead(time);
}

function goToIncident(step) {
  const places = [...new Set(facts.incidents.filter((one) => !one.standing).map((one) => one.at))].sort((a, b) => a - b);
  const now = player.time;
  const found = step > 0 ? places.find((at) => at > now + 0.05) : places.reverse().find((at) => at < now - (player.playing ? 1 : 0.05));
  if (found === undefined) {
    notice(places.length ? `no ${step > 0 ? "later" : "earlier"} incident` : "no incident was found");
    return;
  }
  goTo(found);
  const incident = facts.incidents.find((one) => one.at === found);
  notice(`${facts.incidents.indexOf(incident) + 1}: ${incident.findings[0].text}`);
}

// --- pointer -------------------------------------------------------------------

function wirePlot(track) {
  const inside = (event) => {
    const box = track.canvas.getBoundingClientRect();
    const scale = axes.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top - 3) / (box.height - 6)];
  };
  let dragging = false;
  track.plot.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    dragging = true;
    track.plot.setPointerCapture(event.pointerId);
    goTo(timeOf(inside(event)[0]));
  });
  track.plot.addEventListener("pointermove", (event) => {
    const [x, share] = inside(event);
    if (dragging) goTo(timeOf(x));
    if (event.pointerType === "mouse" || dragging) showTip(track, x, share, event);
  });
  track.plot.addEventListener("pointerup", () => (dragging = false));
  track.plot.addEventListener("pointercancel", () => (dragging = false));
  track.plot.addEventListener("pointerleave", hideTip);
}

function wireOverview() {
  const plot = byId("overview").parentElement;
  let dragging = false;
  const seek = (event) => {
    const box = byId("overview").getBoundingClientRect();
    goTo(timeOf(((event.clientX - box.left) * axes.width) / box.width));
  };
  plot.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    dragging = true;
    plot.setPointerCapture(event.pointerId);
    seek(event);
  });
  plot.addEventListener("pointermove", (event) => dragging && seek(event));
  plot.addEventListener("pointerup", () => (dragging = false));
  plot.addEventListener("pointercancel", () => (dragging = false));
}

function showTip(track, x, share, event) {
  const time = timeOf(x);
  const column = view.mine.at(time);
  if (x < axes.left || x > axes.width - axes.right || column < 0) return hideTip();
  const rows = view.mine.fresh[column] ? track.tip(column, share, time) : [[null, "stale: the source delivered nothing", ""]];
  const tip = byId("tip");
  tip.replaceChildren(
    element("p", { class: "when" }, `${clock(metricTime(time), true)} UTC · ${minutes(time, 1)}`),
    ...rows.slice(0, 14).map(([colour, head, text]) => {
      const swatch = element("span", { class: "dot" });
      if (colour) swatch.style.background = colour;
      else swatch.hidden = true;
      return element("p", {}, swatch, nameOf(head), element("b", {}, text));
    }),
  );
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const beside = event.clientX + 16 + box.width > innerWidth ? event.clientX - box.width - 16 : event.clientX + 16;
  tip.style.left = `${Math.max(beside, 4)}px`;
  tip.style.top = `${Math.min(Math.max(event.clientY - box.height / 2, 4), innerHeight - box.height - 4)}px`;
  const crosshair = document.querySelector(".crosshair");
  crosshair.hidden = false;
  crosshair.style.transform = `translateX(${x}px)`;
}

function hideTip() {
  byId("tip").hidden = true;
  document.querySelector(".crosshair").hidden = true;
}

// --- keys and buttons ------------------------------------------------------------

const ACTIONS = {
  " ": () => player.toggle(),
  k: () => player.toggle(),
  j: () => goTo(player.time - 5),
  l: () => goTo(player.time + 5),
  ArrowLeft: (event) => goTo(player.time - (event.shiftKey ? 0.1 : 1)),
  ArrowRight: (event) => goTo(player.time + (event.shiftKey ? 0.1 : 1)),
  ArrowUp: () => setVolume(Number(byId("volume").value) + 10),
  ArrowDown: () => setVolume(Number(byId("volume").value) - 10),
  Home: () => goTo(0),
  End: () => goTo(facts.length),
  n: () => goToIncident(1),
  p: () => goToIncident(-1),
  m: () => setVolume(Number(byId("volume").value) > 0 ? 0 : 100),
  t: () => nextTheme(),
  "?": () => byId("help").showModal(),
};

function setVolume(percentage) {
  const kept = Math.min(Math.max(percentage, 0), 100);
  byId("volume").value = String(kept);
  player.setVolume((kept / 100) ** 2);
}

function wireKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    const target = event.target;
    const typing = target.closest("input, select, textarea, [contenteditable], .scroll");
    const pressing = target.closest("button, summary, a");
    if (typing || (pressing && event.key === " ")) return;
    // the arrows scroll the page, unless the slider has the focus or they seek
    if (["ArrowUp", "ArrowDown"].includes(event.key) && target !== byId("overview")) return;
    const action = ACTIONS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
  byId("play").addEventListener("click", () => player.toggle());
  byId("next").addEventListener("click", () => goToIncident(1));
  byId("previous").addEventListener("click", () => goToIncident(-1));
  byId("theme").addEventListener("click", nextTheme);
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  byId("volume").addEventListener("input", (event) => setVolume(Number(event.target.value)));
  if (facts.has_other_sound) {
    const button = byId("which-sound");
    const say = () => (button.textContent = player.which === "mix" ? "Hear the other" : "Hear this");
    button.hidden = false;
    say();
    button.addEventListener("click", () => {
      player.use(player.which === "mix" ? "other" : "mix");
      say();
    });
  }
}

// --- theme and print ----------------------------------------------------------

function applyTheme() {
  const theme = state.printing ? "light" : state.theme === "auto" ? systemTheme() : state.theme;
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${state.theme}`;
  readColours(theme);
  drawAll();
}

function nextTheme() {
  state.theme = THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length];
  applyTheme();
}

function setPrinting(printing) {
  if (printing === state.printing) return;
  state.printing = printing;
  if (printing) {
    state.opened = [...document.querySelectorAll("details:not(.table):not([open])")];
    state.opened.forEach((details) => (details.open = true));
  } else {
    state.opened.forEach((details) => (details.open = false));
  }
  applyTheme();
}

async function begin() {
  document.documentElement.dataset.theme = systemTheme();
  readColours(systemTheme());
  writeFoot();
  writeNames();
  writeFindings();
  writeMarkers();
  writeStems();
  writeFigures(byId("filters"), facts.filters, "Nothing could be measured.");
  writeFigures(byId("hints"), facts.hints, "None.");
  writeLegend();
  writeKeys();
  wireKeys();
  wireOverview();
  const buffer = await inflated("data");
  view.mine = new Columns(buffer, "", facts);
  view.other = facts.other ? new Columns(buffer, "other_", facts.other) : null;
  buildTracks();
  applyTheme();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);
  addEventListener("beforeprint", () => setPrinting(true));
  addEventListener("afterprint", () => setPrinting(false));
  matchMedia("print").addEventListener("change", (event) => setPrinting(event.matches));
  let wide = axes.width;
  new ResizeObserver(() => {
    const width = Math.round(byId("tracks").clientWidth);
    if (width === wide || state.printing) return;
    wide = width;
    requestAnimationFrame(drawAll);
  }).observe(byId("tracks"));
  if (document.readyState === "loading") await new Promise((done) => addEventListener("DOMContentLoaded", done, { once: true }));
  requestAnimationFrame(() => setTimeout(() => player.load(), 0));
}

begin();

// Findings, markers, filters, hints, the legend and the foot, in words.

const STATE_SIGNS = { red: "R", yellow: "Y", unusual: "U", stale: "S", green: "G" };

const chip = (state) => element("span", { class: `chip ${state}`, title: state }, STATE_SIGNS[state] || "?");

function jump(time, seconds, words) {
  return element("button", { type: "button", class: "jump", onclick: () => goTo(time), "aria-label": `Go to ${words}` }, `▸ ${clock(seconds, facts.until - facts.since > 86400)}`);
}

function writeFindings() {
  const list = byId("findings-list");
  if (!facts.incidents.length) list.append(element("p", {}, "Nothing found."));
  facts.incidents.forEach((incident, index) => {
    const rows = incident.findings.map((one) =>
      element("li", {}, chip(one.state), element("span", {}, one.text, " ", element("span", { class: "sure" }, one.sure)), jump(one.at, one.since, one.text)),
    );
    const shown = rows.slice(0, 4);
    const parts = [element("h3", {}, `${index + 1}`, element("span", { class: "dim" }, incident.standing ? " all the time" : ` at ${minutes(incident.at)} of the sound`)), element("ul", { class: "findings" }, ...shown)];
    if (rows.length > shown.length) {
      parts.push(element("details", {}, element("summary", {}, `${rows.length - shown.length} more`), element("ul", { class: "findings" }, ...rows.slice(4))));
    }
    parts.push(element("ul", { class: "actions" }, ...incident.actions.map((action) => element("li", {}, action))));
    list.append(element("article", { class: "incident", id: `incident-${index + 1}` }, ...parts));
  });
  if (facts.not_measured.length) {
    list.append(element("p", { class: "dim" }, `Not measured, so nothing is known of: ${facts.not_measured.map((name) => name.replaceAll("_", " ")).join(", ")}.`));
  }
}

function writeMarkers() {
  const markers = facts.events.map((event) => element("li", {}, jump(event.at, event.t, `${event.kind}: ${event.text}`), element("span", { class: "chip event" }, event.kind || "event"), nameOf(event.text)));
  byId("markers").append(...markers);
  byId("markers-card").hidden = !markers.length;
}

function writeFigures(holder, figures, none) {
  const known = figures.filter((one) => one.known);
  const rows = known.map((one) =>
    element("div", { class: "figure" }, element("dt", {}, one.name ? `${one.filter === "hint" ? "" : one.filter + " · "}${one.name}` : one.filter), element("dd", {}, one.backend ? nameOf(one.backend) : null, one.backend ? ": " : "", one.text, one.method ? element("span", { class: "dim" }, ` (${one.method})`) : null)),
  );
  holder.append(rows.length ? element("dl", {}, ...rows) : element("p", {}, none));
  const unknown = figures.filter((one) => !one.known);
  if (unknown.length) {
    holder.append(
      element("details", {}, element("summary", {}, `${unknown.length} figures without enough data`), element("ul", { class: "plain" }, ...unknown.map((one) => element("li", {}, element("span", { class: "dim" }, `${one.filter} ${one.name} `), one.backend ? nameOf(one.backend) : null, " ", one.text)))),
    );
  }
}

const MEANINGS = [
  ["pitch", "latency: each band its note, on the axis of the heatmap"],
  ["level", "activity: 10 dB per decade of traffic and, where it is tilted, per decade of latency"],
  ["overtones", "fallbacks: the more, the brighter the backend"],
  ["roughness", "errors: a flutter, deeper with the error rate"],
  ["noise bursts", "glitches, one burst each"],
  ["place", "the backend: from left to right, and its own step in the bar"],
  ["a pulse", "queue depth: faster is deeper"],
  ["sub-bass", "active requests, by level"],
  ["drums", "batch sizes: small is a high tick, large a low thump"],
  ["a short figure", "a limit was crossed: rising is worse, falling recovered"],
  ["a quiet tick", "data is coming in"],
  ["three falling notes", "the source is lost"],
];

function writeLegend() {
  const holder = byId("legend");
  const scenes = facts.scenes || [];
  if (!scenes.length) {
    holder.append(element("dl", { class: "legend" }, ...MEANINGS.flatMap(([sound, meaning]) => [element("dt", {}, sound), element("dd", {}, meaning)])));
    return;
  }
  holder.append(
    element("p", { class: "dim" }, "Each plays a few seconds of the preset's own legend."),
    element("ul", { class: "scenes" }, ...scenes.map((scene) => {
      const said = element("span", { class: "dim" }, "");
      const button = element("button", { type: "button", class: "quiet", "aria-label": `Hear: ${scene.text}` }, "▸");
      let timers = [];
      button.addEventListener("click", () => {
        timers.forEach(clearTimeout);
        if (button.textContent !== "▸") {
          player.stopExample();
          return;
        }
        button.textContent = "■";
        timers = scene.stages.map((stage) => setTimeout(() => (said.textContent = ` – ${stage.text}`), (stage.at - scene.at) * 1000));
        player.example(scene.at, scene.end, () => {
          timers.forEach(clearTimeout);
          button.textContent = "▸";
          said.textContent = "";
        });
      });
      return element("li", {}, button, element("span", {}, scene.text, said));
    })),
  );
}

function writeStems() {
  const stems = player.stems;
  const left = facts.left_out || [];
  byId("stems-card").hidden = !stems.length && !left.includes("stems");
  const list = byId("stems-list");
  if (left.length) list.append(element("p", { class: "dim" }, `Left out to keep the page small: ${left.join(", ")}.`));
  if (!stems.length) return;
  list.append(element("p", { class: "dim" }, "Before the master's compressor and limiter; mono."));
  const rows = stems.map((stem) => {
    const toggle = (key, letter, words) => {
      const button = element("button", { type: "button", class: `toggle ${key}`, "aria-pressed": "false", "aria-label": `${words} ${stem.name}` }, letter);
      button.addEventListener("click", () => {
        stem[key] = !stem[key];
        button.setAttribute("aria-pressed", String(stem[key]));
        player.remix();
      });
      return button;
    };
    return element("li", {}, toggle("muted", "M", "Mute"), toggle("solo", "S", "Solo"), nameOf(stem.name));
  });
  list.append(element("ul", { class: "stems" }, ...rows));
}

function writeNames() {
  const holder = byId("names");
  facts.backends.forEach((name, index) => {
    const swatch = element("span", { class: "swatch", "data-index": index });
    const button = element("button", { type: "button", class: "name-chip", "aria-pressed": "true", title: "Show or hide its lines" }, swatch, nameOf(name));
    button.addEventListener("click", () => {
      if (!view.hidden.delete(index)) view.hidden.add(index);
      button.setAttribute("aria-pressed", String(!view.hidden.has(index)));
      drawAll();
    });
    holder.append(button);
  });
  if (facts.other) holder.append(element("span", { class: "dim" }, "dotted: the highest of ", nameOf(facts.other.label)));
}

function writeFoot() {
  const range = `${clock(facts.since, true)} to ${clock(facts.until, facts.until - facts.since >= 43200)} UTC`;
  byId("title").textContent = facts.title;
  document.title = facts.title;
  byId("subtitle").textContent = `${range} · ${duration(facts.until - facts.since)} played in ${duration(facts.length)} (${number(facts.speed)}×)`;
  const audio = facts.audio || { file: "", kbps: 0, codec: "" };
  const rows = [
    ["Preset", `${facts.preset.name}${facts.preset.title && facts.preset.title !== facts.preset.name ? ` (${facts.preset.title})` : ""}`],
    ["Source", facts.source || MISSING],
    ["Time range", `${range}, ${facts.frames} frames of ${duration(facts.interval)}`],
    ["Loudness", facts.loudness_lufs === null ? "too short to measure" : `${facts.loudness_lufs.toFixed(1)} LUFS`],
    ["True peak", facts.true_peak_dbtp === null ? MISSING : `${facts.true_peak_dbtp.toFixed(1)} dBTP`],
    ["Sound", `${audio.file}, here as ${audio.codec} at ${audio.kbps} kbit/s`],
    ["Compared with", facts.other ? facts.other.label : null],
    ["Left out", (facts.left_out || []).length ? `${facts.left_out.join(", ")}, to keep the page small` : null],
    ["Made by", `sonify ${facts.version}`],
  ].filter(([, text]) => text !== null);
  byId("foot").append(element("dl", {}, ...rows.map(([head, text]) => element("div", {}, element("dt", {}, head), element("dd", {}, element("bdi", {}, text))))));
}

const KEYS = [
  ["Space, k", "play or pause"],
  ["j, l", "back, forward 5 s of sound"],
  ["← →", "back, forward 1 s; with Shift 0.1 s"],
  ["↑ ↓", "volume"],
  ["n, p", "next, previous incident"],
  ["Home, End", "begin, end"],
  ["m", "mute"],
  ["t", "theme: auto, dark, light"],
  ["?", "these keys"],
];

function writeKeys() {
  byId("keys").append(...KEYS.map(([keys, words]) => element("div", {}, element("dt", {}, ...keys.split(", ").flatMap((key, index) => [index ? " " : "", element("kbd", {}, key)])), element("dd", {}, words))));
}

const MOST_ROWS = 120;

// a table of a panel, made when somebody opens it
function tableOf(track) {
  const { heads, cells } = track.table();
  const columns = view.mine;
  const step = Math.ceil(columns.count / MOST_ROWS);
  const body = element("tbody");
  for (let column = 0; column < columns.count; column += step) {
    const when = clock(metricTime(columns.middle(column)), facts.until - facts.since > 86400);
    const values = columns.fresh[column] ? cells(column) : heads.map(() => "stale");
    body.append(element("tr", {}, element("th", { scope: "row" }, when), ...values.map((value) => element("td", {}, value))));
  }
  const head = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "UTC"), ...heads.map((name) => element("th", { scope: "col" }, nameOf(name)))));
  const every = step > 1 ? `, every ${step}th column` : "";
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table: ${track.title}` }, element("table", {}, element("caption", {}, `${track.title}${every}`), head, body));
}

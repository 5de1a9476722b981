// How values, times and untrusted names are written. Text is only ever set as text.

const MISSING = "–";

const byId = (id) => document.getElementById(id);

function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// an untrusted name: isolated, so that its letters' direction moves nothing else
const nameOf = (text) => element("bdi", { class: "name", title: text.length > 24 ? text : null }, text);

function number(value) {
  if (value === null || !Number.isFinite(value)) return MISSING;
  const size = Math.abs(value);
  if (size >= 1e9) return (value / 1e9).toPrecision(3) + "G";
  if (size >= 1e6) return (value / 1e6).toPrecision(3) + "M";
  if (size >= 1e4) return (value / 1e3).toPrecision(3) + "k";
  if (size >= 99.5) return value.toFixed(0);
  if (size >= 9.95) return value.toFixed(1).replace(/\.0$/, "");
  return String(Number(value.toPrecision(2)));
}

const count = (value) => (Number.isFinite(value) && Number.isInteger(value) && value < 1e4 ? String(value) : number(value));

function percent(value) {
  if (!Number.isFinite(value)) return MISSING;
  if (value > 0 && value < 0.0005) return "<0.1 %";
  return (100 * value).toFixed(value && value < 0.0995 ? 1 : 0).replace(/\.0$/, "") + " %";
}

function latency(value) {
  if (!Number.isFinite(value)) return MISSING;
  if (value < 0.000995) return (value * 1e6).toFixed(0) + " µs";
  if (value < 0.995) return (value * 1e3).toFixed(value < 0.00995 ? 1 : 0).replace(/\.0$/, "") + " ms";
  return value.toFixed(value < 9.95 ? 1 : 0).replace(/\.0$/, "") + " s";
}

const rate = (value) => (Number.isFinite(value) ? number(value) + " /s" : MISSING);

const hertz = (value) => (value >= 1000 ? (value / 1000).toPrecision(2) + " kHz" : value.toFixed(0) + " Hz");

function isoTime(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isFinite(date.getTime()) ? date.toISOString() : null;
}

function clock(seconds, withDate) {
  const iso = isoTime(seconds);
  if (iso === null) return `${number(seconds)} s`;
  const spansSeconds = facts.interval < 60 || facts.until - facts.since < 7200;
  const time = iso.slice(11, spansSeconds ? 19 : 16);
  return withDate ? `${iso.slice(0, 10)} ${time}` : time;
}

function minutes(seconds, digits) {
  const whole = Math.max(seconds, 0);
  const rest = (whole % 60).toFixed(digits);
  return Number(rest) >= 60 ? minutes(Math.round(whole), digits) : `${Math.floor(whole / 60)}:${rest.padStart(digits ? 3 + digits : 2, "0")}`;
}

function duration(seconds) {
  if (seconds < 60) return `${number(seconds)} s`;
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const rest = Math.floor((whole % 3600) / 60);
  if (hours) return rest ? `${hours} h ${rest} min` : `${hours} h`;
  return whole % 60 ? `${rest} min ${whole % 60} s` : `${rest} min`;
}

const STATES = ["green", "yellow", "red"];

// as `Limits.states` has it: yellow from the limit up, red over it
function stateOf(panel, value) {
  const limits = facts.limits[panel];
  if (!limits || !Number.isFinite(value)) return null;
  return STATES[(value >= limits[0] ? 1 : 0) + (value > limits[1] ? 1 : 0)];
}

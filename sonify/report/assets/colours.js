// Colours by theme. Backends have colours that colour-blind people tell apart, and dashes beside them; states are
// zones with their letter; the heat ramps rise (dark) or fall (light) steadily in luminance, so grey shows the same.

const RAMPS = {
  dark: [[13, 17, 23], [17, 42, 92], [26, 84, 132], [64, 128, 140], [138, 166, 122], [222, 196, 88], [255, 243, 160]],
  light: [[255, 255, 255], [226, 240, 205], [160, 209, 178], [84, 163, 172], [42, 108, 152], [32, 62, 112], [14, 20, 56]],
};

const BACKENDS = {
  dark: ["#6cb6ff", "#f0a35e", "#4fd1b0", "#e38fd0", "#c9d36a", "#a99cf5", "#f27d72", "#9aa7b4"],
  light: ["#0b62b0", "#b45309", "#00806a", "#a8307f", "#6b7300", "#5b45c0", "#b3261e", "#57606a"],
};

const colours = { theme: "light", ramp: null };

function systemTheme() {
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function readColours(theme) {
  const style = getComputedStyle(document.documentElement);
  colours.theme = theme;
  for (const name of ["ground", "panel", "text", "dim", "faint", "grid", "yellow", "red", "green", "accent", "stale"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  const anchors = RAMPS[theme];
  colours.ramp = Array.from({ length: 256 }, (_, step) => {
    const place = (step / 255) * (anchors.length - 1);
    const low = Math.min(Math.floor(place), anchors.length - 2);
    return anchors[low].map((channel, index) => Math.round(channel + (anchors[low + 1][index] - channel) * (place - low)));
  });
}

const backendColour = (index) => BACKENDS[colours.theme][index % BACKENDS.light.length];

// the ninth backend has the first one's colour, drawn wider
const backendWidth = (index) => 1.4 + 0.9 * Math.floor(index / BACKENDS.light.length);

const stateColour = (state) => (state ? colours[state] : colours.dim);

const css = (rgb) => `rgb(${rgb[0]},${rgb[1]},${rgb[2]})`;

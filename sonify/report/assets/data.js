// The document and the arrays that Python packed.

const facts = JSON.parse(document.getElementById("facts").textContent);

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

async function inflated(id) {
  const stream = new Blob([bytesOf(document.getElementById(id).textContent)]).stream();
  return new Response(stream.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}

const KINDS = { f: Float32Array, i: Int32Array, b: Uint8Array };

function section(buffer, name) {
  const { kind, shape, at } = facts.sections[name];
  return { values: new KINDS[kind](buffer, at, shape.reduce((all, size) => all * size, 1)), shape };
}

// The panels of one recording over the time of its sound.
class Columns {
  constructor(buffer, prefix, about) {
    this.about = about;
    for (const name of Object.keys(facts.sections)) {
      if (prefix ? name.startsWith(prefix) : !name.startsWith("other_")) {
        this[name.slice(prefix.length)] = section(buffer, name).values;
      }
    }
    this.count = this.fresh.length;
    this.backends = about.backends.length;
    this.bands = facts.bands.centres_s.length;
    this.batches = Math.max(about.batch_edges.length - 1, 0);
  }

  begin(column) {
    return this.start[column] / 100;
  }

  middle(column) {
    return (this.start[column] + this.start[column + 1]) / 200;
  }

  // the column that sounds at a time; -1 after the last
  at(time) {
    const place = time * 100;
    if (place >= this.start[this.count]) return -1;
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.start[middle] <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  of(name, column, backend) {
    return this[name][column * this.backends + backend];
  }

  // rate in 1/s of a latency band; of all backends where none is named
  bandRate(column, band, backend) {
    const base = column * this.backends * this.bands + band;
    if (backend >= 0) return rateOfCode(this.latency[base + backend * this.bands]);
    let total = NaN;
    for (let each = 0; each < this.backends; each++) {
      const value = rateOfCode(this.latency[base + each * this.bands]);
      if (!Number.isNaN(value)) total = (total || 0) + value;
    }
    return total;
  }
}

const RATES = Float64Array.from({ length: 256 }, (_, code) => {
  if (code === 0) return 0;
  return code === 255 ? NaN : facts.rate_code.lowest * 10 ** (((code - 1) / 253) * facts.rate_code.decades);
});

const rateOfCode = (code) => RATES[code];

// metric time (Unix s) of a time in the sound, and back
const metricTime = (time) => facts.since + time * facts.speed;
const soundTime = (seconds) => (seconds - facts.since) / facts.speed;

// One clock: the audio element. Stems, where they are muted or soloed, play through Web Audio in step with it.

const player = {
  audio: byId("audio"),
  stems: facts.stems ? facts.stems.map((name, index) => ({ name, index, muted: false, solo: false, buffer: null })) : [],
  context: null,
  sources: [],
  which: "mix",
  onchange: () => {},

  get time() {
    return this.pending === undefined ? this.audio.currentTime : this.pending;
  },

  get playing() {
    return !this.audio.paused && !this.audio.ended;
  },

  // decoding waits until the page has been painted
  load() {
    this.urls = {};
    for (const name of ["mix", "other"]) {
      const holder = byId(`sound-${name}`);
      if (!holder) continue;
      this.urls[name] = URL.createObjectURL(new Blob([bytesOf(holder.textContent)], { type: holder.dataset.type }));
    }
    this.audio.preload = "auto";
    for (const event of ["play", "pause", "ended", "seeked"]) this.audio.addEventListener(event, () => this.follow(event));
    this.audio.addEventListener("error", () => {
      if (this.audio.src) notice("This browser cannot play Vorbis in Ogg: open the page in a newer one, or play the file itself.");
    });
    this.use("mix");
  },

  use(name) {
    const at = this.audio.src ? this.time : this.pending || 0;
    const playing = this.playing;
    this.which = name;
    this.pending = at;
    this.audio.src = this.urls[name];
    this.audio.addEventListener("loadedmetadata", () => {
      this.audio.currentTime = at;
      this.pending = undefined;
      this.onchange();
      if (playing) this.audio.play();
    }, { once: true });
  },

  async toggle() {
    if (this.playing) this.audio.pause();
    else await this.play();
  },

  async play() {
    if (this.time >= this.audio.duration - 0.05) this.seek(0);
    try {
      await this.audio.play();
    } catch (problem) {
      if (problem.name !== "AbortError") notice("The browser did not let the sound begin: press play.");
    }
  },

  seek(time) {
    const at = Math.min(Math.max(time, 0), Math.max(facts.length - 0.01, 0));
    if (this.audio.readyState >= 1) this.audio.currentTime = at;
    else this.pending = at;
    this.onchange();
  },

  get mixing() {
    return this.stems.some((stem) => stem.muted || stem.solo);
  },

  heard(stem) {
    return this.stems.some((each) => each.solo) ? stem.solo : !stem.muted;
  },

  sound() {
    if (!this.context) this.context = new AudioContext();
    if (this.context.state === "suspended") this.context.resume();
    return this.context;
  },

  async remix() {
    const context = this.sound();
    const wanting = this.stems.filter((stem) => !stem.buffer);
    if (this.mixing && wanting.length) {
      notice("decoding the stems …");
      for (const stem of wanting) {
        stem.buffer = await context.decodeAudioData(bytesOf(byId(`sound-stem-${stem.index}`).textContent).buffer);
      }
      notice("");
    }
    for (const stem of this.stems) {
      if (stem.gain) stem.gain.gain.setTargetAtTime(this.heard(stem) ? 1 : 0, context.currentTime, 0.01);
    }
    const muted = this.audio.muted;
    this.audio.muted = this.mixing;
    if (muted !== this.mixing) this.follow("seeked");
  },

  stop() {
    for (const source of this.sources) source.stop();
    this.sources = [];
  },

  // start the stems where the audio element is; again after every seek
  follow(event) {
    if (event !== "seeked" || !this.playing) this.stop();
    if (this.mixing && this.playing) {
      this.stop();
      const context = this.sound();
      const soon = 0.02;
      for (const stem of this.stems) {
        if (!stem.buffer) continue;
        stem.gain = context.createGain();
        stem.gain.gain.value = this.heard(stem) ? 1 : 0;
        stem.gain.connect(this.output());
        const source = context.createBufferSource();
        source.buffer = stem.buffer;
        source.connect(stem.gain);
        source.start(context.currentTime + soon, Math.max(this.audio.currentTime + soon, 0));
        this.sources.push(source);
      }
    }
    this.onchange();
  },

  output() {
    if (!this.volume) {
      this.volume = this.context.createGain();
      this.volume.gain.value = this.audio.volume;
      this.volume.connect(this.context.destination);
    }
    return this.volume;
  },

  setVolume(volume) {
    this.audio.volume = volume;
    if (this.volume) this.volume.gain.value = volume;
  },

  // a stretch of the legend; whatever else plays is paused
  async example(begin, end, ended) {
    const context = this.sound();
    this.stopExample();
    this.audio.pause();
    if (!this.examples) {
      this.examples = await context.decodeAudioData(bytesOf(byId("sound-examples").textContent).buffer);
    }
    const source = context.createBufferSource();
    source.buffer = this.examples;
    source.connect(this.output());
    source.onended = ended;
    source.start(0, begin, end - begin);
    this.exampleSource = source;
  },

  stopExample() {
    if (this.exampleSource) this.exampleSource.stop();
    this.exampleSource = null;
  },
};

function notice(text) {
  byId("notice").textContent = text;
}

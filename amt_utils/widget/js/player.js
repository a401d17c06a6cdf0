// Recording and MIDI on one clock, the AudioContext's. Playing is a row of segments (a loop adds one per turn);
// each has its recording, its notes and its own gain, so that stopping is turning one knob down.

const AHEAD = 0.4, AHEAD_HIDDEN = 2.5; // seconds scheduled ahead; hidden tabs wake up once a second
const GRAIN = 0.09; // seconds, for playing slower or faster at the same pitch

class Player {
  constructor(data, { onMessage }) {
    this.data = data;
    this.onState = () => {}; // who listens sets it
    this.onMessage = onMessage;
    this.sound = data.audio ? "recording" : "midi";
    this.rate = 1;
    this.volume = 1;
    this.loop = null;
    this.hand = null; // which hand's notes are heard; null: both
    this.metronome = this.countsIn = false;
    this.at = 0; // position while paused
    this.playing = false;
    this.segments = [];
    this.recording = null; // AudioBuffer
    this.decoded = data.audio ? this.decode() : Promise.resolve();
  }

  /** Bytes -> AudioBuffer, without a context that would need the user's consent. */
  async decode() {
    const rate = this.data.duration < 1200 ? 48000 : 24000; // an hour at 48 kHz would be 700 MB
    try {
      const bytes = this.data.audio.bytes();
      const own = bytes.slice().buffer; // decoding takes the buffer away from its owner
      this.recording = await new OfflineAudioContext(1, 1, rate).decodeAudioData(own);
      // an MP3 begins with the encoder's 1105 samples of silence; most browsers cut it, some do not
      const surplus = this.recording.duration - this.data.audio.duration;
      this.lead = this.data.audio.mime === "audio/mpeg" && surplus > 0.03 ? 1105 / this.data.audio.rate : 0;
    } catch {
      this.sound = "midi";
      this.onMessage("noAudio");
    }
  }

  start() {
    if (this.context) return;
    const context = this.context = new (window.AudioContext || window.webkitAudioContext)({ latencyHint: "interactive" });
    this.master = context.createGain();
    const limiter = new DynamicsCompressorNode(context, { threshold: -9, ratio: 6, attack: 0.004, release: 0.15 });
    this.master.connect(limiter).connect(context.destination);
    this.pans = { recording: new StereoPannerNode(context), midi: new StereoPannerNode(context) };
    this.pans.recording.connect(this.master);
    this.midiBus = context.createGain();
    this.midiBus.connect(this.pans.midi);
    const room = new ConvolverNode(context, { buffer: roomImpulse(context) });
    const wet = new GainNode(context, { gain: 0.14 });
    this.midiBus.connect(room).connect(wet).connect(this.pans.midi);
    this.pans.midi.connect(this.master);
    this.piano = new Piano(context, this.midiBus);
    this.clicks = new Metronome(context, this.master);
    this.setVolume(this.volume);
    this.setPans();
  }

  setPans() {
    const apart = this.sound === "both" ? 1 : 0;
    if (!this.context) return;
    this.pans.recording.pan.value = -apart;
    this.pans.midi.pan.value = apart;
  }

  setVolume(volume) {
    this.volume = volume;
    if (this.master) this.master.gain.value = 0.9 * volume * volume;
  }

  get hearsRecording() { return this.recording && (this.sound === "recording" || this.sound === "both"); }
  get heardNotes() {
    if (this.sound === "recording") return null;
    return this.sound === "reference" ? this.data.reference : this.data.notes;
  }

  /** Seconds into the piece, of what is heard now. */
  position() {
    if (!this.playing) return this.at;
    const heard = this.context.currentTime - (this.context.outputLatency || 0);
    let current = this.segments[0];
    for (const segment of this.segments) if (segment.when <= heard) current = segment;
    return Math.min(current.to, Math.max(current.from, current.from + (heard - current.when) * this.rate));
  }

  /** Begins where it stands; `countingIn` with a bar of clicks, where that is wanted. */
  async play(countingIn = true) {
    if (this.playing) return;
    this.start();
    window.dispatchEvent(new CustomEvent("amt-piano-plays", { detail: this })); // others fall silent
    this.wanted = true;
    this.onState();
    await Promise.all([this.context.resume(), this.decoded]);
    if (!this.wanted || this.playing) return;
    if (this.at >= this.data.duration - 0.02) this.at = this.loop ? this.loop[0] : 0;
    this.playing = true;
    const begin = this.context.currentTime + 0.06;
    const [seconds, clicks] = countingIn && this.countsIn && this.data.beats ? countIn(this.data.beats, this.at) : [0, []];
    const segment = this.addSegment(begin + seconds / this.rate, this.at);
    for (const [after, accented] of clicks) this.keep(segment, this.clicks.click(begin + after / this.rate, accented, segment.clickBus));
    this.schedule();
    this.timer = setInterval(() => this.schedule(), 80);
    this.onState();
  }

  pause() {
    this.wanted = false;
    if (!this.playing) return;
    this.at = this.position();
    this.halt();
    this.onState();
  }

  halt() {
    clearInterval(this.timer);
    this.playing = false;
    for (const segment of this.segments) this.silence(segment);
    this.segments = [];
  }

  silence(segment) {
    const now = this.context.currentTime;
    for (const bus of segment.buses) bus.gain.setTargetAtTime(0, now, 0.012);
    for (const source of segment.sources) source.stop(now + 0.1);
    setTimeout(() => segment.buses.forEach((bus) => bus.disconnect()), 250);
  }

  seek(seconds) {
    const target = Math.min(this.data.duration, Math.max(0, seconds));
    if (this.playing) {
      this.halt();
      this.at = target;
      this.play(false);
    } else this.at = target;
    this.onState();
  }

  /** Changes what is heard and how, without losing the place. */
  change(settings) {
    const place = this.position(), playing = this.playing;
    if (playing) this.halt();
    Object.assign(this, settings);
    this.at = place;
    this.setPans();
    if (playing) this.play(false);
    this.onState();
  }

  addSegment(when, from) {
    const to = this.loop && from < this.loop[1] ? this.loop[1] : this.data.duration;
    const segment = { when, from, to, sources: new Set(), grains: 0, next: 0 };
    segment.buses = [this.pans.recording, this.midiBus, this.master].map((output) => {
      const bus = this.context.createGain();
      bus.connect(output);
      return bus;
    });
    [segment.recordingBus, segment.midiBus, segment.clickBus] = segment.buses;
    if (this.data.beats) segment.beat = Math.ceil(this.data.beats.beat(from) - 1e-6);
    const notes = this.heardNotes;
    if (notes) {
      segment.next = notes.firstFrom(from);
      for (const i of notes.between(from, from + 1e-6)) // what is already ringing here
        if (notes.onset[i] < from && notes.sounding[i] - from > 0.05 && this.hears(notes, i)) this.strike(segment, notes, i, when);
    }
    if (this.hearsRecording && this.rate === 1) {
      const source = this.context.createBufferSource();
      source.buffer = this.recording;
      source.connect(segment.recordingBus);
      source.start(when, from + this.lead, to - from);
      this.keep(segment, source);
    }
    this.segments.push(segment);
    return segment;
  }

  keep(segment, source) {
    segment.sources.add(source);
    source.onended = () => segment.sources.delete(source);
  }

  hears(notes, i) { return this.hand === null || notes.hand[i] === this.hand; }

  strike(segment, notes, i, when) {
    const late = Math.max(0, segment.from - notes.onset[i]);
    const end = segment.when + (Math.min(notes.sounding[i], segment.to) - segment.from) / this.rate;
    const source = this.piano.strike(notes.pitch[i], notes.velocity[i], when, end, late, segment.midiBus);
    if (source) this.keep(segment, source);
  }

  schedule() {
    if (!this.playing) return;
    const now = this.context.currentTime;
    const horizon = now + (document.hidden ? AHEAD_HIDDEN : AHEAD);
    for (let segment = this.segments.at(-1); ;) {
      const over = segment.when + (segment.to - segment.from) / this.rate;
      this.fill(segment, Math.min(horizon, over));
      if (over > horizon) break;
      if (!this.loop || segment.to !== this.loop[1]) {
        if (now > over) {
          this.halt();
          this.at = this.data.duration;
          this.wanted = false;
          this.onState();
        }
        break;
      }
      segment = this.addSegment(over, this.loop[0]);
    }
    const heard = now - (this.context.outputLatency || 0) - 0.5;
    while (this.segments.length > 1 && this.segments[1].when < heard) this.segments.shift();
  }

  /** Puts the segment's notes and grains up to the context time `until` on the clock. */
  fill(segment, until) {
    const notes = this.heardNotes;
    while (notes && segment.next < notes.n && notes.onset[segment.next] < segment.to) {
      const when = segment.when + (notes.onset[segment.next] - segment.from) / this.rate;
      if (when >= until) break;
      if (this.hears(notes, segment.next)) this.strike(segment, notes, segment.next, when);
      segment.next++;
    }
    for (const { beats } = this.data; this.metronome && beats; segment.beat++) {
      const when = segment.when + (beats.time(segment.beat) - segment.from) / this.rate;
      if (when >= until || beats.time(segment.beat) >= segment.to) break;
      this.keep(segment, this.clicks.click(when, beats.isDownbeat(segment.beat), segment.clickBus));
    }
    if (!this.hearsRecording || this.rate === 1) return;
    for (;;) {
      const when = segment.when + segment.grains * GRAIN / 2;
      const from = segment.from + segment.grains * GRAIN / 2 * this.rate;
      if (when >= until || from >= segment.to) break;
      const at = segment.grains ? this.alike(from, segment.grainAt + GRAIN / 2) : from;
      const source = this.context.createBufferSource(), envelope = this.context.createGain();
      source.buffer = this.recording;
      envelope.gain.setValueCurveAtTime(HANN, Math.max(when, this.context.currentTime), GRAIN);
      source.connect(envelope).connect(segment.recordingBus);
      source.start(when, at + this.lead, GRAIN);
      this.keep(segment, source);
      segment.grainAt = at;
      segment.grains++;
    }
  }

  /** The place near `wanted` where the recording looks most like it does at `natural` (WSOLA, Verhelst 1993). */
  alike(wanted, natural) {
    const rate = this.recording.sampleRate, samples = this.recording.getChannelData(0);
    const reach = Math.round(0.012 * rate), length = Math.round(GRAIN / 2 * rate);
    const goal = Math.round((natural + this.lead) * rate), middle = Math.round((wanted + this.lead) * rate);
    if (middle - reach < 0 || Math.max(goal, middle + reach) + length >= samples.length) return wanted;
    let best = 0, bestScore = -Infinity;
    for (let shift = -reach; shift <= reach; shift += 4) {
      let product = 0, energy = 1e-9;
      for (let i = 0; i < length; i += 6) {
        const sample = samples[middle + shift + i];
        product += sample * samples[goal + i];
        energy += sample * sample;
      }
      const score = product / Math.sqrt(energy);
      if (score > bestScore) [best, bestScore] = [shift, score];
    }
    return wanted + best / rate;
  }

  /** One note alone: its tone, and the recording's moment where that is what one listens to. */
  async audition(notes, i) {
    this.start();
    await Promise.all([this.context.resume(), this.decoded]);
    const when = this.context.currentTime + 0.02;
    if (this.sound !== "recording")
      this.piano.strike(notes.pitch[i], notes.velocity[i], when, when + Math.min(2.5, notes.sounding[i] - notes.onset[i]));
    if (!this.hearsRecording) return;
    const source = this.context.createBufferSource(), envelope = this.context.createGain();
    const length = Math.min(2, Math.max(0.25, notes.sounding[i] - notes.onset[i]));
    source.buffer = this.recording;
    source.connect(envelope).connect(this.pans.recording);
    envelope.gain.setValueAtTime(1, when);
    envelope.gain.setTargetAtTime(0, when + length, 0.04);
    source.start(when, Math.max(0, notes.onset[i] - 0.03) + this.lead, length + 0.3);
  }

  async touch(pitch) {
    this.start();
    await this.context.resume();
    this.piano.strike(pitch, 80, this.context.currentTime + 0.01, this.context.currentTime + 0.6);
  }

  dispose() {
    this.pause();
    if (this.context) this.context.close();
  }
}

const HANN = Float32Array.from({ length: 65 }, (_, i) => 0.5 - 0.5 * Math.cos(2 * Math.PI * i / 64));

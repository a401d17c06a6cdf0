// Notes and pedals -> a MIDI file (format 1), as amt_utils.midi writes it.

const TICKS = 960; // per quarter note
const PEDAL_CONTROLLERS = [64, 66, 67]; // sustain, sostenuto, soft
const CHANNELS = [...Array(16).keys()].filter((channel) => channel !== 9); // 9 is the drums'

/** Ticks from seconds, and the tempo and metre that go with them: bars of a sequencer fall on the bars that were found. */
class TempoMap {
  constructor(beats, duration) {
    this.tempos = [[0, 500000]]; // [tick, microseconds to the quarter]
    this.metres = []; // [tick, numerator, denominator]
    if (beats) this.#follow(beats, duration);
    // [tick, seconds, seconds per tick] of each stretch
    this.stretches = [];
    for (const [tick, tempo] of this.tempos) {
      const last = this.stretches.at(-1);
      this.stretches.push([tick, last ? last[1] + (tick - last[0]) * last[2] : 0, tempo / TICKS / 1e6]);
    }
  }

  #follow(beats, duration) {
    const { numerator, denominator, quarters, perBar } = beats, perBeat = Math.round(TICKS * quarters);
    let bar = beats.bar(0);
    while (beats.barStart(bar) < -0.05) bar++;
    const begin = Math.max(0, beats.barStart(bar)), usual = beats.period;
    // tick 0 is second 0: what comes before the first whole bar is counted in beats of equal length
    const lead = Math.max(Math.round(begin / usual), begin > 0.3 * usual ? 1 : 0);
    const times = Array.from({ length: lead }, (_, k) => begin * k / lead);
    for (let k = beats.downbeat + bar * perBar; times.length < 2 || times.at(-1) < duration; k++) times.push(Math.max(0, beats.time(k)));
    times[0] = 0;
    this.tempos = [];
    let now = 0;
    times.slice(1).forEach((until, i) => {
      const tempo = Math.min(0xffffff, Math.max(1, Math.round((until - now) / quarters * 1e6)));
      now += tempo * quarters / 1e6; // rounding does not add up
      if (!this.tempos.length || this.tempos.at(-1)[1] !== tempo) this.tempos.push([i * perBeat, tempo]);
    });
    const upbeat = lead % perBar;
    this.metres = [[upbeat * perBeat, numerator, denominator]];
    if (upbeat) this.metres.unshift([0, upbeat * numerator / perBar, denominator]);
  }

  tick(seconds) {
    let k = this.stretches.length - 1;
    while (k > 0 && this.stretches[k][1] > seconds + 1e-9) k--;
    const [tick, start, perTick] = this.stretches[k];
    return Math.round(tick + (seconds - start) / perTick);
  }
}

/** Rows of notes and pedals -> Uint8Array. */
function writeMidi(notes, pedals, beats, duration, name = "Piano") {
  const map = new TempoMap(beats, duration), channels = new Set([0]), events = []; // [tick, order within the tick, bytes]
  const busy = new Map(); // channel and key -> until which tick
  for (const { onset, offset, pitch, velocity } of notes) {
    const on = map.tick(onset), off = Math.max(map.tick(offset), on + 1), until = (c) => busy.get(c * 128 + pitch) ?? -1;
    // two notes of one key that overlap go to different channels, or reading could not tell their ends apart
    const channel = CHANNELS.find((c) => until(c) <= on) ?? CHANNELS.reduce((a, b) => (until(b) < until(a) ? b : a));
    busy.set(channel * 128 + pitch, off);
    channels.add(channel);
    events.push([on, 3, [0x90 | channel, pitch, velocity]], [off, 0, [0x80 | channel, pitch, 64]]);
  }
  for (const channel of channels)
    for (const { onset, offset, kind } of pedals) {
      const press = map.tick(onset), control = [0xb0 | channel, PEDAL_CONTROLLERS[kind]];
      events.push([press, 2, [...control, 127]], [Math.max(map.tick(offset), press + 1), 1, [...control, 0]]);
    }
  const big = (value, bytes) => Array.from({ length: bytes }, (_, k) => (value >>> 8 * (bytes - 1 - k)) & 255);
  const text = [...new TextEncoder().encode(name)];
  const conductor = [
    ...map.tempos.map(([tick, tempo]) => [tick, 0, [0xff, 0x51, 3, ...big(tempo, 3)]]),
    ...map.metres.map(([tick, n, d]) => [tick, 0, [0xff, 0x58, 4, n, Math.log2(d), 24, 8]]),
  ];
  const programs = [...channels].sort((a, b) => a - b).map((channel) => [0, -1, [0xc0 | channel, 0]]);
  const opening = [[0, -1, [0xff, 0x03, ...variable(text.length), ...text]], ...programs];
  const tracks = [conductor, [...opening, ...events]].map((list) => trackBytes(list));
  const header = [...ascii("MThd"), ...big(6, 4), ...big(1, 2), ...big(tracks.length, 2), ...big(TICKS, 2)];
  return Uint8Array.from([...header, ...tracks.flatMap((bytes) => [...ascii("MTrk"), ...big(bytes.length, 4), ...bytes])]);
}

const ascii = (text) => [...text].map((letter) => letter.charCodeAt(0));

/** A number as MIDI's variable-length quantity. */
function variable(value) {
  const bytes = [value & 127];
  while ((value >>>= 7)) bytes.unshift((value & 127) | 128);
  return bytes;
}

function trackBytes(events) {
  const bytes = [];
  let now = 0;
  for (const [tick, , message] of events.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    for (const byte of variable(tick - now)) bytes.push(byte);
    for (const byte of message) bytes.push(byte);
    now = tick;
  }
  return [...bytes, 0, 0xff, 0x2f, 0];
}

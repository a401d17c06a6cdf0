// A piano made of formulas: struck, stiff strings as sums of decaying partials, rendered once per third key.
// Inharmonicity after Rigaud, David & Daudet (JASA 133, 2013); each partial is a fast and a slow decay,
// slightly apart in pitch, as coupled strings are (Weinreich 1977).

class Piano {
  constructor(context, output) {
    this.context = context;
    this.tones = new Map();
    this.output = output;
  }

  /** AudioBuffer of the nearest rendered key. */
  tone(pitch) {
    const base = 3 * Math.round(pitch / 3);
    if (!this.tones.has(base)) {
      const samples = renderTone(this.context.sampleRate, base);
      const buffer = this.context.createBuffer(1, samples.length, this.context.sampleRate);
      buffer.copyToChannel(samples, 0);
      this.tones.set(base, buffer);
    }
    return [this.tones.get(base), 2 ** ((pitch - base) / 12)];
  }

  /** Sounds a key from context time `when` until `end`; `late` seconds of the tone have already passed. */
  strike(pitch, velocity, when, end, late = 0, output = this.output) {
    const [buffer, rate] = this.tone(pitch);
    if (late * rate >= buffer.duration) return null;
    const context = this.context, loud = velocity / 127;
    const source = new AudioBufferSourceNode(context, { buffer, playbackRate: rate });
    const hammer = new BiquadFilterNode(context, { // soft hammers leave the upper partials out
      type: "lowpass", Q: 0.3,
      frequency: Math.min(15000, 440 * 2 ** ((pitch - 69) / 12) * 1.5 + 500 + 9500 * loud ** 2.2),
    });
    const gain = context.createGain();
    const level = 0.06 + 0.94 * loud ** 1.9;
    gain.gain.setValueAtTime(late ? 0 : level, when);
    if (late) gain.gain.linearRampToValueAtTime(level, when + 0.02);
    const damping = pitch >= 90 ? 0.6 : 0.05 + 0.09 * (90 - pitch) / 69; // the top keys have no dampers
    gain.gain.setTargetAtTime(0, Math.max(end, when + 0.03), damping);
    source.connect(hammer).connect(gain).connect(output);
    source.start(when, late * rate);
    source.stop(Math.max(end, when + 0.03) + 7 * damping);
    return source;
  }
}

function renderTone(rate, pitch) {
  const f0 = 440 * 2 ** ((pitch - 69) / 12);
  const stiffness = Math.exp(0.0926 * pitch - 13.64) + Math.exp(-0.0847 * pitch - 5.82);
  const fastest = 0.25 + 1.1 * 2 ** ((pitch - 60) / 15); // 1/s, of the first partial
  const seconds = Math.min(6, 6 / (0.28 * fastest));
  const samples = new Float32Array(Math.ceil(seconds * rate));
  const reach = Math.min(18, Math.max(1.3, 18 * 2 ** (-(pitch - 21) / 22))); // partials until the spectrum has fallen by e
  for (let n = 1; n <= 48; n++) {
    const f = n * f0 * Math.sqrt((1 + stiffness * n * n) / (1 + stiffness)); // the first partial is in tune
    if (f > 0.45 * rate || f > 10000) break;
    const struck = 0.12 + Math.abs(Math.sin(Math.PI * n / 8.3)); // hammer at an eighth of the string
    const radiated = f * f / (f * f + 90 * 90);
    const amplitude = struck * radiated * Math.exp(-n / reach);
    if (amplitude < 1e-4) continue;
    const decay = fastest + 1.5e-7 * f * f;
    addPartial(samples, rate, f, 0.72 * amplitude, decay, n * 1.7);
    addPartial(samples, rate, f * 1.0004, 0.28 * amplitude, 0.28 * decay, n * 2.9);
  }
  let seed = pitch * 7919, low = 0; // the hammer's knock: filtered noise of a few milliseconds
  const knock = Math.min(samples.length, Math.round(0.08 * rate));
  for (let i = 0; i < knock; i++) {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    low += 0.12 * (seed / 0x3fffffff - 1 - low);
    samples[i] += 0.5 * low * Math.exp(-i / (0.014 * rate));
  }
  let energy = 0;
  const early = Math.min(samples.length, Math.round(0.25 * rate));
  for (let i = 0; i < early; i++) energy += samples[i] * samples[i];
  const scale = 0.16 / Math.sqrt(energy / early + 1e-12);
  const fadeIn = Math.round(0.0015 * rate), fadeOut = Math.round(0.2 * rate);
  for (let i = 0; i < samples.length; i++) {
    const left = samples.length - 1 - i;
    samples[i] *= scale * Math.min(1, (i + 1) / fadeIn, left / fadeOut);
  }
  return samples;
}

/** Adds a decaying sine by its two-step recurrence: two multiplications a sample. */
function addPartial(samples, rate, f, amplitude, decay, phase) {
  const angle = 2 * Math.PI * f / rate, r = Math.exp(-decay / rate);
  const a = 2 * r * Math.cos(angle), b = -r * r;
  let y1 = amplitude * Math.sin(phase - angle) / r, y2 = amplitude * Math.sin(phase - 2 * angle) / (r * r);
  const n = Math.min(samples.length, Math.ceil(Math.log(amplitude / 2e-5) / decay * rate));
  for (let i = 0; i < n; i++) {
    const y = a * y1 + b * y2;
    samples[i] += y;
    y2 = y1;
    y1 = y;
  }
}

/** A small room: stereo noise that dies away within a second. */
function roomImpulse(context) {
  const n = Math.round(1.2 * context.sampleRate);
  const impulse = context.createBuffer(2, n, context.sampleRate);
  for (let channel = 0; channel < 2; channel++) {
    const samples = impulse.getChannelData(channel);
    let seed = 77 + channel, low = 0;
    for (let i = 0; i < n; i++) {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      low += 0.35 * (seed / 0x3fffffff - 1 - low);
      samples[i] = low * Math.exp(-5.5 * i / n) * Math.min(1, i / (0.008 * context.sampleRate));
    }
  }
  return impulse;
}

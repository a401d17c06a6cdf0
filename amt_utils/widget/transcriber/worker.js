// In a worker: samples -> notes and pedals, window by window, by ONNX Runtime on one thread. The same windows, rules and
// networks as amt_utils/transcription; `ort` and decode.js come before this file.

let network = null; // {config, key, pedals, velocities}: the networks' sessions, and what Python knows of them

onmessage = async ({ data }) => {
  try {
    if (data.type === "load") await load(data);
    else postMessage({ type: "done", ...(await transcribe(data.samples)) });
  } catch (error) {
    postMessage({ type: "failed", message: String(error?.message || error) });
  }
};

async function load({ wasm, files, config }) {
  ort.env.wasm.numThreads = 1; // more need headers that a file on disk does not have
  ort.env.wasm.wasmBinary = wasm;
  const open = (bytes) => ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] });
  network = { config, key: await open(files.network), pedals: await open(files.pedals), velocities: await open(files.velocities) };
  postMessage({ type: "ready" });
}

async function transcribe(samples) {
  const { config } = network, { hop, rate, margin, decode } = config, frameSeconds = hop / rate;
  const frames = Math.floor(samples.length / hop) + 1, gain = levelGain(samples, rate);
  const low = { ...decode, onset_threshold: Math.min(config.lowest, decode.onset_threshold) };
  const finder = new NoteFinder(decode, frameSeconds), lowFinder = new NoteFinder(low, frameSeconds, false), cues = [];
  for (const window of windows(frames, config.keyCut)) {
    const size = (window.end - window.begin - 1 + 2 * margin) * hop, first = (window.begin - margin) * hop;
    const audio = new Float32Array(size);
    for (let i = Math.max(0, -first); i < size && first + i < samples.length; i++) audio[i] = gain * samples[first + i];
    const logits = await network.key.run({ audio: new ort.Tensor("float32", audio, [1, size]) });
    const from = window.keepBegin - window.begin, length = window.keepEnd - window.keepBegin;
    const rolls = {};
    for (const name of KEY_ROLLS) rolls[name] = logits[name].data.slice(from * N_KEYS, (from + length) * N_KEYS).map(sigmoid);
    for (const each of [finder, lowFinder]) each.add(rolls, length, window.end === frames);
    const width = logits.pedal_cue.dims[2];
    cues.push(logits.pedal_cue.data.slice(from * width, (from + length) * width));
    postMessage({ type: "progress", seconds: Math.min(window.keepEnd * frameSeconds, samples.length / rate), total: samples.length / rate });
  }
  const pedals = decodePedals(await readPedalRolls(cues, frames), decode, frameSeconds);
  const heard = async (found) => {
    const notes = perform(found, pedals, ringUntil);
    await evenVelocities(notes, decode.velocity_smoothing);
    return notes;
  };
  const notes = await heard(inSeconds(finder.notes, decode, frameSeconds)), whole = inSeconds(lowFinder.notes, low, frameSeconds);
  const offered = offerCandidates(await heard(whole), whole, notes, decode.onset_threshold);
  const hands = assignHands(offered, config.hands), beats = findBeats(notes, frames * frameSeconds);
  offered.forEach((note, i) => { note.hand = hands[i]; });
  const candidates = { threshold: decode.onset_threshold, lowest: low.onset_threshold, shortest: decode.min_note_seconds };
  return { notes, pedals: notes.length ? pedals : [], offered, candidates, beats };
}

const ringUntil = (rows, pedals) => soundingEnds({
  n: rows.length, onset: rows.map((row) => row.onset), offset: rows.map((row) => row.offset), pitch: rows.map((row) => row.pitch),
}, new Pedals(pedals));

const sigmoid = (x) => 0.5 + 0.5 * Math.tanh(0.5 * x);

/** amt_utils/audio/windows.py: frames in windows of `length` that overlap; at inner edges `context` is discarded. */
function* windows(frames, { length, context }) {
  for (let begin = 0; ; begin += length - 2 * context) {
    const end = Math.min(begin + length, frames);
    yield { begin, end, keepBegin: begin && begin + context, keepEnd: end < frames ? end - context : end };
    if (end === frames) return;
  }
}

/** What brings a recording fainter or louder than usual to the nearest usual level; 1 for all others. */
function levelGain(samples, rate) {
  const { levels: [low, high], most } = network.config, moment = Math.floor(rate / 20), power = [];
  for (let i = 0; i + moment <= samples.length; i += moment) {
    let sum = 0;
    for (let j = i; j < i + moment; j++) sum += samples[j] * samples[j];
    power.push(sum / moment);
  }
  power.sort((a, b) => a - b);
  const at = 0.95 * (power.length - 1), below = Math.floor(at);
  const loud = power.length ? power[below] + (at - below) * ((power[below + 1] ?? power[below]) - power[below]) : 0;
  const level = loud > 0 ? 10 * Math.log10(loud) : low;
  return 10 ** (Math.min(most, Math.min(Math.max(level, low), high) - level) / 20);
}

/** The pieces of what tells of the pedals -> (frames * 3) probabilities. */
async function readPedalRolls(pieces, frames) {
  const width = pieces.reduce((sum, piece) => sum + piece.length, 0) / frames, cue = new Float32Array(frames * width);
  pieces.reduce((at, piece) => (cue.set(piece, at), at + piece.length), 0);
  const rolls = new Float32Array(frames * 3);
  for (const { begin, end, keepBegin, keepEnd } of windows(frames, network.config.pedalCut)) {
    const input = new ort.Tensor("float32", cue.slice(begin * width, end * width), [1, end - begin, width]);
    const [logits] = Object.values(await network.pedals.run({ cue: input }));
    for (let i = keepBegin * 3; i < keepEnd * 3; i++) rolls[i] = sigmoid(logits.data[i - begin * 3]);
  }
  return rolls;
}

/** amt_utils/transcription/velocities.py: velocities from all notes together; changes `notes` in place. */
async function evenVelocities(notes, amount) {
  const n = notes.length, { struckTogether, spread, longestGap, mostMisheard } = network.config.velocities;
  if (!amount || n < 2) return;
  let chord = 0, before = notes[0].onset;
  const chords = notes.map(({ onset }) => { // notes come sorted by onset
    if (onset - before > struckTogether) chord += 1;
    before = onset;
    return chord;
  });
  const order = notes.map((_, i) => i).sort((a, b) => chords[a] - chords[b] || notes[a].pitch - notes[b].pitch || a - b);
  const read = order.map((i) => notes[i]), squeeze = (seconds) => Math.log(seconds + 0.02) / 2 + 1;
  const mean = read.reduce((sum, note) => sum + note.velocity, 0) / n;
  const played = read.map((note) => (note.velocity - mean) / spread);
  const deviation = Math.sqrt(played.reduce((sum, value) => sum + value * value, 0) / n);
  const step = (i) => Math.max(read[i + 1].onset - read[i].onset, 0);
  const since = new Array(n).fill(longestGap), byKey = new Map();
  for (const i of read.map((_, k) => k).sort((a, b) => read[a].onset - read[b].onset || a - b)) {
    const { pitch, onset } = read[i];
    if (byKey.has(pitch)) since[i] = Math.min(Math.max(onset - byKey.get(pitch), 0), longestGap);
    byKey.set(pitch, onset);
  }
  const rows = read.flatMap((note, i) => [
    played[i], squeeze(i ? step(i - 1) : longestGap / 2), squeeze(i + 1 < n ? step(i) : longestGap / 2),
    (note.pitch - 64) / 20, squeeze(since[i]), deviation,
  ]);
  const feeds = {
    notes: new ort.Tensor("float32", Float32Array.from(rows), [1, n, 6]),
    key: new ort.Tensor("int64", BigInt64Array.from(read, (note) => BigInt(note.pitch - LOWEST_PITCH)), [1, n]),
  };
  const [{ data: estimate }] = Object.values(await network.velocities.run(feeds));
  const level = estimate.reduce((sum, value) => sum + value, 0) / n;
  read.forEach((note, i) => {
    const even = mean + spread * (estimate[i] - level);
    const change = Math.min(Math.max(even - note.velocity, -mostMisheard), mostMisheard);
    note.velocity = Math.min(Math.max(roundHalfEven(note.velocity + amount * change), 1), 127);
  });
}

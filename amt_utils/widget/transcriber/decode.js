// Probabilities -> notes and pedals, as amt_utils/transcription/decode.py and performance.py do it; same names, same rules.

const N_KEYS = 88, LOWEST_PITCH = 21;
const KEY_ROLLS = ["onset", "offset", "key_offset", "frame", "velocity"];
const SETTLED = 2; // frames after an onset in which its own attack is not yet an ending
const END_TOLERANCE = 0.05; // seconds by which the key's end may explain the sounding end less well

/** Local maxima of one key's column at or over a threshold: integer frames, and times in frames, between them where `refine`. */
function findPeaks(roll, length, key, threshold, refine = true) {
  const frames = [], times = [];
  const at = (t) => roll[t * N_KEYS + key];
  for (let t = 0; t < length; t++) {
    const peak = at(t);
    if (peak < threshold) continue;
    const before = t > 0 ? at(t - 1) : -1, after = t + 1 < length ? at(t + 1) : -1;
    if (!(peak > before && peak >= after)) continue;
    const left = Math.max(before, 0), right = Math.max(after, 0), depth = peak - Math.min(left, right);
    const between = depth > 1e-6 ? (right - left) / (2 * depth) : 0;
    frames.push(t);
    times.push(!refine ? t : Math.max(t + Math.min(Math.max(between, -0.5), 0.5), 0));
  }
  return { frames, times };
}

/** The time of the first of `frames` (rising) at or after `begin`, if it comes before `otherwise`. */
function firstFrom(frames, times, begin, otherwise) {
  let low = 0, high = frames.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle] < begin) low = middle + 1;
    else high = middle;
  }
  return low < frames.length ? Math.min(times[low], otherwise) : otherwise;
}

/**
 * Rolls of `length` frames, each a Float32Array (length * 88) by name -> notes in frames, by key and onset.
 * Without `cutAtStrikes` notes go on where their key is struck again.
 */
function findNotes(rolls, length, decode, frameSeconds, cutAtStrikes) {
  const shortest = decode.min_note_seconds / frameSeconds, notes = [];
  for (let key = 0; key < N_KEYS; key++) {
    const strikes = findPeaks(rolls.onset, length, key, decode.onset_threshold, decode.onset_refinement);
    if (!strikes.frames.length) continue;
    const releases = findPeaks(rolls.offset, length, key, decode.offset_threshold);
    const keyUps = findPeaks(rolls.key_offset, length, key, decode.key_offset_threshold);
    const silent = [];
    for (let t = 0; t < length; t++) if (rolls.frame[t * N_KEYS + key] < decode.frame_threshold) silent.push(t);
    strikes.frames.forEach((strike, i) => {
      const onset = strikes.times[i], limit = (cutAtStrikes && strikes.times[i + 1]) || length, from = strike + SETTLED;
      let end = Math.min(firstFrom(releases.frames, releases.times, from, limit), firstFrom(silent, silent, from, length));
      end = Math.max(Math.min(end, limit), onset + shortest);
      const keyEnd = Math.max(firstFrom(keyUps.frames, keyUps.times, from, end), onset + shortest);
      const velocity = Math.min(Math.max(roundHalfEven(127 * rolls.velocity[strike * N_KEYS + key]), 1), 127);
      const probability = rolls.onset[strike * N_KEYS + key];
      notes.push({ strike, onset, keyEnd: Math.min(keyEnd, end), end, key, velocity, probability });
    });
  }
  return notes;
}

function roundHalfEven(x) {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

/** Notes out of rolls that come piece by piece; memory holds one piece and what still sounds before it. */
class NoteFinder {
  constructor(decode, frameSeconds, cutAtStrikes = true) {
    Object.assign(this, { decode, frameSeconds, cutAtStrikes, begin: 0, length: 0, notes: [] });
    this.held = Object.fromEntries(KEY_ROLLS.map((name) => [name, new Float32Array(0)]));
  }

  /** `piece`: rolls of `length` frames; `last`: none comes after it. */
  add(piece, length, last) {
    for (const name of KEY_ROLLS) {
      const joined = new Float32Array((this.length + length) * N_KEYS);
      joined.set(this.held[name]);
      joined.set(piece[name].subarray(0, length * N_KEYS), this.length * N_KEYS);
      this.held[name] = joined;
    }
    this.length += length;
    let found = findNotes(this.held, this.length, this.decode, this.frameSeconds, this.cutAtStrikes);
    found = found.filter((note) => note.strike >= Math.min(this.begin, 1)); // frame 0 is there as frame 1's neighbour
    let settled = this.length;
    if (!last) {
      settled -= 1;
      for (const note of found) if (note.end >= this.length - 2) settled = Math.min(settled, note.strike);
    }
    for (const note of found.filter((each) => each.strike < settled)) {
      for (const name of ["strike", "onset", "keyEnd", "end"]) note[name] += this.begin;
      this.notes.push(note);
    }
    const keptFrom = Math.max(0, settled - 1);
    this.begin += keptFrom;
    this.length -= keptFrom;
    for (const name of KEY_ROLLS) this.held[name] = this.held[name].slice(keptFrom * N_KEYS);
  }
}

/** (T * 3) pedal probabilities -> {onset, offset, kind}, sorted by onset. */
function decodePedals(pedal, decode, frameSeconds) {
  const events = [], frames = pedal.length / 3, threshold = decode.pedal_threshold;
  for (let kind = 0; kind < 3; kind++) {
    const at = (i) => (i < 1 || i > frames ? 0 : pedal[(i - 1) * 3 + kind]); // zero before and after
    const crossing = (i) => Math.max(0, i + (threshold - at(i)) / (at(i + 1) - at(i)) - 1) * frameSeconds;
    const own = [];
    for (let i = 0, press = 0, down = false; i <= frames; i++) {
      const next = at(i + 1) >= threshold;
      if (next && !down) press = i;
      if (!next && down && i - press >= 2) own.push({ onset: crossing(press), offset: crossing(i), kind });
      down = next;
    }
    own.forEach((event, i) => {
      const room = i + 1 < own.length ? (own[i + 1].onset - event.offset) / 2 : Infinity;
      event.offset += Math.min(decode.pedal_release_shift, room);
    });
    events.push(...own.filter((event) => event.offset > event.onset));
  }
  return events.sort((a, b) => a.onset - b.onset || a.kind - b.kind);
}

/** Notes in frames -> in seconds, sorted by onset: onset, keyEnd, end, pitch, velocity, probability. */
function inSeconds(found, decode, frameSeconds) {
  const seconds = (frames, low) => Math.max(frameSeconds * frames + decode.time_shift, low);
  return found.map((note) => ({
    onset: seconds(note.onset, 0), keyEnd: seconds(note.keyEnd, decode.min_note_seconds),
    end: seconds(note.end, decode.min_note_seconds), pitch: note.key + LOWEST_PITCH,
    velocity: note.velocity, probability: note.probability,
  })).sort((a, b) => a.onset - b.onset || a.pitch - b.pitch);
}

/** Notes in seconds, each with a key end that explains how long it sounded. */
function perform(order, pedals, soundingEnds) {
  const byKey = soundingEnds(order.map((note) => ({ ...note, offset: note.keyEnd })), pedals);
  const bySound = soundingEnds(order.map((note) => ({ ...note, offset: note.end })), pedals);
  return order.map((note, i) => {
    const worse = Math.abs(byKey[i] - note.end) > Math.abs(bySound[i] - note.end) + END_TOLERANCE;
    const { onset, pitch, velocity, probability } = note;
    return { onset, offset: worse ? note.end : note.keyEnd, pitch, velocity, probability };
  });
}

/**
 * What the network thought possible, as amt_utils/transcription/candidates.py has it: `possible` notes at the lowest
 * threshold, those over the transcription's as they are in `heard`, but for ends that a strike of their key cut.
 * `whole` are the same notes as inSeconds gives them, uncut.
 */
function offerCandidates(possible, whole, heard, threshold) {
  const struck = new Float64Array(128).fill(Infinity), following = new Float64Array(heard.length);
  for (let i = heard.length - 1; i >= 0; i--) {
    following[i] = struck[heard[i].pitch];
    struck[heard[i].pitch] = heard[i].onset;
  }
  let k = -1;
  return possible.map((note, i) => {
    if (note.probability < threshold) return note;
    const { onset, offset, velocity } = heard[++k], { keyEnd, end } = whole[i];
    const own = Math.abs(offset - end) < Math.abs(offset - keyEnd) ? end : keyEnd;
    return { ...note, onset, velocity, offset: offset >= following[k] - 1e-9 ? Math.max(own, offset) : offset };
  });
}

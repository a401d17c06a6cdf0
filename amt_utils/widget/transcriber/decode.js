// Probabilities -> notes and pedals, as amt_utils/transcription/decode.py and performance.py do it; same names, same rules.

const N_KEYS = 88, LOWEST_PITCH = 21;
const KEY_ROLLS = ["onset", "offset", "key_offset", "frame", "velocity"];
const PEDAL_REACH = 0.1, CHANGE_COST = 0.2, LEVEL_WORTH = 2.5; // as in decode.py
const SETTLED = 2; // frames after an onset in which its own attack is not yet an ending
const END_TOLERANCE = 0.05; // seconds by which the key's end may explain the sounding end less well

/** A maximum at frame `t` and its two neighbours -> its time in fractional frames. */
function betweenFrames(t, before, peak, after) {
  const left = Math.max(before, 0), right = Math.max(after, 0), depth = peak - Math.min(left, right);
  const between = depth > 1e-6 ? (right - left) / (2 * depth) : 0;
  return Math.max(t + Math.min(Math.max(between, -0.5), 0.5), 0);
}

/** Local maxima of one key's column at or over a threshold: integer frames, and times in frames, between them where `refine`. */
function findPeaks(roll, length, key, threshold, refine = true) {
  const frames = [], times = [];
  const at = (t) => roll[t * N_KEYS + key];
  for (let t = 0; t < length; t++) {
    const peak = at(t);
    if (peak < threshold) continue;
    const before = t > 0 ? at(t - 1) : -1, after = t + 1 < length ? at(t + 1) : -1;
    if (!(peak > before && peak >= after)) continue;
    frames.push(t);
    times.push(refine ? betweenFrames(t, before, peak, after) : t);
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

/**
 * Probabilities that a pedal is down -> [press, release] in fractional frames: the row of presses and releases that is
 * worth most, as find_presses in decode.py explains it.
 */
function findPresses(down, threshold, frameSeconds) {
  const reach = roundHalfEven(PEDAL_REACH / frameSeconds), length = down.length + 2 * reach - 1;
  const around = new Float64Array(length + 1);
  around.set(down, reach); // up before the recording and after it
  const rise = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    for (let j = Math.max(1 - reach, -i); j < Math.min(reach, length - i); j++) {
      rise[i] += (1 - Math.abs(j) / reach) * (around[i + j + 1] - around[i + j]);
    }
  }
  let upWorth = 0, downWorth = -Infinity;
  const presses = new Uint8Array(length), releases = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const press = upWorth + rise[i] - CHANGE_COST, release = downWorth - rise[i] - CHANGE_COST;
    const held = LEVEL_WORTH * frameSeconds * (around[i + 1] - threshold);
    presses[i] = press > downWorth;
    releases[i] = release > upWorth;
    [upWorth, downWorth] = [Math.max(upWorth, release) - held, Math.max(downWorth, press) + held];
  }
  const time = (i, sign) => {
    const between = betweenFrames(i, sign * (rise[i - 1] ?? -sign), sign * rise[i], sign * (rise[i + 1] ?? -sign));
    return Math.min(Math.max(between + 0.5 - reach, 0), down.length);
  };
  const spans = [];
  for (let i = length - 1, release = null; i >= 0; i--) {
    if (release !== null && presses[i]) {
      spans.push([time(i, 1), release]);
      release = null;
    } else if (release === null && releases[i]) release = time(i, -1);
  }
  return spans.reverse().filter(([press, release]) => release > press);
}

/** (T * 3) pedal probabilities -> {onset, offset, kind}, sorted by onset. */
function decodePedals(pedal, decode, frameSeconds) {
  const events = [];
  for (let kind = 0; kind < 3; kind++) {
    const down = Float64Array.from({ length: pedal.length / 3 }, (_, i) => pedal[3 * i + kind]);
    const own = findPresses(down, decode.pedal_threshold, frameSeconds).map(([press, release]) => (
      { onset: press * frameSeconds, offset: release * frameSeconds, kind }));
    own.forEach((event, i) => {
      const room = i + 1 < own.length ? (own[i + 1].onset - event.offset) / 2 : Infinity;
      event.offset += Math.min(decode.pedal_release_shift, room);
    });
    events.push(...own);
  }
  return events.sort((a, b) => a.onset - b.onset || a.kind - b.kind);
}

/** Keys or pitches of notes sorted by onset, and their onsets -> the following onset of each note's key, or Infinity. */
function nextOnsets(keys, onsets) {
  const following = new Float64Array(keys.length), next = new Float64Array(128).fill(Infinity);
  for (let i = keys.length - 1; i >= 0; i--) {
    following[i] = next[keys[i]];
    next[keys[i]] = onsets[i];
  }
  return following;
}

/** Notes in frames -> in seconds, sorted by onset: onset, keyEnd, end, pitch, velocity, probability. */
function inSeconds(found, decode, frameSeconds) {
  found = [...found].sort((a, b) => a.onset - b.onset);
  const keys = found.map((note) => note.key), frames = found.map((note) => note.onset);
  const onsets = frames.map((frame) => Math.max(frameSeconds * frame + decode.time_shift, 0));
  const struckAgain = nextOnsets(keys, frames), nextOnset = nextOnsets(keys, onsets);
  return found.map((note, i) => {
    const move = (end) => {
      const moved = Math.max(frameSeconds * end + decode.release_shift, onsets[i] + decode.min_note_seconds);
      return end <= struckAgain[i] ? Math.min(moved, nextOnset[i]) : moved;
    };
    return {
      onset: onsets[i], keyEnd: move(note.keyEnd), end: move(note.end), pitch: note.key + LOWEST_PITCH,
      velocity: note.velocity, probability: note.probability,
    };
  }).sort((a, b) => a.onset - b.onset || a.pitch - b.pitch);
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
  const following = nextOnsets(heard.map((note) => note.pitch), heard.map((note) => note.onset));
  let k = -1;
  return possible.map((note, i) => {
    if (note.probability < threshold) return note;
    const { onset, offset, velocity } = heard[++k], { keyEnd, end } = whole[i];
    const own = Math.abs(offset - end) < Math.abs(offset - keyEnd) ? end : keyEnd;
    return { ...note, onset, velocity, offset: offset >= following[k] - 1e-9 ? Math.max(own, offset) : offset };
  });
}

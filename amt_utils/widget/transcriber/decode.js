// Probabilities -> notes and pedals, as amt_utils/transcription/decode.py and performance.py do it; same names, same rules.

const N_KEYS = 88, LOWEST_PITCH = 21;
const KEY_ROLLS = ["onset", "offset", "key_offset", "frame", "velocity"];
// as decode.py explains them
const PEDAL_REACH = 0.1, CHANGE_COST = 0.2, LEVEL_WORTH = 2.5;
const SETTLED = 2, HEARD = 0.05, FALL = 0.5, SILENT = 0.1, HELD = 0.5, CERTAIN = 0.95;
const LONGEST = 60, END_REACH = 0.1, END_RATIO = 0.2;
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

/** The first of `frames` (rising) at or after `begin`. */
function firstFrom(frames, begin, otherwise) {
  let low = 0, high = frames.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle] < begin) low = middle + 1;
    else high = middle;
  }
  return low < frames.length ? frames[low] : otherwise;
}

/** Where a note most likely ends, in frames, as find_end in decode.py explains it. */
function findEnd(here, begin, latest, onset, latestLikely, reach) {
  const length = Math.min(Math.floor(latest) + 1, here.length) - begin;
  if (length <= 0) return latest;
  const before = new Float64Array(length), twice = new Float64Array(length);
  let lasts = 1;
  for (let t = 0; t < length; t++) {
    before[t] = here[begin + t] * lasts + (t ? before[t - 1] : 0);
    twice[t] = t ? twice[t - 1] + before[t - 1] : 0;
    lasts *= 1 - here[begin + t];
  }
  const integral = (x) => {
    if (x <= 0) return 0;
    if (x >= length - 1) return twice[length - 1] + (x - (length - 1)) * before[length - 1];
    const t = Math.floor(x);
    return twice[t] + (x - t) * (twice[t + 1] - twice[t]);
  };
  const worthOf = (end) => {
    const width = Math.max(reach, END_RATIO * (end + begin - onset));
    const near = latestLikely * lasts * Math.max(0, 1 - Math.abs(latest - begin - end) / width);
    return (integral(end + width) - 2 * integral(end) + integral(end - width)) / width + near;
  };
  const worth = Float64Array.from({ length }, (_, end) => worthOf(end));
  let best = 0;
  for (let t = 1; t < length; t++) if (worth[t] > worth[best]) best = t;
  if (worthOf(latest - begin) > worth[best]) return latest;
  if (best === 0 || best === length - 1) return begin + best;
  return begin + betweenFrames(best, worth[best - 1], worth[best], worth[best + 1]);
}

/**
 * Rolls of `length` frames, each a Float32Array (length * 88) by name -> notes in frames, by key and onset.
 * Without `cutAtStrikes` notes go on where their key is struck again.
 */
function findNotes(rolls, length, decode, frameSeconds, cutAtStrikes) {
  const shortest = decode.min_note_seconds / frameSeconds, reach = END_REACH / frameSeconds, notes = [];
  for (let key = 0; key < N_KEYS; key++) {
    const strikes = findPeaks(rolls.onset, length, key, decode.onset_threshold, decode.onset_refinement);
    if (!strikes.frames.length) continue;
    const endHere = new Float64Array(length), keyUpHere = new Float64Array(length), silent = [];
    for (let t = 0; t < length; t++) {
      const at = t * N_KEYS + key, frame = rolls.frame[at];
      const fall = t ? Math.max(1 - frame / Math.max(rolls.frame[at - N_KEYS], 0.02), 0) : 0;
      endHere[t] = Math.min(Math.max(rolls.offset[at] - HEARD, 0) / decode.peak_mass + FALL * fall, CERTAIN);
      keyUpHere[t] = Math.min(Math.max(rolls.key_offset[at] - HEARD, 0) / decode.peak_mass, CERTAIN);
      if (frame < SILENT) silent.push(t);
    }
    strikes.frames.forEach((strike, i) => {
      const onset = strikes.times[i], limit = (cutAtStrikes && strikes.times[i + 1]) || length, begin = strike + SETTLED;
      const latest = Math.min(firstFrom(silent, begin, length), limit, strike + LONGEST / frameSeconds);
      const end = Math.max(findEnd(endHere, begin, latest, onset, 1, reach), onset + shortest);
      const keyEnd = Math.max(findEnd(keyUpHere, begin, end, onset, HELD, reach), onset + shortest);
      let loudness = 0;
      const attack = Math.min(begin + 1, length) - strike;
      for (let t = strike; t < strike + attack; t++) loudness += rolls.velocity[t * N_KEYS + key] / attack;
      const velocity = Math.min(Math.max(roundHalfEven(127 * loudness), 1), 127);
      const probability = rolls.onset[strike * N_KEYS + key];
      const decided = Math.max(Math.floor(latest), begin); // the last frame on which its ends depend
      notes.push({ strike, onset, keyEnd: Math.min(keyEnd, end), end, key, velocity, probability, decided });
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
      for (const note of found) if (note.decided >= this.length - 2) settled = Math.min(settled, note.strike);
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
  const reach = Math.max(1, roundHalfEven(PEDAL_REACH / frameSeconds)), length = down.length + 2 * reach - 1;
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

// Notes -> hands, beats, bars, key: enough to click along, to loop bars and to write notes down. make_score reads notes with
// a network and does it better; here hands go by pitch and beats by how regular and how strong the onsets are.

const STRUCK_AS_ONE = 0.035; // s; onsets closer than this are one event
const FRAME = 0.01; // s, resolution of the search for beats
const SHORTEST_BEAT = 0.27, LONGEST_BEAT = 1.25, USUAL_BEAT = 0.55; // s
const TEMPO_WINDOW = 8, TEMPO_STEP = 2; // s of music from which a tempo is read, and how often
const STEADY = 30; // how strongly beats keep to the tempo against following the onsets
const FEWEST_EVENTS = 8; // fewer tell of no beat

/** Notes sorted by onset -> what is struck together: {time, notes}. */
function joinStruck(notes) {
  const events = [];
  for (const note of notes) {
    const last = events.at(-1);
    if (last && note.onset - last.notes[0].onset <= STRUCK_AS_ONE) last.notes.push(note);
    else events.push({ notes: [note] });
  }
  for (const event of events) event.time = mean(event.notes.map((note) => note.onset));
  return events;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** Values less the mean of those around them, in standard deviations. */
function standOut(values, around = 16) {
  const apart = values.map((value, i) => value - mean(values.slice(Math.max(0, i - around), i + around + 1)));
  const deviation = Math.sqrt(mean(apart.map((value) => value * value))) || 1;
  return apart.map((value) => value / deviation);
}

/** amt_utils/sheet_music/hands.py: the hand of each note, 0 right, 1 left, such that hands do not cross within a chord. */
function assignHands(notes, { span, stretch, fingers, crowded, middle, perSemitone }) {
  const hands = new Map();
  const strain = (pitches) => (pitches.length < 2 ? 0
    : stretch * Math.max(0, pitches.at(-1) - pitches[0] - span) + crowded * Math.max(0, pitches.length - fingers));
  for (const { notes: struck } of joinStruck(notes)) {
    const chord = [...struck].sort((a, b) => a.pitch - b.pitch), pitches = chord.map((note) => note.pitch);
    let best = 0, most = -Infinity, gain = 0;
    for (let k = 0; k <= chord.length; k++) {
      if (k) gain += perSemitone * (middle - pitches[k - 1]);
      const value = gain - (chord.length > 1 ? strain(pitches.slice(0, k)) + strain(pitches.slice(k)) : 0);
      if (value > most) [best, most] = [k, value];
    }
    chord.forEach((note, k) => hands.set(note, k < best ? 1 : 0));
  }
  return notes.map((note) => hands.get(note));
}

/** Notes sorted by onset -> what `new Beats` takes, or null where there are too few notes. */
function findBeats(notes, duration) {
  const events = joinStruck(notes);
  if (events.length < FEWEST_EVENTS) return null;
  const low = standOut(events.map(({ notes: own }) => -Math.min(...own.map((note) => note.pitch))));
  const long = standOut(events.map(({ notes: own }) => Math.log(0.05 + Math.min(4, Math.max(...own.map((note) => note.offset - note.onset))))));
  const loud = standOut(events.map(({ notes: own }) => Math.max(...own.map((note) => note.velocity))));
  const many = standOut(events.map(({ notes: own }) => Math.log(own.length)));
  events.forEach((event, i) => {
    event.accent = Math.min(2, Math.max(-2, 0.7 * low[i] + 0.7 * long[i] + 0.4 * loud[i] + 0.25 * many[i]));
    event.weight = Math.exp(0.4 * event.accent);
  });
  const strength = onsetStrength(events, duration), periods = followTempo(strength);
  const times = snapToEvents(trackBeats(strength, periods), events);
  if (times.length < 4) return null;
  const accents = times.map((t, k) => {
    const near = nearestEvent(events, t), period = (times[k + 1] ?? t) - (times[k - 1] ?? t);
    return Math.abs(near.time - t) < Math.min(0.08, 0.15 * Math.abs(period)) ? near.accent : -1;
  });
  const { perBar, downbeat } = findBarLines(accents);
  return { times, perBar, downbeat, divisions: divideBeats(times, events), numerator: perBar, denominator: 4, quarters: 1, fifths: findKey(notes) };
}

/** Onsets as a curve: a bell of 20 ms at each, as high as the event is strong. */
function onsetStrength(events, duration) {
  const curve = new Float32Array(Math.ceil(duration / FRAME) + 1);
  for (const { time, weight } of events)
    for (let t = Math.max(0, Math.round(time / FRAME) - 6); t < Math.min(curve.length, Math.round(time / FRAME) + 7); t++)
      curve[t] += weight * Math.exp(-0.5 * ((t * FRAME - time) / 0.02) ** 2);
  const power = Math.sqrt(mean([...curve].map((x) => x * x))) || 1;
  return curve.map((x) => x / power);
}

/** The length of a beat in frames, every TEMPO_STEP seconds: what repeats best around there, changing little. */
function followTempo(strength) {
  const candidates = [], window = Math.round(TEMPO_WINDOW / FRAME), step = Math.round(TEMPO_STEP / FRAME);
  for (let p = SHORTEST_BEAT; p <= LONGEST_BEAT; p *= 1.03) candidates.push(p);
  const rows = [];
  for (let begin = 0; begin === 0 || begin + window / 2 < strength.length; begin += step) {
    const end = Math.min(strength.length, begin + window), same = new Float32Array(Math.ceil(4 * LONGEST_BEAT / FRAME) + 2);
    for (let lag = 0; lag < same.length; lag++) {
      let sum = 0;
      for (let t = begin; t + lag < end; t++) sum += strength[t] * strength[t + lag];
      same[lag] = sum / Math.max(1, end - begin - lag) ;
    }
    const at = (seconds) => same[Math.min(same.length - 1, Math.round(seconds / FRAME))] / (same[0] || 1);
    rows.push(candidates.map((p) => {
      const fit = (at(p) + 0.7 * at(2 * p) + 0.5 * at(3 * p) + 0.5 * at(4 * p)) / 2.7;
      return 4 * fit - 0.5 * (Math.log2(p / USUAL_BEAT) / 0.75) ** 2;
    }));
  }
  return likeliestPath(rows, (a, b) => Math.min(6, 0.5 * (Math.log(candidates[a] / candidates[b]) / 0.06) ** 2)).map((k) => candidates[k] / FRAME);
}

/** Rows of scores -> the index of each row such that scores less the costs of changes are most. */
function likeliestPath(rows, cost) {
  let value = rows[0];
  const came = [];
  for (const row of rows.slice(1)) {
    const from = row.map((_, to) => value.reduce((best, v, k) => (v - cost(to, k) > value[best] - cost(to, best) ? k : best), 0));
    value = row.map((score, to) => score + value[from[to]] - cost(to, from[to]));
    came.push(from);
  }
  const path = [value.indexOf(Math.max(...value))];
  for (const from of came.reverse()) path.unshift(from[path[0]]);
  return path;
}

/** The strongest row of frames that keeps about to the tempo (Ellis, "Beat tracking by dynamic programming", JNMR 36, 2007). */
function trackBeats(strength, periods) {
  const step = Math.round(TEMPO_STEP / FRAME), half = TEMPO_WINDOW / FRAME / 2, n = strength.length;
  const total = new Float32Array(n), came = new Int32Array(n).fill(-1);
  const period = (t) => periods[Math.min(periods.length - 1, Math.max(0, Math.round((t - half) / step)))];
  for (let t = 0; t < n; t++) {
    const p = period(t);
    let best = 0, from = -1; // or the first beat
    for (let lag = Math.round(0.6 * p); lag <= Math.min(t, Math.round(1.7 * p)); lag++) {
      const value = total[t - lag] - STEADY * Math.log(lag / p) ** 2;
      if (value > best) [best, from] = [value, t - lag];
    }
    total[t] = strength[t] - 0.3 + best;
    came[t] = from;
  }
  let t = 0;
  for (let k = Math.max(0, n - Math.round(1.5 * period(n))); k < n; k++) if (total[k] > total[t]) t = k;
  const row = [];
  for (; t >= 0; t = came[t]) row.unshift(t * FRAME);
  return row;
}

function nearestEvent(events, t) {
  return events.reduce((best, event) => (Math.abs(event.time - t) < Math.abs(best.time - t) ? event : best));
}

/** Beats on the events that they stand for; none before the first event or after the last. */
function snapToEvents(times, events) {
  const [first, last] = [events[0].time - 0.08, events.at(-1).time + 0.08], found = [];
  for (const t of times.filter((each) => each > first && each < last)) {
    const { time } = nearestEvent(events, t), at = Math.abs(time - t) < 0.05 ? time : t;
    if (!found.length || at - found.at(-1) > 0.1) found.push(at);
  }
  return found;
}

/** Three or four beats to the bar, and which is the first: where accents stand out most. */
function findBarLines(accents) {
  let best = { perBar: 4, downbeat: 0, value: -Infinity };
  for (const perBar of [4, 3])
    for (let downbeat = 0; downbeat < perBar; downbeat++) {
      const own = accents.filter((_, k) => k % perBar === downbeat), rest = accents.filter((_, k) => k % perBar !== downbeat);
      const value = (mean(own) - mean(rest)) * Math.sqrt(own.length * rest.length / accents.length);
      if (value > best.value + 0.1) best = { perBar, downbeat, value };
    }
  return best;
}

/** Into how many parts each beat is divided: three where its onsets lie nearer to thirds than to quarters. */
function divideBeats(times, events) {
  const off = (share, parts) => Math.abs(share * parts - Math.round(share * parts)) / parts;
  return times.slice(1).map((end, k) => {
    const begin = times[k], shares = events.filter(({ time }) => time > begin + 0.03 && time < end - 0.03).map(({ time }) => (time - begin) / (end - begin));
    const sum = (parts) => shares.reduce((all, share) => all + off(share, parts), 0);
    return shares.length && sum(3) < 0.6 * sum(4) ? 3 : shares.some((share) => off(share, 2) > 0.1) ? 4 : shares.length ? 2 : 1;
  });
}

/** The key signature that holds most of what sounds: sharps, or below 0 flats. */
function findKey(notes) {
  const time = new Array(12).fill(0);
  for (const { onset, offset, pitch } of notes) time[pitch % 12] += Math.min(2, offset - onset);
  const inside = (fifths) => [0, 2, 4, 5, 7, 9, 11].reduce((sum, step) => sum + time[(((7 * fifths + step) % 12) + 12) % 12], 0);
  return [0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6].reduce((best, fifths) => (inside(fifths) > inside(best) + 1e-9 ? fifths : best), 0);
}

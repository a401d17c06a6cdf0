// Notes on the beats that were found -> plain MusicXML: two staves by hand, one voice each, what is struck together a
// chord. amt_utils.score writes it better; this is for what was corrected in the page.

const DIVISIONS = 12; // per quarter: sixteenths and triplets
const LENGTHS = [[48, "whole", 0], [36, "half", 1], [24, "half", 0], [18, "quarter", 1], [12, "quarter", 0], [9, "eighth", 1],
  [6, "eighth", 0], [3, "16th", 0]]; // ticks, type, dots
const TRIPLETS = [[8, "quarter", 0], [4, "eighth", 0], [2, "16th", 0]]; // three in the time of two
const SHARP_NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
const FLAT_NAMES = ["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"];

/** The model's notes, beats and title -> MusicXML text. */
function writeMusicXml({ notes, beats, meta }) {
  const bar = Math.round(beats.numerator * 4 / beats.denominator * DIVISIONS), perBeat = beats.quarters * DIVISIONS;
  const begin = Math.min(0, ...notes.rows.slice(0, 1).map((row) => beats.bar(row.onset + 1e-3))); // an upbeat has a bar before the first
  const origin = beats.downbeat + begin * beats.perBar; // beat of tick 0
  const tick = (seconds) => Math.max(0, Math.round((beats.beat(beats.snap(seconds)) - origin) * perBeat));
  const staves = [RIGHT, LEFT].map((hand) => {
    const chords = new Map(); // tick -> {pitches, until}
    for (const row of notes.rows) {
      if (row.hand !== hand) continue;
      const at = tick(row.onset), chord = chords.get(at) || { at, pitches: new Set(), until: 0 };
      chord.pitches.add(row.pitch);
      const until = tick(row.offset);
      chord.until = Math.max(chord.until, until > at ? until : tick(beats.step(row.onset, 1)), at + 2);
      chords.set(at, chord);
    }
    return [...chords.values()].sort((a, b) => a.at - b.at);
  });
  const last = Math.max(1, ...staves.flatMap((chords) => chords.map((chord) => chord.until)));
  const count = Math.ceil(last / bar), spans = staves.map((chords) => fillVoice(chords, count * bar));
  const measures = Array.from({ length: count }, (_, number) => {
    const voices = spans.map((list, staff) => list.flatMap((span) => pieces(span, number * bar, bar, perBeat)
      .map((piece) => writePiece(piece, staff, beats.fifths)))).map((list) => list.join(""));
    const opening = number ? "" : `<attributes><divisions>${DIVISIONS}</divisions><key><fifths>${beats.fifths}</fifths></key>` +
      `<time><beats>${beats.numerator}</beats>` +
      `<beat-type>${beats.denominator}</beat-type></time><staves>2</staves><clef number="1"><sign>G</sign><line>2</line></clef>` +
      `<clef number="2"><sign>F</sign><line>4</line></clef></attributes>` +
      `<sound tempo="${(60 / beats.period * beats.quarters).toFixed(2)}"/>`;
    return `<measure number="${number + 1}">${opening}${voices[0]}<backup><duration>${bar}</duration></backup>${voices[1]}</measure>`;
  });
  const title = meta.title ? `<work><work-title>${meta.title.replace(/&/g, "&amp;").replace(/</g, "&lt;")}</work-title></work>` : "";
  return `<?xml version="1.0" encoding="UTF-8"?>\n<score-partwise version="4.0">${title}` +
    `<part-list><score-part id="P1"><part-name>Piano</part-name></score-part></part-list><part id="P1">\n${measures.join("\n")}\n</part></score-partwise>\n`;
}

/** Chords, each held until the next at most -> chords and rests without gaps up to `end`. */
function fillVoice(chords, end) {
  const spans = [];
  let now = 0;
  chords.forEach((chord, k) => {
    if (chord.at > now) spans.push({ at: now, until: chord.at, pitches: [] });
    const next = chords[k + 1]?.at ?? end, until = Math.min(chord.until, next);
    now = next - until < 3 ? next : until; // no rests shorter than a sixteenth
    spans.push({ at: chord.at, until: now, pitches: [...chord.pitches].sort((a, b) => a - b) });
  });
  if (now < end) spans.push({ at: now, until: end, pitches: [] });
  return spans;
}

/** The part of a span that lies in a bar, cut where one symbol would not do. */
function pieces({ at, until, pitches }, start, bar, perBeat) {
  const end = Math.min(until, start + bar), found = [];
  for (let now = Math.max(at, start); now < end;) {
    const place = (now - start) % perBeat, left = end - now, beats = left - left % perBeat;
    // from a beat on as many beats as there are, elsewhere up to the next beat
    const room = place || !beats ? Math.min(left, perBeat - place) : left % 3 ? beats : left;
    const triplet = place % 3 > 0 || room % 3 > 0, known = triplet ? TRIPLETS : LENGTHS;
    const [ticks, type, dots] = known.find(([length]) => length <= room) || [room, "32nd", 0];
    found.push({ ticks, type, dots, triplet, pitches, from: now > at, to: now + ticks < until });
    now += ticks;
  }
  return found;
}

function writePiece({ ticks, type, dots, triplet, pitches, from, to }, staff, fifths) {
  const names = fifths < 0 ? FLAT_NAMES : SHARP_NAMES;
  const inThree = "<time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes></time-modification>";
  const ties = [...(from ? ["stop"] : []), ...(to ? ["start"] : [])];
  return (pitches.length ? pitches : [null]).map((pitch, k) => {
    const [step, sign] = pitch === null ? [] : names[pitch % 12];
    const sounding = pitch === null ? "<rest/>" : `<pitch><step>${step}</step>${sign ? `<alter>${sign === "#" ? 1 : -1}</alter>` : ""}` +
      `<octave>${Math.floor(pitch / 12) - 1}</octave></pitch>`;
    const tied = pitch === null ? [] : ties;
    return `<note>${k ? "<chord/>" : ""}${sounding}<duration>${ticks}</duration>${tied.map((t) => `<tie type="${t}"/>`).join("")}` +
      `<voice>${staff * 4 + 1}</voice><type>${type}</type>${"<dot/>".repeat(dots)}` +
      `${triplet ? inThree : ""}<staff>${staff + 1}</staff>` +
      `${tied.length ? `<notations>${tied.map((t) => `<tied type="${t}"/>`).join("")}</notations>` : ""}</note>`;
  }).join("");
}

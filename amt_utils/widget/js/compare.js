// Transcription against reference, note by note, as amt_utils.widget.compare has it.

const HIT = 1, WRONG_END = 2, UNMATCHED = 3; // UNMATCHED: an extra note of the estimate, a missed one of the reference
const ONSET_TOLERANCE = 0.05, OFFSET_RATIO = 0.2;

/** Fills `status` and `partner` of both: per key, in the order of time, as many pairs as possible. */
function compare(reference, estimate) {
  const near = (a, b, tolerance) => Math.round(Math.abs(a - b) * 1e4) / 1e4 <= tolerance;
  const byKey = (notes) => {
    const keys = Array.from({ length: 128 }, () => []);
    for (let i = 0; i < notes.n; i++) keys[notes.pitch[i]].push(i);
    return keys;
  };
  for (const notes of [reference, estimate]) {
    notes.status.fill(UNMATCHED);
    notes.partner.fill(-1);
  }
  const [references, estimates] = [byKey(reference), byKey(estimate)];
  for (let key = 0; key < 128; key++)
    for (let a = 0, b = 0; a < references[key].length && b < estimates[key].length;) {
      const i = references[key][a], j = estimates[key][b];
      if (near(reference.onset[i], estimate.onset[j], ONSET_TOLERANCE)) {
        const tolerance = Math.max(ONSET_TOLERANCE, OFFSET_RATIO * (reference.end[i] - reference.onset[i]));
        estimate.status[j] = reference.status[i] = near(reference.end[i], estimate.end[j], tolerance) ? HIT : WRONG_END;
        [estimate.partner[j], reference.partner[i]] = [i, j];
        a++, b++;
      } else if (reference.onset[i] < estimate.onset[j]) a++;
      else b++;
    }
}

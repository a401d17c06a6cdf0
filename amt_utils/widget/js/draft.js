// The transcription as it stands: what was heard over the threshold, without what the reader struck out, with what
// the reader added. A note that was changed is struck out and added anew.

const UNDO_STEPS = 1000;

class Draft {
  #done = [];
  #undone = [];

  /** `data.heard` are the rows; `saved` is what `corrections` gave. */
  constructor(data, saved = {}) {
    this.data = data;
    this.candidates = data.meta.candidates;
    this.threshold = saved.threshold ?? this.candidates?.threshold ?? 0;
    this.deleted = new Set(saved.deleted || []);
    this.added = new Map();
    this.nextId = data.heard.length;
    for (const [onset, offset, pitch, velocity, hand, origin] of saved.added || [])
      this.added.set(this.nextId, { id: this.nextId++, onset, offset, pitch, velocity, hand, origin, probability: 1 });
    this.listeners = [];
    this.#build();
  }

  on(f) { this.listeners.push(f); }

  /** The least probability that is shown as sure. */
  get sure() { return (1 + this.threshold) / 2; }
  isUnsure(i) { return this.data.notes.probability[i] < this.sure; } // NaN, not known, is not unsure
  get knowsDoubt() { return this.data.heard.some((row) => row.probability >= 0); }

  /** Whether other notes stand than were transcribed; to keep a doubtful one, or to refuse a possible one, changes none. */
  get isCorrected() {
    const { candidates } = this, { heard } = this.data, added = [...this.added.values()], kept = added.filter((row) => row.kept).length;
    const struck = [...this.deleted].filter((id) => !candidates || heard[id].probability >= candidates.threshold).length;
    return added.length > kept || struck !== kept || (candidates !== null && this.threshold !== candidates.threshold);
  }

  /** What Python and a saved page need to know. */
  get corrections() {
    if (!this.isCorrected && !this.deleted.size) return {};
    const added = [...this.added.values()].map((r) => [r.onset, r.offset, r.pitch, r.velocity, r.hand, r.origin ?? null]);
    return { threshold: this.candidates ? this.threshold : null, deleted: [...this.deleted].sort((a, b) => a - b), added };
  }

  setThreshold(threshold) {
    this.threshold = threshold;
    this.#build();
    this.#announce();
  }

  /** Strikes out `removed` rows and adds `added` ones (new ids are given); one step for undo. Returns the added ids. */
  apply(removed, added) {
    const rows = added.map((row) => ({ probability: 1, ...row, id: this.nextId++ }));
    this.#done.push({ removed, added: rows });
    if (this.#done.length > UNDO_STEPS) this.#done.shift();
    this.#undone = [];
    this.#change(removed, rows);
    return rows.map((row) => row.id);
  }

  undo() { return this.#step(this.#done, this.#undone, ({ removed, added }) => [added, removed]); }
  redo() { return this.#step(this.#undone, this.#done, ({ removed, added }) => [removed, added]); }
  get canUndo() { return this.#done.length > 0; }
  get canRedo() { return this.#undone.length > 0; }

  /** Goes one step; the ids that are there again, or null where there is no step. */
  #step(from, to, sides) {
    const edit = from.pop();
    if (!edit) return null;
    to.push(edit);
    const [removed, added] = sides(edit);
    this.#change(removed, added);
    return added.map((row) => row.id);
  }

  #change(removed, added) {
    const isHeard = (row) => row.id < this.data.heard.length;
    for (const row of removed) isHeard(row) ? this.deleted.add(row.id) : this.added.delete(row.id);
    for (const row of added) isHeard(row) ? this.deleted.delete(row.id) : this.added.set(row.id, row);
    this.#build();
    this.#announce();
  }

  #announce() { this.listeners.forEach((f) => f()); }

  #build() {
    const { data, candidates, threshold } = this, standing = data.heard.filter((row) => !this.deleted.has(row.id));
    const shown = candidates ? standing.filter((row) => row.probability >= threshold) : standing;
    const rows = [...shown, ...this.added.values()].sort((a, b) => a.onset - b.onset || a.pitch - b.pitch);
    data.notes = new Notes(candidates ? this.#cut(rows) : rows, data.pedals, data.meta.ends);
    const hidden = candidates ? standing.filter((row) => row.probability < threshold && row.probability >= threshold / 2) : [];
    data.ghosts = new Notes(hidden, data.pedals, "key");
    if (data.reference) compare(data.reference, data.notes);
  }

  /** What was heard ends at the next strike of its key, as the decoder has it; what the reader made stays as made. */
  #cut(rows) {
    const struck = new Float64Array(128).fill(Infinity), cut = new Array(rows.length);
    for (let i = rows.length - 1; i >= 0; i--) {
      const row = rows[i], next = struck[row.pitch];
      const isLong = row.id < this.data.heard.length && row.offset > next;
      cut[i] = isLong ? { ...row, offset: Math.max(next, row.onset + this.candidates.shortest) } : row;
      struck[row.pitch] = row.onset;
    }
    return cut;
  }

  indicesOf(ids) {
    const wanted = new Set(ids), found = [];
    this.data.notes.rows.forEach((row, i) => wanted.has(row.id) && found.push(i));
    return found;
  }
}

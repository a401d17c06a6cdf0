// Correcting: what keys and pointer do to the chosen notes.

const NUDGE = 0.01, END_NUDGE = 0.05; // s, a key press without the grid
const SHORTEST_NOTE = 0.03, NEW_NOTE = 0.25; // s
const LOUDER = 8; // velocity, a key press

class Editor {
  constructor({ data, draft, state, chooser, transport, camera }) {
    Object.assign(this, { data, draft, state, chooser, transport, camera });
  }

  get chosen() { return this.state.selection.map((i) => this.data.notes.rows[i]); }
  get grid() { return this.state.snap ? this.data.beats : null; }

  /** Replaces rows by changed ones and chooses those; nothing happens where nothing changes. */
  replace(rows, change) {
    const changed = rows.map((row) => ({ ...row, probability: 1, kept: false, ...change(row) }));
    const differs = rows.some((row, k) => ["onset", "offset", "pitch", "velocity", "hand"].some((name) => row[name] !== changed[k][name]));
    if (rows.length && differs) this.#choose(this.draft.apply(rows, changed));
  }

  #choose(ids) {
    const indices = this.draft.indicesOf(ids);
    this.chooser.choose(indices);
    if (indices.length) this.chooser.remember(this.data.notes, indices[0]);
  }

  /** Deletes what is chosen; a possible note is offered no more. */
  remove() {
    const { data, state } = this, gone = state.ghost === null ? this.chosen : [data.ghosts.rows[state.ghost]];
    if (!gone.length) return;
    this.chooser.choose([]);
    this.draft.apply(gone, []);
  }

  /** A note at the playhead, at the key chosen last, as long as the grid's step or a quarter of a second. */
  addAtPlayhead() {
    const pitch = this.chosen.at(-1)?.pitch ?? this.lastPitch ?? Math.round((this.camera.low + this.camera.high) / 2);
    this.add(this.transport.position, pitch);
  }

  add(seconds, pitch) {
    const onset = Math.min(this.grid ? this.grid.snap(seconds) : seconds, this.data.duration - SHORTEST_NOTE);
    const offset = this.grid ? this.grid.step(onset, 1) : onset + NEW_NOTE;
    const { notes } = this.data, near = notes.firstFrom(onset), around = notes.rows.slice(Math.max(0, near - 4), near + 4);
    const velocity = around.length ? Math.round(around.reduce((sum, row) => sum + row.velocity, 0) / around.length) : 64;
    const likest = around.reduce((best, row) => (!best || Math.abs(row.pitch - pitch) < Math.abs(best.pitch - pitch) ? row : best), null);
    const hand = likest ? likest.hand : pitch < MIDDLE_C ? LEFT : RIGHT;
    this.lastPitch = pitch;
    this.#choose(this.draft.apply([], [{ onset, offset: Math.max(offset, onset + SHORTEST_NOTE), pitch, velocity, hand, origin: null }]));
    this.chooser.hear();
  }

  /** Yes: takes what is offered (possible or missed notes), or says of an unsure note that it is right. */
  accept() {
    const { data, state, draft } = this;
    if (state.ghost !== null) {
      const row = data.ghosts.rows[state.ghost];
      this.#choose(draft.apply([row], [{ ...row, probability: 1 }]));
    } else if (state.selectedReference.length) {
      const rows = state.selectedReference.map((i) => ({ ...data.reference.rows[i], probability: 1, origin: null }));
      this.#choose(draft.apply([], rows));
    } else {
      const unsure = this.chosen.filter((row) => row.probability < 1);
      if (unsure.length) this.#choose(draft.apply(unsure, unsure.map((row) => ({ ...row, probability: 1, kept: true }))));
    }
  }

  /** Moves the chosen notes: by steps of the grid or of 10 ms, and by keys. */
  move(steps, keys) {
    const { chosen } = this;
    if (!chosen.length) return;
    const first = Math.min(...chosen.map((row) => row.onset));
    const by = !steps ? 0 : this.grid ? this.grid.step(first, Math.sign(steps)) - first : steps * NUDGE;
    this.moveBy(chosen, by, keys);
  }

  moveBy(rows, seconds, keys) { this.replace(rows, this.mover(rows, seconds, keys)); }

  /** (row) -> what changes when all `rows` move together, held within the piece and the keyboard. */
  mover(rows, seconds, keys) {
    const pitches = rows.map((row) => row.pitch), onsets = rows.map((row) => row.onset);
    const by = Math.max(-Math.min(...onsets), Math.min(this.data.duration - SHORTEST_NOTE - Math.max(...onsets), seconds));
    const up = Math.min(HIGHEST - Math.max(...pitches), Math.max(LOWEST - Math.min(...pitches), keys));
    return (row) => ({ onset: row.onset + by, offset: row.offset + by, pitch: row.pitch + up });
  }

  moveEnd(steps) { this.replace(this.chosen, this.stretcher("offset", (t) => this.#stepped(t, steps, END_NUDGE))); }
  moveStart(steps) { this.replace(this.chosen, this.stretcher("onset", (t) => this.#stepped(t, steps, NUDGE))); }
  #stepped(t, steps, nudge) { return this.grid ? this.grid.step(t, Math.sign(steps)) : t + steps * nudge; }

  /** (row) -> its onset or offset moved by `move`, never through the other. */
  stretcher(side, move) {
    if (side === "onset") return (row) => ({ onset: Math.max(0, Math.min(move(row.onset), row.offset - SHORTEST_NOTE)) });
    return (row) => ({ offset: Math.min(this.data.duration, Math.max(move(row.offset), row.onset + SHORTEST_NOTE)) });
  }

  /** The chosen notes end (or begin) at the playhead. */
  endHere() { this.replace(this.chosen, this.stretcher("offset", () => this.transport.position)); }
  startHere() { this.replace(this.chosen, this.stretcher("onset", () => this.transport.position)); }

  /** The chosen notes begin on the grid, as long as they were. */
  quantise() {
    const { beats } = this.data;
    const moved = (row, onset) => ({ onset, offset: onset + row.offset - row.onset });
    if (beats) this.replace(this.chosen, (row) => moved(row, beats.snap(row.onset)));
  }

  louder(by) { this.replace(this.chosen, (row) => ({ velocity: Math.min(127, Math.max(1, row.velocity + by)) })); }
  setVelocity(velocity) { this.replace(this.chosen, () => ({ velocity: Math.min(127, Math.max(1, Math.round(velocity))) })); }
  switchHand() { this.replace(this.chosen, (row) => ({ hand: row.hand === LEFT ? RIGHT : LEFT })); }

  undo() { this.#step(this.draft.undo()); }
  redo() { this.#step(this.draft.redo()); }
  #step(ids) {
    if (!ids) return;
    this.#choose(ids);
    if (ids.length && this.state.selection.length) this.chooser.show(this.data.notes, this.state.selection[0]);
  }
}

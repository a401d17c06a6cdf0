// Finding and choosing notes.

/** Two lists of indices as one, rising. */
const together = (some, more) => [...new Set([...some, ...more])].sort((a, b) => a - b);

class Chooser {
  #ids = []; // of what is chosen, which stay while indices move

  constructor({ camera, state, data, draft, player, tell }) {
    Object.assign(this, { camera, state, data, draft, player, tell });
    draft.on(() => this.choose(draft.indicesOf(this.#ids)));
  }

  /** The note under a point, [Notes, index], or null. */
  noteAt(x, y) {
    const { camera, state, data } = this;
    if (x < KEYBOARD || y < RULER || y > camera.lanesTop) return null;
    const t = camera.time(x), pitch = camera.pitch(y), slack = 3 * camera.span / camera.rollWidth;
    const search = (notes, accept) => {
      let best = null;
      for (const i of notes.between(t - slack, t + slack)) {
        if (notes.pitch[i] !== pitch || !accept(notes.status[i])) continue;
        const inside = t >= notes.onset[i] - slack && t <= notes.end[i] + slack;
        if (inside || (state.mode !== "comparison" && best === null)) best = inside ? i : best ?? i;
      }
      return best === null ? null : [notes, best];
    };
    if (state.mode === "reference") return search(data.reference, () => true);
    const ghost = () => (state.correcting ? search(data.ghosts, () => true) : null);
    if (state.mode !== "comparison") return search(data.notes, () => true) || ghost();
    return search(data.notes, (s) => state.shownFates[s]) || ghost() ||
      search(data.reference, (s) => s === UNMATCHED && state.shownFates.missed);
  }

  hover(found) {
    const before = this.state.hover;
    if (found && before ? found[0] === before[0] && found[1] === before[1] : found === before) return;
    this.state.set({ hover: found });
  }

  choose(selection, selectedReference = [], ghost = null) {
    this.#ids = selection.map((i) => this.data.notes.rows[i].id);
    this.state.set({ selection, selectedReference, ghost });
    this.tell({ selection, selected_reference: selectedReference });
  }

  chooseOne(notes, i, hear = true) {
    if (notes === this.data.notes) this.choose([i]);
    else if (notes === this.data.ghosts) this.choose([], [], i);
    else this.choose([], [i]);
    this.show(notes, i);
    if (hear && !this.player.playing) this.player.audition(notes, i);
  }

  /** Adds a note to what is chosen, or takes it out. */
  toggleOne(i) {
    const { selection } = this.state;
    this.choose(selection.includes(i) ? selection.filter((j) => j !== i) : [...selection, i]);
  }

  chooseAll() { this.choose([...this.data.notes.rows.keys()]); }

  /** Brings a note into sight, and goes on from there. */
  show(notes, i) {
    this.remember(notes, i);
    this.camera.reveal(notes.onset[i]);
    this.camera.revealKey(notes.pitch[i]);
  }

  /** Stepping goes on from this note, until the playhead is moved. */
  remember(notes, i) { this.state.set({ place: notes.onset[i] }); }

  /** Chooses what lies in a box of pixels; with `add` besides what is chosen already. */
  chooseBox([x0, y0, x1, y1], add = false) {
    const { camera, state } = this, { notes, reference } = this.data;
    const [t0, t1, high, low] = [camera.time(x0), camera.time(x1), camera.pitch(y0), camera.pitch(y1)];
    const inside = (all, accept) => all.between(t0, t1)
      .filter((i) => all.end[i] > t0 && all.pitch[i] >= low && all.pitch[i] <= high && accept(all.status[i]));
    if (state.mode === "reference") this.choose([], inside(reference, () => true));
    else if (state.mode !== "comparison") this.choose(together(add ? state.selection : [], inside(notes, () => true)));
    else this.choose(inside(notes, (s) => state.shownFates[s]), state.shownFates.missed ? inside(reference, (s) => s === UNMATCHED) : []);
  }

  /** What is chosen first, [Notes, index], or null. */
  get first() {
    const { selection, selectedReference, ghost } = this.state;
    if (selection.length) return [this.data.notes, selection[0]];
    return selectedReference.length ? [this.data.reference, selectedReference[0]] : ghost !== null ? [this.data.ghosts, ghost] : null;
  }

  hear() { if (this.first) this.player.audition(...this.first); }

  /** The next (or previous) note; with `add` besides what is chosen already. */
  stepNote(step, add = false) {
    const ofReference = this.state.mode === "reference", notes = ofReference ? this.data.reference : this.data.notes;
    const chosen = ofReference ? this.state.selectedReference : this.state.selection;
    if (!notes.n) return;
    const beside = notes.firstFrom(this.state.place ?? this.player.position()) - (step < 0 ? 1 : 0);
    const from = chosen.length ? (step > 0 && add ? chosen.at(-1) : chosen[0]) + step : beside;
    const next = Math.min(notes.n - 1, Math.max(0, from));
    this.chooseOne(notes, next);
    if (add && !ofReference) this.choose(together(chosen, [next]));
  }

  /** Goes to the next (or previous) of what the comparison found wrong, round and round. */
  stepError(step) {
    const { notes, reference } = this.data, shown = this.state.shownFates;
    if (!reference) return;
    const errors = [];
    for (let i = 0; i < notes.n; i++) if (notes.status[i] > HIT) errors.push([notes, i]);
    for (let i = 0; i < reference.n; i++) if (reference.status[i] === UNMATCHED) errors.push([reference, i]);
    const wanted = errors.filter(([all, i]) => shown[all === reference ? "missed" : all.status[i]]);
    this.stepThrough(wanted.length ? wanted : errors, step);
  }

  /** What the network was unsure of: notes just over the threshold, and possible ones under it. */
  get doubtful() {
    const { notes, ghosts } = this.data, found = [];
    for (let i = 0; i < notes.n; i++) if (this.draft.isUnsure(i)) found.push([notes, i]);
    for (let i = 0; i < ghosts.n; i++) found.push([ghosts, i]);
    return found;
  }

  stepDoubt(step) { this.stepThrough(this.doubtful, step); }

  /** Chooses the one of `list` that follows what is chosen, or the playhead; from the last on to the first. */
  stepThrough(list, step) {
    if (!list.length) return;
    list.sort(([a, i], [b, j]) => a.onset[i] - b.onset[j]);
    const { first } = this;
    let at = first ? list.findIndex(([all, i]) => all === first[0] && i === first[1]) : -1;
    if (at < 0) {
      const here = first ? first[0].onset[first[1]] : this.state.place ?? this.player.position();
      const following = list.findIndex(([all, i]) => all.onset[i] >= here);
      at = (following < 0 ? list.length : following) - (step > 0 ? 1 : 0);
    }
    this.chooseOne(...list[(at + step + list.length) % list.length]);
  }
}

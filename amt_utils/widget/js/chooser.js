// Finding and choosing notes.

class Chooser {
  constructor({ camera, state, data, player, tell }) { Object.assign(this, { camera, state, data, player, tell }); }

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
    if (state.mode !== "comparison") return search(data.notes, () => true);
    return search(data.notes, (s) => state.shownFates[s]) || search(data.reference, (s) => s === UNMATCHED && state.shownFates.missed);
  }

  hover(found) {
    const before = this.state.hover;
    if (found && before ? found[0] === before[0] && found[1] === before[1] : found === before) return;
    this.state.set({ hover: found });
  }

  choose(selection, selectedReference = []) {
    this.state.set({ selection, selectedReference });
    this.tell({ selection, selected_reference: selectedReference });
  }

  chooseOne(notes, i, hear = true) {
    if (notes === this.data.notes) this.choose([i]);
    else this.choose([], [i]);
    this.camera.reveal(notes.onset[i]);
    this.camera.revealKey(notes.pitch[i]);
    if (hear && !this.player.playing) this.player.audition(notes, i);
  }

  /** Chooses what lies in a box of pixels. */
  chooseBox([x0, y0, x1, y1]) {
    const { camera, state } = this, { notes, reference } = this.data;
    const [t0, t1, high, low] = [camera.time(x0), camera.time(x1), camera.pitch(y0), camera.pitch(y1)];
    const inside = (all, accept) => all.between(t0, t1)
      .filter((i) => all.end[i] > t0 && all.pitch[i] >= low && all.pitch[i] <= high && accept(all.status[i]));
    if (state.mode === "reference") this.choose([], inside(reference, () => true));
    else if (state.mode !== "comparison") this.choose(inside(notes, () => true));
    else this.choose(inside(notes, (s) => state.shownFates[s]), state.shownFates.missed ? inside(reference, (s) => s === UNMATCHED) : []);
  }

  /** What is chosen first, [Notes, index], or null. */
  get first() {
    const { selection, selectedReference } = this.state;
    return selection.length ? [this.data.notes, selection[0]] : selectedReference.length ? [this.data.reference, selectedReference[0]] : null;
  }

  hear() { if (this.first) this.player.audition(...this.first); }

  stepNote(step) {
    const ofReference = this.state.mode === "reference", notes = ofReference ? this.data.reference : this.data.notes;
    const chosen = ofReference ? this.state.selectedReference : this.state.selection;
    if (!notes.n) return;
    const from = chosen.length ? chosen[0] + step : notes.firstFrom(this.player.position()) - (step < 0 ? 1 : 0);
    this.chooseOne(notes, Math.min(notes.n - 1, Math.max(0, from)));
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

  /** Chooses the one of `list` that follows what is chosen, or the playhead; from the last on to the first. */
  stepThrough(list, step) {
    if (!list.length) return;
    list.sort(([a, i], [b, j]) => a.onset[i] - b.onset[j]);
    const { first } = this;
    let at = first ? list.findIndex(([all, i]) => all === first[0] && i === first[1]) : -1;
    if (at < 0) {
      const here = first ? first[0].onset[first[1]] : this.player.position();
      const following = list.findIndex(([all, i]) => all.onset[i] >= here);
      at = (following < 0 ? list.length : following) - (step > 0 ? 1 : 0);
    }
    this.chooseOne(...list[(at + step + list.length) % list.length]);
  }
}

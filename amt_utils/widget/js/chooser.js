// Finding, choosing and describing notes.

class Chooser extends Panel {
  /** The note under a point, [Notes, index], or null. */
  noteAt(x, y) {
    const { view, painter } = this;
    if (x < KEYBOARD || y < RULER || y > painter.lanesTop) return null;
    const t = painter.time(x, view), pitch = painter.pitch(y, view), slack = 3 * view.span / painter.rollWidth;
    const search = (notes, accept) => {
      let best = null;
      for (const i of notes.between(t - slack, t + slack)) {
        if (notes.pitch[i] !== pitch || !accept(notes.status[i])) continue;
        const inside = t >= notes.onset[i] - slack && t <= notes.end[i] + slack;
        if (inside || (view.mode !== "comparison" && best === null)) best = inside ? i : best ?? i;
      }
      return best === null ? null : [notes, best];
    };
    if (view.mode === "reference") return search(this.data.reference, () => true);
    if (view.mode === "velocity") return search(this.data.notes, () => true);
    const shown = this.painter.shownStatus;
    return search(this.data.notes, (s) => shown[s]) || search(this.data.reference, (s) => s === UNMATCHED && shown.missed);
  }

  setHover(found) {
    const same = (this.state.hover || []).join() === (found || []).join();
    this.overlay.style.cursor = found ? "pointer" : this.cursor || "default";
    if (same && (this.state.hover === null) === (found === null)) return;
    this.state.hover = found;
    if (found) this.describe(...found);
    else this.describeSelection();
    this.redrawSoon();
  }

  choose(selection, selectedReference) {
    this.state.selection = selection;
    this.state.selectedReference = selectedReference;
    this.tell({ selection, selected_reference: selectedReference });
    this.describeSelection();
    this.redraw();
  }

  chooseOne(notes, i, hear = true) {
    if (notes === this.data.notes) this.choose([i], []);
    else this.choose([], [i]);
    this.reveal(notes.onset[i]);
    if (notes.pitch[i] > this.view.high) this.movePitch(notes.pitch[i] - this.view.high + 1);
    if (notes.pitch[i] < this.view.low) this.movePitch(notes.pitch[i] - this.view.low - 1);
    if (hear && !this.player.playing) this.player.audition(notes, i);
  }

  describeSelection() {
    if (this.lasting) return;
    const { selection, selectedReference } = this.state;
    if (selection.length + selectedReference.length > 1) this.say(this.words.selected(selection.length + selectedReference.length));
    else if (selection.length) this.describe(this.data.notes, selection[0]);
    else if (selectedReference.length) this.describe(this.data.reference, selectedReference[0]);
    else this.say(this.words.none);
  }

  describe(notes, i) {
    const w = this.words, estimate = notes === this.data.notes;
    const parts = [make("b", { class: "amt-name" }, pitchName(w, notes.pitch[i]))];
    const add = (label, value) => parts.push(make("span", {}, `${label} `, make("b", {}, value)));
    if (this.data.reference) {
      const kind = [null, ["hit", w.hit], ["wrong", w.wrongEnd], estimate ? ["extra", w.extra] : ["missed", w.missed]][notes.status[i]];
      if (kind) parts.push(make("span", { class: "amt-fate" }, make("i", { class: `amt-swatch amt-${kind[0]}` }), kind[1]));
    }
    add(w.begins, `${notes.onset[i].toFixed(3)} s`);
    add(w.lasts, `${(notes.end[i] - notes.onset[i]).toFixed(3)} s`);
    if (notes.sounding[i] > notes.end[i] + 0.005) add(w.rings, `${notes.sounding[i].toFixed(2)} s`);
    add(w.vel, String(notes.velocity[i]));
    const j = notes.partner[i];
    if (estimate && j >= 0) {
      const { reference } = this.data, signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x);
      const ms = (x) => signed(Math.round(1000 * x)) + " ms";
      add(w.against, `${w.begins} ${ms(notes.onset[i] - reference.onset[j])}, ${w.ends} ${ms(notes.end[i] - reference.end[j])}, ` +
        `${w.vel} ${signed(notes.velocity[i] - reference.velocity[j])}`);
    }
    this.inspector.replaceChildren(...parts);
  }

  stepNote(step) {
    const notes = this.view.mode === "reference" ? this.data.reference : this.data.notes;
    const chosen = this.view.mode === "reference" ? this.state.selectedReference : this.state.selection;
    if (!notes.n) return;
    const from = chosen.length ? chosen[0] + step : notes.firstFrom(this.player.position()) - (step < 0 ? 1 : 0);
    this.chooseOne(notes, Math.min(notes.n - 1, Math.max(0, from)));
  }

  stepError(step) {
    const { notes, reference } = this.data;
    if (!reference) return;
    if (!this.errors) {
      this.errors = [];
      for (let i = 0; i < notes.n; i++) if (notes.status[i] > HIT) this.errors.push([notes.onset[i], notes, i]);
      for (let i = 0; i < reference.n; i++) if (reference.status[i] === UNMATCHED) this.errors.push([reference.onset[i], reference, i]);
      this.errors.sort((a, b) => a[0] - b[0]);
    }
    if (!this.errors.length) return;
    const shown = this.errors.filter(([, all, i]) => this.painter.shownStatus[all === reference ? "missed" : all.status[i]]);
    const list = shown.length ? shown : this.errors;
    const chosen = this.state.selection.length ? [notes, this.state.selection[0]] : [reference, this.state.selectedReference[0]];
    let at = list.findIndex(([, all, i]) => all === chosen[0] && i === chosen[1]);
    if (at < 0) {
      const here = chosen[1] === undefined ? this.player.position() : chosen[0].onset[chosen[1]];
      const following = list.findIndex(([t]) => t >= here);
      at = (following < 0 ? list.length : following) - (step > 0 ? 1 : 0);
    }
    const [, all, i] = list[(at + step + list.length) % list.length];
    this.chooseOne(all, i);
  }
}

// The line below the roll: what is chosen or under the pointer, or a message.

class Inspector {
  constructor({ state, data, words, player, chooser }, uid) {
    Object.assign(this, { state, data, words, player, chooser, lasting: false });
    this.element = make("div", { class: "amt-inspector", id: `amt-inspector-${uid}`, "aria-live": "polite" });
    state.on(["hover", "selection", "selectedReference", "playing"], () => this.update());
  }

  /** Shows a text; a lasting one stays until the reader touches the roll. */
  say(text, lasting = false) {
    this.element.textContent = text;
    this.lasting = lasting;
  }

  release() { this.lasting = false; }

  update() {
    const { hover, selection, selectedReference } = this.state, { words } = this, count = selection.length + selectedReference.length;
    if (hover) return this.#describe(...hover);
    if (this.lasting) return;
    if (this.player.wanted && !this.player.playing) return this.say(words.decoding);
    if (count > 1) this.say(words.selected(count));
    else if (count) this.#describe(...this.chooser.first);
    else this.say(words.none);
  }

  #describe(notes, i) {
    const w = this.words, { reference } = this.data, estimate = notes === this.data.notes;
    const parts = [make("b", { class: "amt-name" }, pitchName(w, notes.pitch[i]))];
    const add = (label, value) => parts.push(make("span", {}, `${label} `, make("b", {}, value)));
    if (reference) {
      const kind = [null, ["hit", w.hit], ["wrong", w.wrongEnd], estimate ? ["extra", w.extra] : ["missed", w.missed]][notes.status[i]];
      if (kind) parts.push(make("span", { class: "amt-fate" }, make("i", { class: `amt-swatch amt-${kind[0]}` }), kind[1]));
    }
    add(w.begins, `${notes.onset[i].toFixed(3)} s`);
    add(w.lasts, `${(notes.end[i] - notes.onset[i]).toFixed(3)} s`);
    if (notes.sounding[i] > notes.end[i] + 0.005) add(w.rings, `${notes.sounding[i].toFixed(2)} s`);
    add(w.vel, String(notes.velocity[i]));
    const j = notes.partner[i];
    if (estimate && j >= 0) {
      const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x), ms = (x) => signed(Math.round(1000 * x)) + " ms";
      add(w.against, `${w.begins} ${ms(notes.onset[i] - reference.onset[j])}, ${w.ends} ${ms(notes.end[i] - reference.end[j])}, ` +
        `${w.vel} ${signed(notes.velocity[i] - reference.velocity[j])}`);
    }
    this.element.replaceChildren(...parts);
  }
}

// What the colours mean; in the comparison also which kinds are shown, and how many there are.

class Legend {
  constructor({ state, data, words, theme, chooser, draft }) {
    Object.assign(this, { state, data, words, theme, chooser, draft });
    this.element = make("div", { class: "amt-legend" });
    state.on(["mode"], () => this.update());
  }

  update() {
    this.element.replaceChildren(...(this.state.mode === "comparison" ? this.#fates() : this.#loudness()));
  }

  #loudness() {
    const w = this.words, { ramp } = this.theme;
    const swatch = (name, text) => make("span", { class: "amt-key" }, make("i", { class: `amt-swatch amt-${name}` }), text);
    const unsure = this.draft.knowsDoubt ? [swatch("unsure", w.unsure)] : [];
    if (this.state.mode === "hands") return [swatch("left", w.leftHand), swatch("right", w.rightHand), ...unsure];
    return [w.soft, make("span", { class: "amt-ramp", style: `background:linear-gradient(90deg,${ramp.join(",")})` }), w.loud,
      make("span", { class: "amt-key" }, make("i", { class: "amt-held", style: `--c:${ramp[10]}` }), w.tail), ...unsure];
  }

  #fates() {
    const w = this.words, { state, chooser } = this, { notes, reference } = this.data;
    const count = (all, status) => all.status.reduce((n, s) => n + (s === status), 0);
    const kinds = [["hit", w.hit, HIT, count(notes, HIT)], ["wrong", w.wrongEnd, WRONG_END, count(notes, WRONG_END)],
      ["missed", w.missed, "missed", count(reference, UNMATCHED)], ["extra", w.extra, UNMATCHED, count(notes, UNMATCHED)]];
    const buttons = kinds.map(([name, text, fate, n]) => {
      const button = make("button", {
        type: "button", class: "amt-kind", "aria-pressed": state.shownFates[fate],
        onclick: () => {
          state.set({ shownFates: { ...state.shownFates, [fate]: !state.shownFates[fate] } });
          button.setAttribute("aria-pressed", state.shownFates[fate]);
        },
      }, make("i", { class: `amt-swatch amt-${name}` }), `${text} `, make("b", {}, String(n)));
      return button;
    });
    return [...buttons, iconButton("previous", w.previousError, () => chooser.stepError(-1)),
      iconButton("next", w.nextError, () => chooser.stepError(1))];
  }
}

// The rows that open below the toolbar: correcting, practising, saving.

class Tray {
  constructor(state, name, label, ...groups) {
    this.element = make("div", { class: "amt-tray", role: "toolbar", "aria-label": label, hidden: "" },
      ...groups.map((group) => make("div", { class: "amt-group" }, ...group.filter(Boolean))));
    state.on([name], () => { this.element.hidden = !state[name]; });
  }
}

/** A button with a text. */
function textButton(text, hint, onclick, extra = {}) {
  return make("button", { type: "button", class: "amt-text", title: hint || text, onclick, ...extra }, text);
}

class CorrectTray extends Tray {
  constructor({ state, words: w, data, draft, editor, chooser }) {
    const undo = iconButton("undo", `${w.undo} (Ctrl+Z)`, () => editor.undo());
    const redo = iconButton("redo", `${w.redo} (Ctrl+Shift+Z)`, () => editor.redo());
    const remove = iconButton("remove", `${w.remove} (Del)`, () => editor.remove());
    const accept = iconButton("accept", `${w.accept} (Y)`, () => editor.accept());
    const hand = textButton(w.switchHand, `${w.switchHandHint} (H)`, () => editor.switchHand());
    const velocity = make("input", {
      type: "range", min: 1, max: 127, value: 64, "aria-label": w.velocity, title: `${w.velocity} (, .)`,
      onchange: () => editor.setVelocity(Number(velocity.value)),
    });
    const snap = data.beats ? textButton(w.snap, `${w.snapHint} (G)`, () => state.set({ snap: !state.snap })) : null;
    const quantise = data.beats ? textButton(w.quantise, `${w.quantiseHint} (Q)`, () => editor.quantise()) : null;
    const count = make("span", { class: "amt-count", role: "status" });
    const doubts = draft.knowsDoubt
      ? [iconButton("previous", `${w.previousDoubt} (Shift+D)`, () => chooser.stepDoubt(-1)), count,
        iconButton("next", `${w.nextDoubt} (D)`, () => chooser.stepDoubt(1))]
      : [make("span", {}, w.noDoubt)];
    const { candidates } = data.meta;
    const threshold = candidates && make("input", {
      type: "range", min: 0, max: 1, step: 0.01, "aria-label": w.sensitivity, title: `${w.sensitivityHint} (PgUp, PgDn)`,
      oninput: () => draft.setThreshold(CorrectTray.#threshold(Number(threshold.value), candidates)),
    });
    const add = iconButton("plus", `${w.add} (A)`, () => editor.addAtPlayhead());
    super(state, "correcting", w.correct, [undo, redo], [add, remove, accept], doubts,
      [make("label", { class: "amt-field" }, w.velocity, velocity), hand], [snap, quantise],
      threshold ? [make("label", { class: "amt-field" }, w.sensitivity, threshold)] : []);
    this.update = () => {
      const { selection } = state, none = selection.length === 0;
      undo.disabled = !draft.canUndo;
      redo.disabled = !draft.canRedo;
      for (const control of [hand, velocity, quantise]) if (control) control.disabled = none;
      remove.disabled = none && state.ghost === null;
      accept.disabled = remove.disabled && !state.selectedReference.length;
      if (!none) velocity.value = data.notes.velocity[selection[0]];
      snap?.setAttribute("aria-pressed", state.snap);
      count.textContent = w.doubtful(chooser.doubtful.length);
      if (threshold) threshold.value = CorrectTray.#sensitivity(draft.threshold, candidates);
    };
    state.on(["correcting", "selection", "selectedReference", "ghost", "snap"], () => state.correcting && this.update());
    draft.on(() => state.correcting && this.update());
  }

  /** The slider goes from few notes (threshold 1) on the left to all there are (the lowest) on the right. */
  static #threshold(sensitivity, { lowest }) { return 1 - sensitivity * (1 - lowest); }
  static #sensitivity(threshold, { lowest }) { return (1 - threshold) / (1 - lowest); }
}

class PractiseTray extends Tray {
  constructor({ state, words: w, data, transport }) {
    const turn = () => state.set({ layout: state.layout === "falling" ? "roll" : "falling" });
    const falling = textButton(w.falling, `${w.fallingHint} (F)`, turn);
    const hands = radioGroup(w.hands, [["both", w.bothHands], ["left", w.leftHand], ["right", w.rightHand]],
      (name) => transport.setHand({ both: null, left: LEFT, right: RIGHT }[name]));
    const onBeats = (text, hint, f) => (data.beats ? textButton(text, hint, f) : null);
    const metronome = onBeats(w.metronome, `${w.metronomeHint} (M)`, () => transport.setMetronome(!state.metronome));
    const counts = onBeats(w.countIn, `${w.countInHint} (I)`, () => transport.setCountIn(!state.countsIn));
    super(state, "practising", w.practise, [falling], [hands], [metronome, counts],
      [onBeats(w.loopBar, `${w.loopBarHint} (Shift+L)`, () => transport.loopBar()),
        onBeats(w.one, `${w.oneHint} (1)`, () => transport.thisIsOne())],
      data.beats ? [] : [make("span", {}, w.noBeats)]);
    const update = () => {
      falling.setAttribute("aria-pressed", state.layout === "falling");
      hands.choose(state.hand === null ? "both" : state.hand === LEFT ? "left" : "right");
      metronome?.setAttribute("aria-pressed", state.metronome);
      counts?.setAttribute("aria-pressed", state.countsIn);
    };
    state.on(["layout", "hand", "metronome", "countsIn"], update);
    update();
  }
}

class SaveTray extends Tray {
  constructor({ state, words: w, saver }) {
    const button = (kind) => textButton(...w.files[kind], () => saver.save(kind), { "data-kind": kind });
    super(state, "saving", w.save, saver.kinds.map(button));
  }
}

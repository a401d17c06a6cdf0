// What each key does.

/** Keys that a focused control needs for itself. */
const OWN_KEYS = {
  button: [" ", "Enter"],
  select: [" ", "Enter", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"],
  input: [" ", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"],
  div: ["ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"], // the list of keys scrolls
};

class Keys {
  constructor(roll) {
    this.roll = roll;
    const { transport, chooser, camera, state, data } = roll, seconds = (event) => (event.shiftKey ? 5 : 1);
    this.actions = {
      " ": () => transport.toggle(),
      ArrowLeft: (event) => transport.seek(transport.position - seconds(event)),
      ArrowRight: (event) => transport.seek(transport.position + seconds(event)),
      ArrowUp: () => camera.moveKeys(2), ArrowDown: () => camera.moveKeys(-2),
      Home: () => transport.seek(0), End: () => transport.seek(data.duration),
      "+": () => transport.zoom(1 / 1.6), "=": () => transport.zoom(1 / 1.6), "-": () => transport.zoom(1.6),
      0: () => camera.showAll(), Enter: () => chooser.hear(), Escape: () => roll.clear(),
      n: (event) => chooser.stepNote(1, event.shiftKey), p: (event) => chooser.stepNote(-1, event.shiftKey),
      d: (event) => this.#doubt(event.shiftKey ? -1 : 1), e: (event) => chooser.stepError(event.shiftKey ? -1 : 1),
      l: (event) => (event.shiftKey ? transport.loopBar() : transport.toggleLoop()),
      f: () => state.set({ layout: state.layout === "falling" ? "roll" : "falling" }), o: () => transport.follow(!state.following),
      k: () => roll.fitKeys(!camera.allKeys), s: () => this.#next("sound", transport.sounds, (s) => transport.setSound(s)),
      c: () => this.#next("mode", roll.modes, (mode) => state.set({ mode })),
      b: () => this.#next("background", [null, ...data.images.map((i) => i.name)], (background) => state.set({ background })),
      r: () => this.#next("hand", [null, RIGHT, LEFT], (hand) => transport.setHand(hand)),
      m: () => data.beats && transport.setMetronome(!state.metronome), i: () => data.beats && transport.setCountIn(!state.countsIn),
      1: () => transport.thisIsOne(), "?": () => state.set({ help: !state.help }),
      x: () => roll.openTray("correcting"), t: () => roll.openTray("practising"), w: () => roll.openTray("saving"),
    };
    this.corrections = this.#corrections(roll);
    this.withControl = { // and Ctrl or Cmd
      z: (event) => (event.shiftKey ? roll.editor.redo() : roll.editor.undo()), y: () => roll.editor.redo(), a: () => chooser.chooseAll(),
    };
  }

  /** While correcting; arrows move what is chosen, and seek where nothing is. */
  #corrections({ editor, state, draft, data }) {
    const chosen = (f) => (event) => (state.selection.length ? f(event) : false);
    const { candidates } = data.meta;
    const threshold = (by) => () => candidates && draft.setThreshold(Math.min(1, Math.max(candidates.lowest, draft.threshold + by)));
    return {
      Delete: () => editor.remove(), Backspace: () => editor.remove(), a: () => editor.addAtPlayhead(), y: () => editor.accept(),
      ArrowLeft: chosen((event) => (event.shiftKey ? editor.moveEnd(-1) : editor.move(-1, 0))),
      ArrowRight: chosen((event) => (event.shiftKey ? editor.moveEnd(1) : editor.move(1, 0))),
      ArrowUp: chosen((event) => editor.move(0, event.shiftKey ? 12 : 1)),
      ArrowDown: chosen((event) => editor.move(0, event.shiftKey ? -12 : -1)),
      "<": () => editor.moveStart(-1), ">": () => editor.moveStart(1), "[": () => editor.startHere(), "]": () => editor.endHere(),
      ",": () => editor.louder(-LOUDER), ".": () => editor.louder(LOUDER), h: () => editor.switchHand(), q: () => editor.quantise(),
      g: () => data.beats && state.set({ snap: !state.snap }), u: (event) => (event.shiftKey ? editor.redo() : editor.undo()),
      PageUp: threshold(-0.05), PageDown: threshold(0.05),
    };
  }

  /** Goes round through the values of what `name` is in the state. */
  #next(name, values, set) { set(values[(values.indexOf(this.roll.state[name]) + 1) % values.length]); }

  #doubt(step) {
    const { draft, chooser, inspector, words, state } = this.roll;
    if (!draft.knowsDoubt) return inspector.say(words.noDoubt, true);
    if (!state.correcting) this.roll.openTray("correcting");
    chooser.stepDoubt(step);
  }

  press(event) {
    const control = event.target.closest?.("button, select, input, .amt-help")?.localName, { state } = this.roll;
    if (event.altKey || OWN_KEYS[control]?.includes(event.key) || (control === "select" && event.key.length === 1)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    let handled;
    if (event.ctrlKey || event.metaKey) handled = state.correcting && this.withControl[key] && this.withControl[key](event) !== false;
    else {
      const own = state.correcting && this.corrections[key];
      handled = own && own(event) !== false;
      if (!handled && this.actions[key]) {
        this.actions[key](event);
        handled = true;
      } else if (!handled && this.corrections[key] && !state.correcting) this.roll.inspector.say(this.roll.words.pressX);
    }
    if (!handled) return;
    this.roll.inspector.release();
    event.preventDefault();
    event.stopPropagation(); // the notebook has its own meaning for these keys
  }
}

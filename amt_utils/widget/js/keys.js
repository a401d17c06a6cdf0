// What each key does.

/** Keys that a focused control needs for itself. */
const OWN_KEYS = {
  button: [" ", "Enter"],
  select: [" ", "Enter", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"],
  input: [" ", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"],
};

class Keys {
  constructor(roll) {
    this.roll = roll;
    const { transport, chooser, camera, state } = roll, second = (event) => (event.shiftKey ? 5 : 1);
    this.actions = {
      " ": () => transport.toggle(),
      ArrowLeft: (event) => transport.seek(transport.position - second(event)),
      ArrowRight: (event) => transport.seek(transport.position + second(event)),
      ArrowUp: () => camera.moveKeys(2), ArrowDown: () => camera.moveKeys(-2),
      Home: () => transport.seek(0), End: () => transport.seek(roll.data.duration),
      "+": () => transport.zoom(1 / 1.6), "=": () => transport.zoom(1 / 1.6), "-": () => transport.zoom(1.6),
      0: () => camera.showAll(), n: () => chooser.stepNote(1), p: () => chooser.stepNote(-1), l: () => transport.toggleLoop(),
      e: (event) => chooser.stepError(event.shiftKey ? -1 : 1), f: () => transport.follow(!state.following),
      k: () => roll.fitKeys(!camera.allKeys), s: () => this.#next("sound", transport.sounds, (s) => transport.setSound(s)),
      c: () => this.#next("mode", roll.modes, (mode) => state.set({ mode })),
      b: () => this.#next("background", [null, ...roll.data.images.map((i) => i.name)], (background) => state.set({ background })),
      "?": () => state.set({ help: !state.help }), Escape: () => roll.clear(), Enter: () => chooser.hear(),
    };
  }

  /** Goes round through the values of what `name` is in the state. */
  #next(name, values, set) { set(values[(values.indexOf(this.roll.state[name]) + 1) % values.length]); }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const control = event.target.closest?.("button, select, input")?.localName;
    if (OWN_KEYS[control]?.includes(event.key) || (control === "select" && event.key.length === 1)) return;
    const action = this.actions[event.key] || this.actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has its own meaning for these keys
    action(event);
  }
}

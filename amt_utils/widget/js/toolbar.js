// The row of controls above the roll.

const SPEEDS = [0.5, 0.6, 0.75, 0.9, 1, 1.25, 1.5];

class Toolbar {
  constructor(roll) {
    const { words: w, data, state, camera, player, transport } = roll;
    Object.assign(this, { words: w, data, state, camera, player });
    this.play = iconButton("play", w.play, () => transport.toggle(), { class: "amt-button amt-play" });
    this.loop = iconButton("loop", w.loop, () => transport.toggleLoop());
    this.time = make("div", { class: "amt-time", role: "timer", "aria-live": "off" });
    const hints = { both: w.bothHint };
    this.sound = transport.sounds.length > 1
      ? radioGroup(w.sound, transport.sounds.map((name) => [name, w[name], hints[name]]), (s) => transport.setSound(s)) : null;
    const speed = selectBox(w.speed, SPEEDS.map((r) => [r, `${r}×`]), 1, (r) => player.change({ rate: Number(r) }));
    this.background = data.images.length
      ? selectBox(w.behind, [["", w.nothing], ...data.images.map((i) => [i.name, w[i.name] || i.name])], "",
        (name) => state.set({ background: name || null }))
      : null;
    const volume = make("input", {
      type: "range", min: 0, max: 1, step: 0.02, value: 1, "aria-label": w.volume, title: w.volume,
      oninput: () => player.setVolume(Number(volume.value)),
    });
    this.follow = iconButton("follow", w.follow, () => transport.follow(!state.following));
    this.keys = iconButton("keys", w.keys, () => roll.fitKeys(!camera.allKeys));
    this.score = roll.sheet ? iconButton("score", w.score, () => state.set({ score: !state.score })) : null;
    const field = (text, control) => control ? [make("label", { class: "amt-field" }, text, control)] : [];
    this.element = make("div", { class: "amt-toolbar", role: "toolbar", "aria-label": w.roll },
      make("div", { class: "amt-group" }, iconButton("start", w.start, () => transport.seek(0)), this.play, this.loop, this.time),
      ...(this.sound ? [this.sound] : []),
      make("div", { class: "amt-group" }, speed, ...field(make("span", {}, w.behind), this.background), ...field(icon("volume"), volume)),
      make("div", { class: "amt-group amt-right" },
        iconButton("minus", w.zoomOut, () => transport.zoom(1.6)), iconButton("plus", w.zoomIn, () => transport.zoom(1 / 1.6)),
        iconButton("fit", w.fit, () => camera.showAll()), this.keys, this.follow, ...(this.score ? [this.score] : []),
        iconButton("full", w.fullscreen, () => roll.toggleFullscreen()),
        iconButton("help", w.help, () => state.set({ help: !state.help }))));
    state.on(["playing", "sound", "loop", "following", "background", "score", "allKeys"], () => this.update());
  }

  update() {
    const { state, words: w } = this;
    setIcon(this.play, state.playing ? "pause" : "play", state.playing ? w.pause : w.play);
    this.sound?.choose(state.sound);
    if (this.background) this.background.value = state.background || "";
    const pressed = (button, on) => button?.setAttribute("aria-pressed", Boolean(on));
    pressed(this.loop, state.loop);
    pressed(this.follow, state.following);
    pressed(this.keys, this.camera.allKeys);
    pressed(this.score, state.score);
  }

  showTime(text) { if (this.time.textContent !== text) this.time.textContent = text; }
}

/** The title, what can be done, what is compared, and how the notes are coloured. */
class Header {
  constructor(roll, level) {
    const { words: w, data, state } = roll;
    const { meta, notes, duration } = data, about = `${w.notes(notes.n)} · ${clock(duration, 0)}`;
    Object.assign(this, { words: w, data });
    this.mode = radioGroup(w.colour, roll.modes.map((mode) => [mode, w[mode]]), (mode) => state.set({ mode }));
    const trays = [["correcting", "correct", "X"], ["practising", "practise", "T"], ["saving", "save", "W"]].map(([tray, name, key]) => {
      const button = make("button", {
        type: "button", class: "amt-open", title: `${w[name]} (${key})`, "aria-label": w[name], "aria-expanded": "false",
        onclick: () => roll.openTray(tray),
      }, icon(name), make("span", {}, w[name]));
      state.on([tray], () => button.setAttribute("aria-expanded", state[tray]));
      return button;
    });
    this.scores = make("span", { class: "amt-scores" });
    this.about = make("span", { class: "amt-about" }, about);
    this.element = make("header", { class: "amt-header" }, make(level, { class: "amt-title" }, meta.title || w.roll),
      this.about, make("div", { class: "amt-opens" }, ...trays), make("div", { class: "amt-modes" }, this.scores, this.mode));
    state.on(["mode"], () => this.mode.choose(state.mode));
    this.mode.choose(state.mode);
    this.update();
  }

  update() {
    const { notes, reference, duration } = this.data, w = this.words;
    this.about.textContent = `${w.notes(notes.n)} · ${clock(duration, 0)}`;
    if (!reference) return;
    let [found, right] = [0, 0];
    for (const status of notes.status) {
      found += status !== UNMATCHED;
      right += status === HIT;
    }
    const f1 = (pairs) => (200 * pairs / Math.max(1, notes.n + reference.n)).toFixed(1) + " %";
    const metric = (text, pairs) => make("span", {}, text + " ", make("b", {}, f1(pairs)));
    this.scores.replaceChildren(metric(w.noteF1, found), metric(w.endF1, right));
  }
}

// The piano roll: it makes its parts, puts them together, and draws when something changed. Entry points: `render`
// (live, called by anywidget) and `mountPage` (saved page).

/** What changes only the upper canvas. */
const OVERLAID = new Set(["hover", "box", "preview", "selection", "selectedReference", "ghost", "place", "moved", "lit"]);

class RollView {
  constructor(model, element, { page = false } = {}) {
    this.model = model;
    this.page = page; // alone on its page, rather than in a notebook
    const data = this.data = readModel(model), { meta } = data;
    this.words = wordsFor(meta.language);
    this.tell = (values) => this.#tell(values);
    this.modes = ["velocity", "hands", ...(data.reference ? ["comparison", "reference"] : [])];
    this.draft = new Draft(data, model.get("corrections") || {});
    this.player = new Player(data, { onMessage: (key) => this.inspector.say(this.words[key], true) });
    this.state = new Store({
      selection: [], selectedReference: [], ghost: null, place: null, hover: null, preview: null, box: null,
      playing: false, sound: this.player.sound, lit: false, loop: null,
      mode: data.reference ? "comparison" : "velocity", following: true, help: false, score: Boolean(data.score),
      layout: "roll", correcting: false, practising: false, saving: false, snap: false, hand: null, metronome: false, countsIn: false,
      background: data.images.some((image) => image.name === meta.background) ? meta.background : null,
      shownFates: { [HIT]: true, [WRONG_END]: true, [UNMATCHED]: true, missed: true },
    });
    this.camera = new Camera(data.duration, 12, data.pedals.kinds.length, () => this.#viewChanged());
    this.transport = new Transport(this);
    this.chooser = new Chooser(this);
    this.editor = new Editor(this);
    this.#build(element);
    this.draft.on(() => this.#corrected());
    this.state.on(null, (changed) => this.#stateChanged(changed));
    this.#listen();
    this.#applyTheme();
    this.fitKeys(false);
    this.inspector.update();
    this.toolbar.update();
  }

  #build(element) {
    const { words: w, data } = this, { meta } = data, uid = Math.random().toString(36).slice(2, 8);
    this.canvas = make("canvas", { class: "amt-canvas", "aria-hidden": "true" });
    this.overlay = make("canvas", {
      class: "amt-canvas amt-overlay", tabindex: 0, role: "application", "aria-label": w.canvas(data.notes.n, clock(data.duration)),
      "aria-describedby": `amt-inspector-${uid}`,
    }, w.canvas(data.notes.n, clock(data.duration)));
    this.overview = make("canvas", {
      class: "amt-overview", tabindex: 0, role: "slider", "aria-label": w.overview,
      "aria-valuemin": 0, "aria-valuemax": data.duration.toFixed(1),
    });
    this.stage = make("div", { class: "amt-stage", style: meta.height ? `height:${meta.height}px` : "" }, this.canvas, this.overlay);
    this.help = make("div", { class: "amt-help", tabindex: 0, role: "dialog", "aria-label": w.help, hidden: "" }, 
      ...[[w.help, w.helpRows], [w.practise, w.practiseRows], [w.correct, w.correctRows]].flatMap(([title, rows]) => [make("strong", {}, title),
        make("dl", {}, ...rows.flatMap(([key, text]) => [make("dt", {}, key), make("dd", {}, text)]))]));
    this.root = make("section", { class: "amt-roll", "aria-label": `${w.roll}${meta.title ? ": " + meta.title : ""}` });
    this.theme = new Theme(this.root, meta.theme);
    this.painter = new Painter(this, this, () => this.redraw());
    this.inspector = new Inspector(this, uid);
    this.legend = new Legend(this);
    this.sheet = data.score ? new Sheet(this) : null;
    this.saver = new Saver(this);
    this.trays = [new CorrectTray(this), new PractiseTray(this), new SaveTray(this)];
    this.header = new Header(this, this.page ? "h1" : "div");
    this.toolbar = new Toolbar(this);
    this.keys = new Keys(this);
    this.pointers = [new Pointer(this, this.overlay), new FallingPointer(this, this.overlay), new StripPointer(this, this.overview)];
    this.root.append(this.header.element, this.toolbar.element, ...this.trays.map((tray) => tray.element), this.stage, this.overview,
      ...(this.sheet ? [this.sheet.element] : []),
      make("footer", { class: "amt-footer" }, this.inspector.element, this.legend.element), this.help);
    element.append(this.root);
  }

  // ---- listening ------------------------------------------------------------------------------------------

  #listen() {
    this.cleanups = [];
    const on = (target, name, f, options) => {
      target.addEventListener(name, f, options);
      this.cleanups.push(() => target.removeEventListener(name, f, options));
    };
    on(this.page ? document : this.root, "keydown", (event) => this.keys.press(event));
    this.pointers.forEach((pointer) => pointer.listen(on));
    on(this.root, "click", (event) => { // after a click on a button the roll has the keys again
      if (event.detail && event.target.closest("button")) this.overlay.focus({ preventScroll: true });
    });
    on(window, "amt-piano-plays", (event) => event.detail !== this.player && this.player.pause());
    on(document, "fullscreenchange", () => this.redraw());
    on(matchMedia("(prefers-color-scheme: dark)"), "change", () => this.#applyTheme());
    const themes = new MutationObserver(() => this.#applyTheme());
    for (const element of [document.documentElement, document.body])
      themes.observe(element, { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "theme", "data-theme"] });
    const sizes = new ResizeObserver(() => {
      this.sheet?.resized();
      this.redraw();
    });
    sizes.observe(this.stage);
    const command = (message) => this.#obey(message);
    this.model.on("msg:custom", command);
    this.cleanups.push(() => themes.disconnect(), () => sizes.disconnect(), () => this.model.off("msg:custom", command));
  }

  dispose() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.viewTimer);
    this.player.dispose();
    this.sheet?.dispose();
    this.cleanups.forEach((f) => f());
    this.root.remove();
  }

  #applyTheme() {
    if (!this.theme.update()) return;
    this.painter.forget();
    this.legend.update();
    this.redraw();
  }

  #stateChanged(changed) {
    const { state } = this;
    this.help.hidden = !state.help;
    if (changed.includes("help")) (state.help ? this.help : this.overlay).focus({ preventScroll: true });
    for (const name of ["mode", "layout"]) this.root.dataset[name] = state[name];
    this.root.classList.toggle("amt-correcting", state.correcting);
    if (changed.includes("mode")) this.painter.strip.forget();
    if (state.layout === "roll" && changed.every((name) => OVERLAID.has(name))) this.redrawMoving();
    else this.redraw();
  }

  #corrected() {
    this.state.set({ hover: null });
    this.painter.strip.forget();
    this.header.update();
    this.legend.update();
    this.overlay.setAttribute("aria-label", this.words.canvas(this.data.notes.n, clock(this.data.duration)));
    this.tell({ corrections: this.draft.corrections });
    if (this.player.playing && this.player.sound !== "recording") this.player.change({}); // other notes to come
    this.redraw();
  }

  /** Opens one of the rows below the toolbar, or closes it. */
  openTray(name) {
    const trays = { correcting: false, practising: false, saving: false }, wasInside = this.root.querySelector(".amt-tray :focus");
    this.state.set({ ...trays, [name]: !this.state[name], hover: null });
    if (this.state.saving) this.trays.at(-1).element.querySelector("button").focus();
    else if (wasInside) this.overlay.focus({ preventScroll: true });
  }

  #viewChanged() {
    const { camera } = this;
    clearTimeout(this.viewTimer);
    this.viewTimer = setTimeout(() => this.tell({ view: [camera.start, camera.end] }), 150);
    this.redraw();
  }

  /** Orders from Python. */
  #obey({ type, value }) {
    const { transport } = this;
    if (type === "seek") transport.seek(value);
    else if (type === "play") this.player.play();
    else if (type === "pause") this.player.pause();
    else if (type === "sound") transport.setSound(value);
    else if (type === "mode") this.state.set({ mode: value });
    else if (type === "loop") transport.setLoop(value && value.length ? value : null);
    else if (type === "view") this.camera.show(value[0], value[1] - value[0]);
    else if (type === "select") this.chooser.choose(value);
  }

  #tell(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }

  fitKeys(every) {
    this.camera.fitKeys([this.data.notes, this.data.reference].filter(Boolean), every);
    this.state.set({ allKeys: every });
  }

  /** Escape: help away, then the selection, then the loop. */
  clear() {
    if (this.state.help) return this.state.set({ help: false });
    if (this.state.loop && !this.chooser.first) this.transport.setLoop(null);
    this.chooser.choose([]);
  }

  toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  // ---- drawing --------------------------------------------------------------------------------------------

  redraw() {
    this.dirty = true;
    this.redrawMoving();
  }

  redrawMoving() { this.frame ??= requestAnimationFrame(() => this.#draw()); }

  #draw() {
    this.frame = null;
    if (this.root.isConnected && !this.theme.name) this.#applyTheme();
    if (!this.root.isConnected || !this.theme.name) { // not in the page yet, or before its style sheet
      setTimeout(() => this.redraw(), 50);
      return;
    }
    const began = performance.now(), { state, camera } = this, position = this.player.position();
    if (this.painter.resize()) this.dirty = true;
    const dragged = this.pointers.some((pointer) => pointer.drag);
    if (state.playing && state.following && !dragged && camera.follow(position)) this.dirty = true;
    if (state.layout === "falling" && position !== this.painted) this.dirty = true;
    this.painted = position;
    if (this.dirty) this.painter.paint(position);
    this.dirty = false;
    this.painter.paintMoving(position);
    if (state.playing || state.lit) this.sheet?.update(position);
    this.#showTime(position);
    this.drawMilliseconds = performance.now() - began;
    if (state.playing) this.redrawMoving();
  }

  #showTime(position) {
    const text = `${clock(position)} / ${clock(this.data.duration)}`, now = performance.now(), { playing } = this.state;
    this.toolbar.showTime(text);
    if (playing && now - (this.told || 0) > 100) {
      this.told = now;
      this.tell({ playhead: position });
    }
    if (now - (this.valued || 0) > 500 || !playing) {
      this.valued = now;
      this.overview.setAttribute("aria-valuenow", position.toFixed(1));
      this.overview.setAttribute("aria-valuetext", text);
    }
  }
}

function render({ model, el }) {
  const view = new RollView(model, el);
  return () => view.dispose();
}

/** A saved page: the same view on a model read from the page itself. */
function mountPage(element = document.getElementById("amt-root")) {
  const state = JSON.parse(document.getElementById("amt-state").textContent);
  for (const name of BINARIES) state[name] = document.getElementById(`amt${name}`).textContent;
  window.amtPiano = new RollView(new PageModel(state), element, { page: true });
}

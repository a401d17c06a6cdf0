// The widget: toolbar, canvases, keys and pointers, and what Python hears about. Entry points: `render` (live,
// called by anywidget) and `mountPage` (saved page).

class RollView extends Gestures {
  constructor(model, element) {
    super();
    this.model = model;
    this.data = readModel(model);
    const { meta } = this.data;
    this.words = wordsFor(meta.language);
    this.player = new Player(this.data, {
      onState: () => this.stateChanged(),
      onMessage: (key) => this.say(this.words[key], true),
    });
    this.state = { selection: [], selectedReference: [], hover: null, box: null, playing: false, lit: false };
    this.following = true;
    this.view = {
      start: 0, span: Math.min(this.data.duration, 12), low: 21, high: 108, loop: null,
      mode: this.data.reference ? "comparison" : "velocity",
      background: this.data.images.some((i) => i.name === meta.background) ? meta.background : null,
    };
    this.build(element);
    this.painter = new Painter(this.data, this.words, this.canvas, this.overlay, this.overview);
    this.painter.onLoaded = () => this.redraw();
    this.fitKeys(false);
    this.listen();
    this.applyTheme();
    this.describeSelection();
    this.refreshControls();
    this.redraw();
  }

  // ---- listening ------------------------------------------------------------------------------------------

  listen() {
    this.cleanups = [];
    const on = (target, name, f, options) => {
      target.addEventListener(name, f, options);
      this.cleanups.push(() => target.removeEventListener(name, f, options));
    };
    on(this.root, "keydown", (event) => this.onKey(event));
    on(this.overlay, "pointerdown", (event) => this.onDown(event));
    on(this.overlay, "pointermove", (event) => this.onMove(event));
    on(this.overlay, "pointerup", (event) => this.onUp(event));
    on(this.overlay, "pointercancel", (event) => this.onUp(event, true));
    on(this.overlay, "pointerleave", () => this.setHover(null));
    on(this.overlay, "wheel", (event) => this.onWheel(event), { passive: false });
    on(this.overview, "pointerdown", (event) => this.onOverview(event));
    on(window, "amt-piano-plays", (event) => event.detail !== this.player && this.player.pause());
    on(document, "fullscreenchange", () => this.redraw());
    on(matchMedia("(prefers-color-scheme: dark)"), "change", () => this.applyTheme());
    const themes = new MutationObserver(() => this.applyTheme());
    for (const element of [document.documentElement, document.body])
      themes.observe(element, { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "theme", "data-theme"] });
    const sizes = new ResizeObserver(() => {
      if (this.score) this.score.system = null; // its lines lie elsewhere now
      this.redraw();
    });
    sizes.observe(this.stage);
    const command = (message) => this.obey(message);
    this.model.on("msg:custom", command);
    this.cleanups.push(() => themes.disconnect(), () => sizes.disconnect(), () => this.model.off("msg:custom", command));
  }

  dispose() {
    cancelAnimationFrame(this.frame);
    this.player.dispose();
    this.cleanups.forEach((f) => f());
    this.root.remove();
  }

  /** JupyterLab, VS Code and Colab say which theme they wear; elsewhere the system does. */
  applyTheme() {
    const wanted = this.data.meta.theme, body = document.body, html = document.documentElement;
    const said = body.dataset.jpThemeLight !== undefined ? (body.dataset.jpThemeLight === "true" ? "light" : "dark")
      : body.classList.contains("vscode-dark") ? "dark" : body.classList.contains("vscode-light") ? "light"
        : html.getAttribute("theme");
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const theme = wanted !== "auto" ? wanted : ["dark", "light"].includes(said) ? said : system;
    if (this.root.dataset.theme === theme) return;
    this.root.dataset.theme = theme;
    this.painter.setTheme(this.root, theme);
    this.buildLegend();
    this.redraw();
  }

  /** Orders from Python. */
  obey({ type, value }) {
    if (type === "seek") this.seek(value);
    else if (type === "play") this.player.play();
    else if (type === "pause") this.player.pause();
    else if (type === "sound") this.setSound(value);
    else if (type === "mode") this.setMode(value);
    else if (type === "loop") this.setLoop(value && value.length ? value : null);
    else if (type === "view") this.setView(value[0], value[1] - value[0]);
    else if (type === "select") this.choose(value, []);
  }

  tell(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }

  say(text, lasting = false) {
    this.inspector.textContent = text;
    this.lasting = lasting;
  }

  // ---- time and view --------------------------------------------------------------------------------------

  stateChanged() {
    this.state.playing = this.player.playing;
    if (this.playButton) {
      setIcon(this.playButton, this.player.playing ? "pause" : "play", this.player.playing ? this.words.pause : this.words.play);
      this.refreshControls();
      this.tell({ playing: this.player.playing, playhead: this.player.position() });
      this.redraw();
    }
  }

  refreshControls() {
    this.soundChoice?.choose(this.player.sound);
    this.modeChoice?.choose(this.view.mode);
    this.loopButton.setAttribute("aria-pressed", Boolean(this.view.loop));
    this.followButton.setAttribute("aria-pressed", this.following);
    if (this.backgroundSelect) this.backgroundSelect.value = this.view.background || "";
  }

  togglePlay() {
    if (this.player.playing || this.player.wanted) return this.player.pause();
    if (!this.player.recording && this.data.audio && this.player.sound !== "midi") this.say(this.words.decoding);
    this.following = true;
    this.state.lit = true;
    this.player.play().then(() => this.describeSelection());
  }

  seek(seconds) {
    this.state.lit = true;
    this.player.seek(seconds);
    this.reveal(this.player.position());
  }

  reveal(seconds) {
    const { view } = this;
    if (seconds < view.start || seconds > view.start + view.span * 0.97) this.setView(seconds - view.span * 0.3, view.span);
    else this.redraw();
  }

  setView(start, span) {
    const { view } = this, most = this.data.duration;
    view.span = Math.min(most, Math.max(0.25, span));
    view.start = Math.min(Math.max(0, most - view.span), Math.max(0, start));
    clearTimeout(this.viewTimer);
    this.viewTimer = setTimeout(() => this.tell({ view: [view.start, view.start + view.span] }), 150);
    this.redraw();
  }

  zoom(factor, around = null) {
    const { view } = this, here = this.player.position();
    const inside = here >= view.start && here <= view.start + view.span;
    const centre = around ?? (inside ? here : view.start + view.span / 2);
    const span = Math.min(this.data.duration, Math.max(0.25, view.span * factor));
    this.setView(centre - (centre - view.start) * span / view.span, span);
  }

  showAll() { this.setView(0, this.data.duration); }

  fitKeys(all) {
    this.allKeys = all;
    let low = 127, high = 0;
    for (const notes of [this.data.notes, this.data.reference])
      if (notes) for (const p of notes.pitch) [low, high] = [Math.min(low, p), Math.max(high, p)];
    if (low > high) [low, high] = [48, 84];
    [low, high] = [low - 2, high + 2];
    const lacking = Math.max(0, 36 - (high - low + 1)); // at least three octaves
    [low, high] = [low - Math.floor(lacking / 2), high + Math.ceil(lacking / 2)];
    [this.view.low, this.view.high] = all ? [21, 108] : [Math.max(21, low), Math.min(108, high)];
    this.keysButton.setAttribute("aria-pressed", all);
    this.redraw();
  }

  movePitch(steps) {
    const { view } = this, room = steps > 0 ? 108 - view.high : view.low - 21;
    const by = Math.sign(steps) * Math.min(Math.abs(steps), room);
    [view.low, view.high] = [view.low + by, view.high + by];
    this.redraw();
  }

  zoomKeys(factor) {
    const { view } = this, rows = view.high - view.low + 1;
    const wanted = Math.min(88, Math.max(12, Math.round(rows * factor)));
    view.low = Math.max(21, Math.min(109 - wanted, view.low + Math.round((rows - wanted) / 2)));
    view.high = view.low + wanted - 1;
    this.redraw();
  }

  setFollow(follow) {
    this.following = follow;
    if (follow) this.reveal(this.player.position());
    this.refreshControls();
  }

  setLoop(range) {
    const loop = range && [Math.max(0, Math.min(...range)), Math.min(this.data.duration, Math.max(...range))];
    this.view.loop = loop && loop[1] - loop[0] >= 0.1 ? loop : null;
    this.player.change({ loop: this.view.loop });
    this.tell({ loop: this.view.loop || [] });
    this.refreshControls();
    this.redraw();
  }

  toggleLoop() {
    if (this.view.loop) return this.setLoop(null);
    const { notes } = this.data, chosen = this.state.selection;
    if (chosen.length > 1) this.setLoop([Math.min(...chosen.map((i) => notes.onset[i])), Math.max(...chosen.map((i) => notes.end[i]))]);
    else this.setLoop([this.view.start, this.view.start + this.view.span]);
    if (this.player.position() < this.view.loop[0] || this.player.position() > this.view.loop[1]) this.seek(this.view.loop[0]);
  }

  setSound(sound) {
    const known = this.data.audio ? ["recording", "midi", "both"] : ["midi"];
    if (this.data.reference) known.push("reference");
    if (known.includes(sound)) this.player.change({ sound });
  }

  setMode(mode) {
    if (!this.data.reference) return;
    this.view.mode = mode;
    this.buildLegend();
    this.refreshControls();
    this.redraw();
  }

  setBackground(name) {
    this.view.background = name;
    this.refreshControls();
    this.redraw();
  }

  toggleScore() {
    this.score.element.hidden = !this.score.element.hidden;
    this.scoreButton.setAttribute("aria-pressed", !this.score.element.hidden);
    this.redraw();
  }

  toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  toggleHelp(show = this.help.hidden) { this.help.hidden = !show; }

  // ---- drawing --------------------------------------------------------------------------------------------

  redraw() {
    this.dirty = true;
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = null;
    if (!this.root.isConnected) { // not in the page yet; its size and colours come with it
      setTimeout(() => this.redraw(), 50);
      return;
    }
    const began = performance.now();
    const position = this.player.position(), { view } = this;
    if (this.painter.resize()) this.dirty = true;
    if (this.player.playing && this.following && !this.drag) {
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches; // turn pages rather than scroll
      const wanted = still ? (position < view.start || position > view.start + view.span * 0.95 ? position - view.span * 0.05 : view.start)
        : position - view.span * 0.35;
      const start = Math.min(Math.max(0, this.data.duration - view.span), Math.max(0, wanted));
      if (Math.abs(start - view.start) > 1e-6) {
        view.start = start;
        this.dirty = true;
      }
    }
    if (this.dirty) this.painter.paint(view);
    this.dirty = false;
    this.painter.paintOverlay(view, position, this.state);
    this.painter.paintOverview(view, position);
    if (this.player.playing || this.state.lit) this.score?.update(position);
    this.showTime(position);
    this.drawMilliseconds = performance.now() - began;
    if (this.player.playing) this.redrawSoon();
  }

  redrawSoon() { this.frame ??= requestAnimationFrame(() => this.draw()); }

  showTime(position) {
    const text = `${clock(position)} / ${clock(this.data.duration)}`;
    if (this.time.textContent !== text) this.time.textContent = text;
    const now = performance.now();
    if (this.player.playing && now - (this.told || 0) > 100) {
      this.told = now;
      this.tell({ playhead: position });
    }
    if (now - (this.valued || 0) > 500 || !this.player.playing) {
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
function mountPage() {
  const state = JSON.parse(document.getElementById("amt-state").textContent);
  for (const name of ["_notes", "_reference", "_pedals", "_audio", "_images", "_score"])
    state[name] = document.getElementById(`amt${name}`).textContent;
  const model = new PageModel(state);
  window.amtPiano = new RollView(model, document.getElementById("amt-root"));
}

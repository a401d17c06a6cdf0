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

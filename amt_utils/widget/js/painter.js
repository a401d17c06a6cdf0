// The canvases. One holds what moves only with the window (grid, spectrum, notes, pedals, keyboard), one above it
// what moves with time (playhead, lit keys, selection), a third the whole piece. Only notes in sight are touched.

class Painter {
  constructor(roll, { canvas, overlay, overview }, onLoaded) {
    Object.assign(this, { camera: roll.camera, theme: roll.theme, data: roll.data, state: roll.state, canvas, overlay, overview });
    this.grid = new Grid(roll);
    this.background = new Background(roll, onLoaded);
    this.bars = new Bars(roll);
    this.falling = new Falling(roll, this.bars);
    this.fates = new Fates(roll);
    this.lanes = new PedalLanes(roll);
    this.keyboard = new Keyboard(roll);
    this.moving = new Overlay(roll, this.keyboard);
    this.strip = new Strip(roll, this.bars);
  }

  /** After other colours: everything that was kept as a picture is made anew. */
  forget() {
    this.background.forget();
    this.strip.forget();
  }

  /** Fits the canvases' pixels to their boxes; true when something changed. */
  resize() {
    const scale = this.scale = Math.min(2, window.devicePixelRatio || 1);
    let changed = false;
    for (const canvas of [this.canvas, this.overlay, this.overview]) {
      const [w, h] = [canvas.clientWidth, canvas.clientHeight].map((pixels) => Math.max(1, Math.round(pixels * scale)));
      if (canvas.width === w && canvas.height === h) continue;
      [canvas.width, canvas.height] = [w, h];
      changed = true;
    }
    if (changed) this.strip.forget();
    this.camera.resize(this.canvas.clientWidth, this.canvas.clientHeight);
    return changed;
  }

  #context(canvas) {
    const g = canvas.getContext("2d");
    g.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    return g;
  }

  paint(position) {
    const g = this.#context(this.canvas), { camera, state, data } = this;
    if (state.layout === "falling") return this.falling.paint(g, position);
    g.fillStyle = this.theme.colour.ground;
    g.fillRect(0, 0, camera.width, camera.height);
    g.save();
    g.beginPath();
    g.rect(KEYBOARD, RULER, camera.rollWidth, camera.rollHeight);
    g.clip();
    this.grid.paintRows(g);
    if (state.background) this.background.paint(g, state.background);
    this.grid.paintLines(g);
    if (state.loop) this.grid.paintLoop(g);
    if (state.mode === "comparison") this.fates.paint(g, this.scale);
    else this.bars.paint(g, state.mode === "reference" ? data.reference : data.notes, this.scale);
    if (state.correcting && state.mode !== "reference") this.bars.paintGhosts(g, data.ghosts);
    g.restore();
    this.grid.paintRuler(g);
    this.lanes.paint(g);
    this.keyboard.paint(g);
  }

  paintMoving(position) {
    const g = this.#context(this.overlay);
    g.clearRect(0, 0, this.camera.width, this.camera.height);
    if (this.state.layout === "roll") this.moving.paint(g, position);
    this.strip.paint(this.overview, position, this.scale);
  }
}

// Painting. One canvas holds what moves only with the view (grid, spectrum, notes, pedals, keyboard), one above it
// what moves with time (playhead, lit keys, selection). Only notes inside the view are touched.

class Painter extends MovingPainter {
  constructor(data, words, canvas, overlay, overview) {
    super();
    Object.assign(this, { data, words, canvas, overlay, overview });
    this.backgrounds = new Map(); // name -> tinted tiles
    this.shownStatus = { [HIT]: true, [WRONG_END]: true, [UNMATCHED]: true, missed: true };
  }

  /** Reads the colours that the style sheet gives this theme. */
  setTheme(root, theme) {
    const style = getComputedStyle(root);
    this.colour = {};
    for (const name of ["ground", "row", "line", "octave", "text", "faint", "accent", "tint", "white-key", "black-key",
      "hit", "wrong", "missed", "extra", "pedal", "shade", "veil", "panel", "fine"])
      this.colour[name] = style.getPropertyValue(`--amt-${name}`).trim();
    this.ramp = Array.from({ length: SHADES }, (_, i) => rampColour(RAMPS[theme], i / (SHADES - 1)));
    this.loudIsBright = theme === "dark";
    this.font = style.fontFamily;
    this.backgrounds.clear();
    this.hatch = null;
    this.strip = null;
  }

  /** Fits the canvases' pixels to their boxes; true when something changed. */
  resize() {
    const scale = Math.min(2, window.devicePixelRatio || 1);
    let changed = false;
    for (const canvas of [this.canvas, this.overlay, this.overview]) {
      const box = canvas.getBoundingClientRect();
      const [w, h] = [Math.max(1, Math.round(box.width * scale)), Math.max(1, Math.round(box.height * scale))];
      if (canvas.width !== w || canvas.height !== h) {
        [canvas.width, canvas.height] = [w, h];
        changed = true;
      }
    }
    const box = this.canvas.getBoundingClientRect();
    [this.width, this.height, this.scale] = [box.width, box.height, scale];
    this.lanesTop = this.height - LANE * this.data.pedals.kinds.length - 4;
    this.rollHeight = this.lanesTop - RULER;
    this.rollWidth = this.width - KEYBOARD;
    if (changed) this.strip = null;
    return changed;
  }

  x(seconds, view) { return KEYBOARD + (seconds - view.start) / view.span * this.rollWidth; }
  time(x, view) { return view.start + (x - KEYBOARD) / this.rollWidth * view.span; }
  y(pitch, view) { return RULER + (view.high - pitch) * this.row(view); }
  row(view) { return this.rollHeight / (view.high - view.low + 1); }
  pitch(y, view) { return view.high - Math.floor((y - RULER) / this.row(view)); }
  velocityColour(velocity) { return this.ramp[Math.min(SHADES - 1, velocity * SHADES >> 7)]; }

  context(canvas) {
    const g = canvas.getContext("2d");
    g.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    return g;
  }

  paint(view) {
    const g = this.context(this.canvas), c = this.colour;
    g.fillStyle = c.ground;
    g.fillRect(0, 0, this.width, this.height);
    g.save();
    g.beginPath();
    g.rect(KEYBOARD, RULER, this.rollWidth, this.rollHeight);
    g.clip();
    this.paintRows(g, view);
    if (view.background) this.paintBackground(g, view);
    this.paintGrid(g, view);
    if (view.loop) this.paintLoop(g, view);
    if (view.mode === "comparison") this.paintComparison(g, view);
    else this.paintVelocities(g, view, view.mode === "reference" ? this.data.reference : this.data.notes);
    g.restore();
    this.paintRuler(g, view);
    this.paintPedals(g, view);
    this.paintKeyboard(g, view);
  }

  paintRows(g, view) {
    const row = this.row(view);
    g.fillStyle = this.colour.row;
    for (let p = view.low; p <= view.high; p++)
      if (isBlack(p)) g.fillRect(KEYBOARD, this.y(p, view), this.rollWidth, row);
    g.fillStyle = this.colour.octave;
    for (let p = view.low; p <= view.high; p++)
      if (p % 12 === 0) g.fillRect(KEYBOARD, this.y(p, view) + row - 0.5, this.rollWidth, 1);
  }

  tick(view) {
    const wanted = view.span * 110 / this.rollWidth; // seconds between labels, about 110 px
    return [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((s) => s >= wanted) || 1200;
  }

  paintGrid(g, view) {
    const step = this.tick(view), fine = step / 5;
    for (let k = Math.ceil(view.start / fine); k * fine < view.start + view.span; k++) {
      g.fillStyle = k % 5 ? this.colour.fine : this.colour.line;
      g.fillRect(Math.round(this.x(k * fine, view)), RULER, 1, this.rollHeight);
    }
  }

  paintRuler(g, view) {
    const c = this.colour, step = this.tick(view), digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
    g.fillStyle = c.panel;
    g.fillRect(0, 0, this.width, RULER);
    g.save();
    g.beginPath();
    g.rect(KEYBOARD, 0, this.rollWidth, RULER);
    g.clip();
    if (view.loop) {
      const [a, b] = view.loop.map((t) => this.x(t, view));
      g.fillStyle = c.accent;
      g.fillRect(a, RULER - 5, b - a, 5);
    }
    g.font = `11px ${this.font}`;
    g.textBaseline = "middle";
    g.textAlign = "left";
    for (let k = Math.max(0, Math.ceil(view.start / step) - 1); k * step < view.start + view.span; k++) {
      const x = Math.round(this.x(k * step, view));
      g.fillStyle = c.line;
      g.fillRect(x, RULER - 7, 1, 7);
      g.fillStyle = c.faint;
      g.fillText(clock(k * step, digits), x + 5, RULER / 2);
    }
    g.restore();
    g.fillStyle = c.octave;
    g.fillRect(0, RULER - 1, this.width, 1);
  }

  paintLoop(g, view) {
    const [a, b] = view.loop.map((t) => this.x(t, view));
    g.fillStyle = this.colour.shade;
    g.fillRect(KEYBOARD, RULER, a - KEYBOARD, this.rollHeight);
    g.fillRect(b, RULER, this.width - b, this.rollHeight);
    g.fillStyle = this.colour.accent;
    g.fillRect(a, RULER, 1, this.rollHeight);
    g.fillRect(b, RULER, 1, this.rollHeight);
  }

  paintPedals(g, view) {
    const c = this.colour, { pedals } = this.data, top = this.lanesTop;
    g.fillStyle = c.panel;
    g.fillRect(0, top, this.width, this.height - top);
    g.fillStyle = c.octave;
    g.fillRect(0, top, this.width, 1);
    g.save();
    g.beginPath();
    g.rect(KEYBOARD, top, this.rollWidth, this.height - top);
    g.clip();
    g.fillStyle = c.pedal;
    for (let i = 0; i < pedals.n && pedals.onset[i] < view.start + view.span; i++) {
      if (pedals.offset[i] < view.start) continue;
      const x = this.x(pedals.onset[i], view), lane = pedals.kinds.indexOf(pedals.kind[i]);
      const y = top + 4 + lane * LANE, w = Math.max(2, this.x(pedals.offset[i], view) - x);
      g.globalAlpha = 0.55;
      g.fillRect(x, y + 1, w, LANE - 5);
      g.globalAlpha = 1;
      g.fillRect(x, y + 1, 2, LANE - 5);
    }
    g.restore();
    g.font = `10px ${this.font}`;
    g.textBaseline = "middle";
    g.textAlign = "right";
    g.fillStyle = c.faint;
    pedals.kinds.forEach((kind, lane) => g.fillText(this.words.pedals[kind], KEYBOARD - 6, top + 3.5 + lane * LANE + LANE / 2));
  }

  paintKeyboard(g, view) {
    const c = this.colour, row = this.row(view);
    g.save();
    g.beginPath();
    g.rect(0, RULER, KEYBOARD, this.rollHeight);
    g.clip();
    for (let p = view.low - 1; p <= view.high + 1; p++) if (!isBlack(p)) this.paintKey(g, p, view, c["white-key"]);
    for (let p = view.low; p <= view.high; p++) if (isBlack(p)) this.paintKey(g, p, view, c["black-key"]);
    g.textBaseline = "middle";
    g.textAlign = "right";
    g.font = `${Math.max(8, Math.min(10, row * 1.4))}px ${this.font}`;
    g.fillStyle = "#667";
    for (let p = view.low; p <= view.high; p++)
      if (p % 12 === 0) g.fillText(pitchName(this.words, p), KEYBOARD - 5, this.y(p, view) + row / 2);
    g.restore();
    g.fillStyle = c.octave;
    g.fillRect(KEYBOARD - 1, RULER, 1, this.height - RULER);
  }

  /** A white key reaches half into its black neighbours' rows, as on the instrument. */
  paintKey(g, pitch, view, fill) {
    const row = this.row(view);
    let top = this.y(pitch, view), bottom = top + row;
    if (isBlack(pitch)) {
      g.fillStyle = fill;
      g.fillRect(0, top, KEYBOARD * 0.6, row);
      return;
    }
    if (isBlack(pitch + 1)) top -= row / 2;
    if (isBlack(pitch - 1)) bottom += row / 2;
    g.fillStyle = fill;
    g.fillRect(0, top, KEYBOARD - 1, bottom - top - Math.min(1, row / 8));
    g.fillStyle = "rgba(70,78,105,.7)";
    g.fillRect(0, bottom - 0.5, KEYBOARD - 1, 0.5);
  }

  /** Grey tiles -> canvases in the theme's tint, bright where there is energy. Made when first asked for. */
  async loadBackground(name) {
    if (this.backgrounds.has(name)) return;
    const at = this.data.images.findIndex((image) => image.name === name), image = this.data.images[at];
    let offset = this.data.images.slice(0, at).flatMap((i) => i.tiles).reduce((sum, tile) => sum + tile.bytes, 0);
    const bytes = this.data.imageBytes(), tiles = [];
    this.backgrounds.set(name, tiles);
    const tint = hexToRgb(this.colour.tint);
    for (const { columns, bytes: size } of image.tiles) {
      const bitmap = await createImageBitmap(new Blob([bytes.slice(offset, offset + size)], { type: image.mime }));
      offset += size;
      const tile = document.createElement("canvas");
      [tile.width, tile.height] = [columns, image.rows];
      const g = tile.getContext("2d", { willReadFrequently: true });
      g.drawImage(bitmap, 0, 0);
      const pixels = g.getImageData(0, 0, columns, image.rows), values = pixels.data;
      for (let i = 0; i < values.length; i += 4) {
        const grey = values[i] / 255;
        [values[i], values[i + 1], values[i + 2]] = tint;
        values[i + 3] = 200 * grey * grey;
      }
      g.putImageData(pixels, 0, 0);
      tiles.push(tile);
    }
    this.onLoaded();
  }

  paintBackground(g, view) {
    const image = this.data.images.find((candidate) => candidate.name === view.background);
    const tiles = this.backgrounds.get(view.background);
    if (!tiles) {
      this.loadBackground(view.background);
      return;
    }
    const perKey = image.rows / 88, top = (108 - view.high) * perKey, rows = (view.high - view.low + 1) * perKey;
    let column = 0;
    g.imageSmoothingEnabled = true;
    for (const tile of tiles) {
      // frame t is centred on its time: it covers half a column on either side
      const start = (column - 0.5) * image.seconds_per_column;
      const from = Math.max(0, Math.floor((view.start - start) / image.seconds_per_column) - 1);
      const to = Math.min(tile.width, Math.ceil((view.start + view.span - start) / image.seconds_per_column) + 1);
      if (to > from) {
        const x = this.x(start + from * image.seconds_per_column, view);
        const w = (to - from) * image.seconds_per_column / view.span * this.rollWidth;
        g.drawImage(tile, from, top, to - from, rows, x, RULER, w, this.rollHeight);
      }
      column += tile.width;
    }
  }
}

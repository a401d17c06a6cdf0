// Painting. One canvas holds what moves only with the view (grid, spectrum, notes, pedals, keyboard), one above it
// what moves with time (playhead, lit keys, selection). Only notes inside the view are touched.

const RULER = 24, KEYBOARD = 62, LANE = 15;
const IS_BLACK = [1, 3, 6, 8, 10].reduce((mask, k) => mask | (1 << k), 0);
const isBlack = (pitch) => (IS_BLACK >> (pitch % 12)) & 1;
const SHADES = 16; // velocity steps
const RAMPS = { // soft to loud; luminance moves away from the background in both
  dark: ["#6b4de0", "#a64fe0", "#dc5cb4", "#f57e78", "#fbb55f", "#fdf0a6"],
  light: ["#f3a35c", "#e8744f", "#cf4a74", "#9a3199", "#5f2496", "#2b1063"],
};
const ROUNDED_UP_TO = 900; // visible notes; beyond, corners cost more than they show

const hexToRgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function rampColour(ramp, x) {
  const at = Math.min(0.9999, Math.max(0, x)) * (ramp.length - 1), i = Math.floor(at);
  const [a, b] = [hexToRgb(ramp[i]), hexToRgb(ramp[i + 1])];
  return `rgb(${a.map((v, k) => Math.round(v + (b[k] - v) * (at - i))).join(",")})`;
}

class Painter extends NotePainter {
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
      "hit", "wrong", "missed", "extra", "pedal", "shade", "panel"])
      this.colour[name] = style.getPropertyValue(`--amt-${name}`).trim();
    this.ramp = Array.from({ length: SHADES }, (_, i) => rampColour(RAMPS[theme], i / (SHADES - 1)));
    this.loudIsBright = theme === "dark";
    this.font = style.fontFamily;
    this.backgrounds.clear();
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
      g.fillStyle = k % 5 ? this.colour.row : this.colour.line;
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
    g.fillStyle = "rgba(90,96,120,.45)";
    g.fillRect(0, bottom - 0.5, KEYBOARD - 1, 0.5);
  }

  /** What moves: playhead, keys that sound, selected and hovered notes, a box being drawn. */
  paintOverlay(view, position, state) {
    const g = this.context(this.overlay), c = this.colour;
    g.clearRect(0, 0, this.width, this.height);
    const notes = view.mode === "reference" ? this.data.reference : this.data.notes;
    const sounding = notes.between(position, position + 1e-6);
    const row = this.row(view);
    if (state.playing || state.lit) {
      g.save();
      g.beginPath();
      g.rect(0, RULER, this.width, this.rollHeight);
      g.clip();
      const lit = new Map(); // pitch -> note that sounds on it, held keys before ringing ones
      for (const i of sounding) {
        const held = notes.end[i] > position;
        if (held || !lit.has(notes.pitch[i])) lit.set(notes.pitch[i], [i, held]);
      }
      for (const black of [0, 1])
        for (const [p, [i, held]] of lit) {
          if (isBlack(p) !== black) continue;
          g.globalAlpha = held ? 1 : 0.35;
          this.paintKey(g, p, view, this.velocityColour(notes.velocity[i]));
          g.globalAlpha = 1;
        }
      for (const p of lit.keys()) // black keys lie on top of lit white ones
        if (!isBlack(p)) for (const q of [p - 1, p + 1])
          if (isBlack(q) && !lit.has(q)) this.paintKey(g, q, view, c["black-key"]);
      g.beginPath();
      g.rect(KEYBOARD, RULER, this.rollWidth, this.rollHeight);
      g.clip();
      g.strokeStyle = c.text;
      g.lineWidth = 1.5;
      for (const [i, held] of lit.values())
        if (held) this.outline(g, notes, i, view, 1);
      g.restore();
    }
    g.save();
    g.beginPath();
    g.rect(KEYBOARD, RULER, this.rollWidth, this.rollHeight);
    g.clip();
    g.strokeStyle = c.accent;
    g.lineWidth = 2;
    for (const [all, chosen] of [[this.data.notes, state.selection], [this.data.reference, state.selectedReference]])
      for (const i of chosen) this.outline(g, all, i, view, 2.5);
    if (state.hover) {
      g.lineWidth = 1;
      g.strokeStyle = c.text;
      this.outline(g, ...state.hover, view, 2);
    }
    if (state.box) {
      const [x0, y0, x1, y1] = state.box;
      g.fillStyle = c.accent;
      g.globalAlpha = 0.12;
      g.fillRect(x0, y0, x1 - x0, y1 - y0);
      g.globalAlpha = 1;
      g.strokeStyle = c.accent;
      g.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
    g.restore();
    const x = this.x(position, view);
    if (x >= KEYBOARD - 1 && x <= this.width) {
      g.fillStyle = c.accent;
      g.fillRect(x - 0.75, RULER - 6, 1.5, this.height - RULER + 6);
      g.beginPath();
      g.moveTo(x - 6, RULER - 12);
      g.lineTo(x + 6, RULER - 12);
      g.lineTo(x + 6, RULER - 8);
      g.lineTo(x, RULER - 1);
      g.lineTo(x - 6, RULER - 8);
      g.fill();
    }
    for (const kind of this.data.pedals.kinds)
      if ((state.playing || state.lit) && this.data.pedals.isDown(kind, position)) {
        const y = this.lanesTop + 4 + this.data.pedals.kinds.indexOf(kind) * LANE + LANE / 2 - 1.5;
        g.fillStyle = c.pedal;
        g.beginPath();
        g.arc(7, y, 3.5, 0, 7);
        g.fill();
      }
  }

  outline(g, notes, i, view, grow) {
    const x = this.x(notes.onset[i], view), w = Math.max(3, this.x(notes.end[i], view) - x), row = this.row(view);
    g.strokeRect(x - grow / 2, this.y(notes.pitch[i], view) - grow / 2, w + grow, row + grow);
  }

  /** The whole piece in a strip, kept as a picture; the window and the playhead on top. */
  paintOverview(view, position) {
    const { width, height } = this.overview, c = this.colour, { notes, reference, duration } = this.data;
    if (!this.strip || this.stripMode !== view.mode) {
      this.strip = document.createElement("canvas");
      [this.strip.width, this.strip.height] = [width, height];
      this.stripMode = view.mode;
      const g = this.strip.getContext("2d");
      g.fillStyle = c.panel;
      g.fillRect(0, 0, width, height);
      const dot = (all, i, colour, size) => {
        g.fillStyle = colour;
        const y = (1 - (all.pitch[i] - 21) / 87) * (height - 8 * this.scale) + 3 * this.scale;
        g.fillRect(all.onset[i] / duration * width, y, Math.max(size, (all.end[i] - all.onset[i]) / duration * width), size);
      };
      const shown = view.mode === "reference" ? reference : notes, small = 1.5 * this.scale;
      for (let i = 0; i < shown.n; i++)
        dot(shown, i, view.mode !== "comparison" ? this.velocityColour(shown.velocity[i])
          : [c.hit, c.hit, c.wrong, c.extra][shown.status[i]], view.mode === "comparison" && shown.status[i] === UNMATCHED ? 2 * small : small);
      if (view.mode === "comparison")
        for (let i = 0; i < reference.n; i++) if (reference.status[i] === UNMATCHED) dot(reference, i, c.missed, 2 * small);
    }
    const g = this.overview.getContext("2d");
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.drawImage(this.strip, 0, 0);
    const a = view.start / duration * width, b = Math.min(1, (view.start + view.span) / duration) * width;
    g.fillStyle = c.shade;
    g.fillRect(0, 0, a, height);
    g.fillRect(b, 0, width - b, height);
    g.strokeStyle = c.faint;
    g.lineWidth = this.scale;
    g.strokeRect(a + this.scale / 2, this.scale / 2, Math.max(3, b - a - this.scale), height - this.scale);
    if (view.loop) {
      g.fillStyle = c.accent;
      g.fillRect(view.loop[0] / duration * width, height - 3 * this.scale, (view.loop[1] - view.loop[0]) / duration * width, 3 * this.scale);
    }
    g.fillStyle = c.accent;
    g.fillRect(position / duration * width - this.scale * 0.75, 0, 1.5 * this.scale, height);
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

// The other view: notes fall onto a keyboard below.

const KEYS_HEIGHT = 92, FALL = 1 / 3; // px; of the window's seconds that are seen above the keys

class Falling {
  constructor({ camera, theme, data, state, words }, bars) { Object.assign(this, { camera, theme, data, state, words, bars }); }

  get bottom() { return this.camera.height - KEYS_HEIGHT; }
  get seconds() { return Math.max(1, this.camera.span * FALL); }
  y(seconds, position) { return this.bottom * (1 - (seconds - position) / this.seconds); }
  time(y, position) { return position + (1 - y / this.bottom) * this.seconds; }

  /** [left, width] of a key. Black keys lie between white ones, six tenths as wide. */
  key(pitch) {
    const { low, high, width } = this.camera, white = (p) => Math.floor(p / 12) * 7 + [0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6][p % 12];
    const first = white(isBlack(low) ? low - 1 : low), size = width / (white(isBlack(high) ? high + 1 : high) + 1 - first);
    const left = (white(pitch) - first) * size;
    return isBlack(pitch) ? [left - 0.3 * size, 0.6 * size] : [left, size];
  }

  paint(g, position) {
    const { camera, theme, state, data, bottom } = this, c = theme.colour;
    const notes = state.mode === "reference" ? data.reference : data.notes;
    g.fillStyle = c.ground;
    g.fillRect(0, 0, camera.width, camera.height);
    for (let p = camera.low; p <= camera.high; p++) {
      const [x] = this.key(p);
      g.fillStyle = c.octave;
      if (p % 12 === 0 || p % 12 === 5) g.fillRect(Math.round(x), 0, 1, bottom);
    }
    if (data.beats) data.beats.forEach(position, position + this.seconds, (k, t) => {
      g.fillStyle = data.beats.isDownbeat(k) ? c.octave : c.fine;
      g.fillRect(0, Math.round(this.y(t, position)), camera.width, data.beats.isDownbeat(k) ? 2 : 1);
    });
    g.save();
    g.beginPath();
    g.rect(0, 0, camera.width, bottom);
    g.clip();
    const seen = notes.between(position, position + this.seconds);
    for (const black of [0, 1]) for (const i of seen) if (isBlack(notes.pitch[i]) === black) this.#paintNote(g, notes, i, position);
    g.restore();
    this.#paintPedal(g, position);
    this.#paintKeys(g, notes, position);
  }

  #paintNote(g, notes, i, position) {
    const { theme, state } = this, [x, w] = this.key(notes.pitch[i]), end = this.y(notes.end[i], position);
    const h = Math.max(3, this.y(notes.onset[i], position) - end - 1), tail = end - this.y(notes.sounding[i], position);
    g.fillStyle = this.bars.colourOf(notes, i);
    const dimmed = state.hand !== null && notes.hand[i] !== state.hand ? 0.22 : 1;
    g.globalAlpha = 0.24 * dimmed;
    if (tail > 1) g.fillRect(x + w * 0.3, end - tail, w * 0.4, tail);
    g.globalAlpha = dimmed;
    g.beginPath();
    g.roundRect(x + 1, end, w - 2, h, Math.min(4, h / 2));
    g.fill();
    if (state.mode === "hands" && notes.hand[i] === LEFT) {
      g.fillStyle = theme.colour.ground;
      g.fillRect(x + w / 2 - 1, end + 2, 2, Math.max(0, h - 4));
    }
    if (notes === this.data.notes && state.selection.includes(i)) {
      g.strokeStyle = theme.colour.accent;
      g.lineWidth = 2;
      g.strokeRect(x, end - 1, w, h + 2);
    }
    g.globalAlpha = 1;
  }

  /** The sustain pedal, as a band that falls along the left edge. */
  #paintPedal(g, position) {
    const { onset, offset } = this.data.pedals.of(SUSTAIN);
    g.fillStyle = this.theme.colour.pedal;
    g.globalAlpha = 0.6;
    for (let k = Math.max(0, firstAbove(offset, position)); k < onset.length && onset[k] < position + this.seconds; k++) {
      const top = Math.max(0, this.y(offset[k], position));
      g.fillRect(0, top, 5, Math.min(this.bottom, this.y(onset[k], position)) - top);
    }
    g.globalAlpha = 1;
  }

  #paintKeys(g, notes, position) {
    const { camera, theme, words, bottom } = this, c = theme.colour, lit = new Map();
    for (const i of notes.between(position, position + 1e-6))
      if (notes.end[i] > position && (this.state.playing || this.state.lit)) lit.set(notes.pitch[i], this.bars.colourOf(notes, i));
    const low = isBlack(camera.low) ? camera.low - 1 : camera.low, high = isBlack(camera.high) ? camera.high + 1 : camera.high;
    g.fillStyle = c.faint; // between white keys
    g.fillRect(0, bottom, camera.width, KEYS_HEIGHT);
    g.font = `10px ${theme.font}`;
    g.textAlign = "center";
    g.textBaseline = "middle";
    for (const black of [0, 1])
      for (let p = low; p <= high; p++) {
        if (isBlack(p) !== black) continue;
        const [x, w] = this.key(p), h = black ? KEYS_HEIGHT * 0.62 : KEYS_HEIGHT;
        g.fillStyle = lit.get(p) || c[black ? "black-key" : "white-key"];
        g.fillRect(x, bottom, w - (black ? 0 : 1), h);
        g.fillStyle = "#556";
        if (p % 12 === 0 && w > 12) g.fillText(pitchName(words, p), x + w / 2, bottom + h - 10);
      }
    g.fillStyle = c.accent;
    g.fillRect(0, bottom - 1, camera.width, 2);
  }

  /** The note under a point, [Notes, index], or null. */
  noteAt(x, y, position) {
    const notes = this.state.mode === "reference" ? this.data.reference : this.data.notes, t = this.time(y, position);
    if (y > this.bottom) return null;
    const under = notes.between(t - 0.02, t + 0.02).filter((i) => {
      const [left, width] = this.key(notes.pitch[i]);
      return x >= left && x < left + width && notes.end[i] > t - 0.02;
    });
    const best = under.find((i) => isBlack(notes.pitch[i])) ?? under[0]; // black keys' notes lie on top
    return best === undefined ? null : [notes, best];
  }

  /** The key under a point of the keyboard. */
  keyAt(x, y) {
    const { low, high } = this.camera, isUpper = y < this.bottom + KEYS_HEIGHT * 0.62;
    const on = (p) => this.key(p)[0] <= x && x < this.key(p)[0] + this.key(p)[1];
    const keys = Array.from({ length: high - low + 1 }, (_, k) => low + k).filter(on);
    return (isUpper && keys.find((p) => isBlack(p))) || keys.find((p) => !isBlack(p)) || null;
  }
}

/** Mouse and fingers on the falling notes: click a note or a key to hear it, drag to move through time. */
class FallingPointer {
  constructor({ state, chooser, transport, player, painter }, overlay) {
    Object.assign(this, { state, chooser, transport, player, falling: painter.falling, overlay, drag: null });
  }

  listen(on) {
    on(this.overlay, "pointerdown", (event) => this.state.layout === "falling" && !event.button && this.#down(event));
    on(this.overlay, "pointermove", (event) => this.drag && this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) on(this.overlay, name, (event) => this.drag && this.#up(event));
  }

  #place(event) {
    const box = this.overlay.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #down(event) {
    this.overlay.focus({ preventScroll: true });
    this.overlay.setPointerCapture(event.pointerId);
    const [x, y] = this.#place(event), { falling } = this;
    if (y > falling.bottom) {
      const key = falling.keyAt(x, y);
      if (key !== null) this.player.touch(key);
      return;
    }
    this.drag = { x, y, at: this.transport.position, moved: false };
  }

  #move(event) {
    const [x, y] = this.#place(event), { drag, falling } = this;
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < CLICK) return;
    drag.moved = true;
    this.transport.seek(drag.at + (y - drag.y) / falling.bottom * falling.seconds);
  }

  #up(event) {
    const [x, y] = this.#place(event), { drag } = this;
    this.drag = null;
    if (drag.moved || event.type === "pointercancel") return;
    const found = this.falling.noteAt(x, y, this.transport.position);
    if (found) this.chooser.chooseOne(...found);
    else this.chooser.choose([]);
  }
}

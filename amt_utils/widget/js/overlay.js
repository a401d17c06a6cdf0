// What moves with time or hand: playhead, keys that sound, selected and hovered notes, a box being drawn.

class Overlay {
  constructor({ camera, theme, data, state }, keyboard) { Object.assign(this, { camera, theme, data, state, keyboard }); }

  paint(g, position) {
    const { camera, theme, state, keyboard } = this, c = theme.colour;
    g.clearRect(0, 0, camera.width, camera.height);
    const notes = state.mode === "reference" ? this.data.reference : this.data.notes;
    const sounding = notes.between(position, position + 1e-6);
    if (state.playing || state.lit) {
      g.save();
      g.beginPath();
      g.rect(0, RULER, camera.width, camera.rollHeight);
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
          keyboard.paintKey(g, p, theme.velocityColour(notes.velocity[i]));
          g.globalAlpha = 1;
        }
      for (const p of lit.keys()) // black keys lie on top of lit white ones
        if (!isBlack(p)) for (const q of [p - 1, p + 1])
          if (isBlack(q) && !lit.has(q)) keyboard.paintKey(g, q, c["black-key"]);
      g.beginPath();
      g.rect(KEYBOARD, RULER, camera.rollWidth, camera.rollHeight);
      g.clip();
      for (const [i, held] of lit.values()) if (held) this.#glow(g, notes, i);
      g.restore();
    }
    g.save();
    g.beginPath();
    g.rect(KEYBOARD, RULER, camera.rollWidth, camera.rollHeight);
    g.clip();
    g.strokeStyle = c.accent;
    g.lineWidth = 2;
    for (const [all, chosen] of [[this.data.notes, state.selection], [this.data.reference, state.selectedReference]])
      for (const i of chosen) this.#outline(g, all, i, 2.5);
    if (state.hover) {
      g.lineWidth = 1;
      g.strokeStyle = c.text;
      this.#outline(g, ...state.hover, 2);
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
    const x = camera.x(position);
    if (x >= KEYBOARD - 1 && x <= camera.width) {
      g.fillStyle = c.accent;
      g.fillRect(x - 0.75, RULER - 6, 1.5, camera.height - RULER + 6);
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
        const y = camera.lanesTop + 4 + this.data.pedals.kinds.indexOf(kind) * LANE + LANE / 2 - 1.5;
        g.fillStyle = c.pedal;
        g.beginPath();
        g.arc(7, y, 3.5, 0, 7);
        g.fill();
      }
  }

  /** A note that sounds: lightened, in a halo of the accent. */
  #glow(g, notes, i) {
    const { camera, theme } = this;
    const x = camera.x(notes.onset[i]), w = Math.max(3, camera.x(notes.end[i]) - x), row = camera.row;
    g.fillStyle = theme.loudIsBright ? "rgba(255,255,255,.5)" : "rgba(255,255,255,.35)";
    g.fillRect(x, camera.y(notes.pitch[i]) + 1, w, row - 2);
    g.strokeStyle = theme.colour.accent;
    for (const [grow, width, alpha] of [[6, 3, 0.18], [2, 1.5, 0.95]]) {
      g.lineWidth = width;
      g.globalAlpha = alpha;
      g.beginPath();
      g.roundRect(x - grow / 2, camera.y(notes.pitch[i]) - grow / 2 + 0.5, w + grow, row + grow - 1, 4);
      g.stroke();
    }
    g.globalAlpha = 1;
  }

  #outline(g, notes, i, grow) {
    const { camera } = this;
    const x = camera.x(notes.onset[i]), w = Math.max(3, camera.x(notes.end[i]) - x), row = camera.row;
    g.strokeRect(x - grow / 2, camera.y(notes.pitch[i]) - grow / 2, w + grow, row + grow);
  }
}

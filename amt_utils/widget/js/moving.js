// What moves with time: playhead, lit keys, selection; and the strip that shows the whole piece.

class MovingPainter extends NotePainter {
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
      for (const [i, held] of lit.values()) if (held) this.glow(g, notes, i, view);
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

  /** A note that sounds: lightened, in a halo of the accent. */
  glow(g, notes, i, view) {
    const x = this.x(notes.onset[i], view), w = Math.max(3, this.x(notes.end[i], view) - x), row = this.row(view);
    g.fillStyle = this.loudIsBright ? "rgba(255,255,255,.5)" : "rgba(255,255,255,.35)";
    g.fillRect(x, this.y(notes.pitch[i], view) + 1, w, row - 2);
    g.strokeStyle = this.colour.accent;
    for (const [grow, width, alpha] of [[6, 3, 0.18], [2, 1.5, 0.95]]) {
      g.lineWidth = width;
      g.globalAlpha = alpha;
      g.beginPath();
      g.roundRect(x - grow / 2, this.y(notes.pitch[i], view) - grow / 2 + 0.5, w + grow, row + grow - 1, 4);
      g.stroke();
    }
    g.globalAlpha = 1;
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
      let low = 108, high = 21;
      for (const all of [notes, reference]) for (const p of all ? all.pitch : []) [low, high] = [Math.min(low, p), Math.max(high, p)];
      const dot = (all, i, colour, size) => {
        g.fillStyle = colour;
        const y = (high - all.pitch[i]) / Math.max(1, high - low) * (height - 11 * this.scale) + 4 * this.scale;
        g.fillRect(all.onset[i] / duration * width, y, Math.max(size, (all.end[i] - all.onset[i]) / duration * width), size);
      };
      const shown = view.mode === "reference" ? reference : notes, small = 2 * this.scale;
      for (let i = 0; i < shown.n; i++)
        dot(shown, i, view.mode !== "comparison" ? this.velocityColour(shown.velocity[i])
          : [c.hit, c.hit, c.wrong, c.extra][shown.status[i]], view.mode === "comparison" && shown.status[i] === UNMATCHED ? 1.5 * small : small);
      if (view.mode === "comparison")
        for (let i = 0; i < reference.n; i++) if (reference.status[i] === UNMATCHED) dot(reference, i, c.missed, 1.5 * small);
    }
    const g = this.overview.getContext("2d");
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.drawImage(this.strip, 0, 0);
    const a = view.start / duration * width, b = Math.min(1, (view.start + view.span) / duration) * width;
    g.fillStyle = c.veil;
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
}

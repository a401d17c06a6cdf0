// Painting notes: by velocity, or by what the comparison says of them.

class NotePainter {
  paintVelocities(g, view, notes) {
    const first = notes.firstAlive(view.start), stop = notes.firstFrom(view.start + view.span);
    const row = this.row(view), bar = Math.max(2, row - (row > 6 ? 2 : row > 4 ? 1 : 0)), inset = (row - bar) / 2;
    const perSecond = this.rollWidth / view.span, left = KEYBOARD - view.start * perSecond;
    const shades = Array.from({ length: SHADES }, () => []);
    for (let i = first; i < stop; i++)
      if (Math.max(notes.end[i], notes.sounding[i]) > view.start) shades[Math.min(SHADES - 1, notes.velocity[i] * SHADES >> 7)].push(i);
    const rounded = stop - first < ROUNDED_UP_TO && bar >= 4;
    const radius = Math.min(3, bar / 3);
    for (let shade = 0; shade < SHADES; shade++) {
      if (!shades[shade].length) continue;
      g.fillStyle = this.ramp[shade];
      g.globalAlpha = 0.26;
      for (const i of shades[shade]) { // ringing on under the pedal
        const tail = (notes.sounding[i] - notes.end[i]) * perSecond;
        if (tail > 1) g.fillRect(left + notes.end[i] * perSecond, this.y(notes.pitch[i], view) + inset + bar * 0.2, tail, bar * 0.6);
      }
      g.globalAlpha = 1;
      if (rounded) g.beginPath();
      for (const i of shades[shade]) {
        const x = left + notes.onset[i] * perSecond, y = this.y(notes.pitch[i], view) + inset;
        const w = Math.max(2, (notes.end[i] - notes.onset[i]) * perSecond - 0.75);
        if (rounded) g.roundRect(x, y, w, bar, Math.min(radius, w / 2));
        else g.fillRect(x, y, w, bar);
      }
      if (rounded) g.fill();
    }
    if (rounded && row >= 11) this.paintNames(g, view, notes, first, stop, row);
  }

  paintNames(g, view, notes, first, stop, row) {
    const perSecond = this.rollWidth / view.span;
    g.font = `600 ${Math.min(11, row - 4)}px ${this.font}`;
    g.textBaseline = "middle";
    g.textAlign = "left";
    for (let i = first; i < stop; i++) {
      if ((notes.end[i] - notes.onset[i]) * perSecond < 34) continue;
      const bright = (notes.velocity[i] > 70) === this.loudIsBright;
      g.fillStyle = bright ? "rgba(20,10,40,.78)" : "rgba(255,255,255,.9)";
      g.fillText(pitchName(this.words, notes.pitch[i]), this.x(notes.onset[i], view) + 5, this.y(notes.pitch[i], view) + row / 2 + 0.5);
    }
  }

  /** Hit: solid. Wrong end: slanted, with a bracket at the true end. Missed: hollow, dashed. Extra: hatched, crossed. */
  paintComparison(g, view) {
    const { notes, reference } = this.data, c = this.colour;
    const row = this.row(view), bar = Math.max(2, row - (row > 6 ? 2 : row > 4 ? 1 : 0)), inset = (row - bar) / 2;
    const box = (all, i) => {
      const x = this.x(all.onset[i], view);
      return [x, this.y(all.pitch[i], view) + inset, Math.max(3, this.x(all.end[i], view) - x - 0.75)];
    };
    const visible = (all, status) => {
      const found = [];
      for (let i = all.firstAlive(view.start); i < all.n && all.onset[i] < view.start + view.span; i++)
        if (all.status[i] === status && all.end[i] > view.start) found.push(i);
      return found;
    };
    if (this.shownStatus[HIT]) {
      g.fillStyle = c.hit;
      for (const i of visible(notes, HIT)) {
        const [x, y, w] = box(notes, i);
        g.fillRect(x, y, w, bar);
      }
    }
    if (this.shownStatus[WRONG_END]) {
      g.fillStyle = g.strokeStyle = c.wrong;
      g.lineWidth = 1.5;
      for (const i of visible(notes, WRONG_END)) {
        const [x, y, w] = box(notes, i), slant = Math.min(w * 0.5, bar);
        g.beginPath();
        g.moveTo(x, y);
        g.lineTo(x + w, y);
        g.lineTo(x + w - slant, y + bar);
        g.lineTo(x, y + bar);
        g.fill();
        const end = this.x(reference.end[notes.partner[i]], view), middle = y + bar / 2;
        g.beginPath();
        if (end > x + w) {
          g.moveTo(x + w - slant / 2, middle);
          g.lineTo(end, middle);
        }
        g.moveTo(end, y - 1);
        g.lineTo(end, y + bar + 1);
        g.stroke();
        if (end < x + w) {
          g.fillStyle = c.ground;
          g.fillRect(end - 1, y, 2, bar);
          g.fillStyle = c.wrong;
        }
      }
    }
    if (this.shownStatus.missed) {
      g.strokeStyle = c.missed;
      g.lineWidth = 1.5;
      g.setLineDash([4, 2.5]);
      for (const i of visible(reference, UNMATCHED)) {
        const [x, y, w] = box(reference, i);
        g.strokeRect(x + 0.75, y + 0.5, Math.max(2, w - 1.5), Math.max(1, bar - 1));
      }
      g.setLineDash([]);
    }
    if (this.shownStatus[UNMATCHED]) {
      g.lineWidth = 1.2;
      for (const i of visible(notes, UNMATCHED)) {
        const [x, y, w] = box(notes, i);
        g.fillStyle = c.extra;
        g.globalAlpha = 0.3;
        g.fillRect(x, y, w, bar);
        g.globalAlpha = 1;
        g.strokeStyle = c.extra;
        g.strokeRect(x + 0.5, y + 0.5, w - 1, bar - 1);
        if (bar >= 4 && w < 900) {
          g.beginPath();
          for (let at = x; at < x + w; at += 6) { // hatching
            const run = Math.min(bar, x + w - at);
            g.moveTo(at, y + bar);
            g.lineTo(at + run, y + bar - run);
          }
          g.stroke();
        }
        if (row >= 5) {
          const r = Math.min(4, row * 0.4), middle = y + bar / 2;
          g.lineWidth = 2;
          g.beginPath();
          for (const s of [1, -1]) {
            g.moveTo(x - r - 3 - r, middle - s * r);
            g.lineTo(x - 3, middle + s * r);
          }
          g.stroke();
          g.lineWidth = 1.2;
        }
      }
    }
  }
}

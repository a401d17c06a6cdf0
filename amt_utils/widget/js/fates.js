// Notes as the comparison sees them. Hit: solid. Wrong end: slanted, with a bracket at the true end.
// Missed: hollow, dashed. Extra: hatched, crossed.

class Fates {
  constructor({ camera, theme, data, state }) { Object.assign(this, { camera, theme, data, state }); }

  paint(g, scale) {
    const { camera, theme, state } = this, { notes, reference } = this.data, [inset, bar] = camera.bar();
    const boxes = (all, status) => { // [x, y, width, index] of what is visible
      const found = [];
      for (let i = all.firstAlive(camera.start); i < all.n && all.onset[i] < camera.end; i++) {
        if (all.status[i] !== status || all.end[i] <= camera.start) continue;
        const x = camera.x(all.onset[i]);
        found.push([x, camera.y(all.pitch[i]) + inset, Math.max(3, camera.x(all.end[i]) - x - 0.75), i]);
      }
      return found;
    };
    g.fillStyle = theme.colour.hit;
    if (state.shownFates[HIT]) for (const [x, y, w] of boxes(notes, HIT)) g.fillRect(x, y, w, bar);
    if (state.shownFates[WRONG_END]) this.#paintWrongEnds(g, boxes(notes, WRONG_END), bar);
    if (state.shownFates.missed) this.#paintMissed(g, boxes(reference, UNMATCHED), bar);
    if (state.shownFates[UNMATCHED]) this.#paintExtra(g, boxes(notes, UNMATCHED), bar, scale);
  }

  #paintWrongEnds(g, boxes, bar) {
    const { camera, theme } = this, { notes, reference } = this.data;
    g.fillStyle = g.strokeStyle = theme.colour.wrong;
    g.lineWidth = 1.5;
    const solid = new Path2D(), lines = new Path2D();
    for (const [x, y, w, i] of boxes) {
      const end = camera.x(reference.end[notes.partner[i]]), agreed = Math.max(2, Math.min(w, end - x));
      const slant = Math.min(agreed * 0.5, bar), middle = y + bar / 2;
      solid.moveTo(x, y);
      solid.lineTo(x + agreed, y);
      solid.lineTo(x + agreed - slant, y + bar);
      solid.lineTo(x, y + bar);
      if (w > agreed) { // held too long: pale beyond the true end
        g.globalAlpha = 0.38;
        g.fillRect(end, y, x + w - end, bar);
        g.globalAlpha = 1;
      } else if (end > x + w) { // let go too early: a line to the true end
        lines.moveTo(x + w - slant / 2, middle);
        lines.lineTo(end, middle);
      }
      lines.moveTo(end - 3, y - 1);
      lines.lineTo(end, y - 1);
      lines.lineTo(end, y + bar + 1);
      lines.lineTo(end - 3, y + bar + 1);
    }
    g.fill(solid);
    g.stroke(lines);
  }

  #paintMissed(g, boxes, bar) {
    const { theme } = this;
    g.strokeStyle = theme.colour.missed;
    g.lineWidth = 1.5;
    if (boxes.length < 400) g.setLineDash([4, 2.5]);
    for (const [x, y, w] of boxes) g.strokeRect(x + 0.75, y + 0.5, Math.max(2, w - 1.5), Math.max(1, bar - 1));
    g.setLineDash([]);
  }

  #paintExtra(g, boxes, bar, scale) {
    const { theme } = this;
    g.strokeStyle = theme.colour.extra;
    g.fillStyle = theme.hatching(g, theme.colour.extra, scale);
    const r = Math.min(4, bar * 0.5), crosses = new Path2D();
    for (const [x, y, w] of boxes) {
      g.fillRect(x, y, w, bar);
      g.lineWidth = 1;
      g.strokeRect(x + 0.5, y + 0.5, w - 1, bar - 1);
      for (const s of [1, -1]) {
        crosses.moveTo(x - 3 - 2 * r, y + bar / 2 - s * r);
        crosses.lineTo(x - 3, y + bar / 2 + s * r);
      }
    }
    g.lineWidth = 2;
    if (bar >= 4) g.stroke(crosses);
  }
}

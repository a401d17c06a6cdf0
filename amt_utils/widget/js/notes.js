// Painting notes: by velocity, or by what the comparison says of them.

const RULER = 24, KEYBOARD = 62, LANE = 15;
const IS_BLACK = [1, 3, 6, 8, 10].reduce((mask, k) => mask | (1 << k), 0);
const isBlack = (pitch) => (IS_BLACK >> (pitch % 12)) & 1;
const SHADES = 16; // velocity steps
const RAMPS = { // soft to loud; luminance moves away from the background in both
  dark: ["#6b4de0", "#a64fe0", "#dc5cb4", "#f57e78", "#fbb55f", "#fdf0a6"],
  light: ["#f3a35c", "#e8744f", "#cf4a74", "#9a3199", "#5f2496", "#2b1063"],
};
const ROUNDED_UP_TO = 500; // visible notes; beyond, corners cost more than they show

const hexToRgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function rampColour(ramp, x) {
  const at = Math.min(0.9999, Math.max(0, x)) * (ramp.length - 1), i = Math.floor(at);
  const [a, b] = [hexToRgb(ramp[i]), hexToRgb(ramp[i + 1])];
  return `rgb(${a.map((v, k) => Math.round(v + (b[k] - v) * (at - i))).join(",")})`;
}

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
    const { notes, reference } = this.data;
    const row = this.row(view), bar = Math.max(2, row - (row > 6 ? 2 : row > 4 ? 1 : 0)), inset = (row - bar) / 2;
    const boxes = (all, status) => { // [x, y, width, index] of what is visible
      const found = [];
      for (let i = all.firstAlive(view.start); i < all.n && all.onset[i] < view.start + view.span; i++) {
        if (all.status[i] !== status || all.end[i] <= view.start) continue;
        const x = this.x(all.onset[i], view);
        found.push([x, this.y(all.pitch[i], view) + inset, Math.max(3, this.x(all.end[i], view) - x - 0.75), i]);
      }
      return found;
    };
    g.fillStyle = this.colour.hit;
    if (this.shownStatus[HIT]) for (const [x, y, w] of boxes(notes, HIT)) g.fillRect(x, y, w, bar);
    if (this.shownStatus[WRONG_END]) this.paintWrongEnds(g, view, boxes(notes, WRONG_END), bar);
    if (this.shownStatus.missed) this.paintMissed(g, boxes(reference, UNMATCHED), bar);
    if (this.shownStatus[UNMATCHED]) this.paintExtra(g, boxes(notes, UNMATCHED), bar);
  }

  paintWrongEnds(g, view, boxes, bar) {
    const { notes, reference } = this.data;
    g.fillStyle = g.strokeStyle = this.colour.wrong;
    g.lineWidth = 1.5;
    const solid = new Path2D(), lines = new Path2D();
    for (const [x, y, w, i] of boxes) {
      const end = this.x(reference.end[notes.partner[i]], view), agreed = Math.max(2, Math.min(w, end - x));
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

  paintMissed(g, boxes, bar) {
    g.strokeStyle = this.colour.missed;
    g.lineWidth = 1.5;
    if (boxes.length < 400) g.setLineDash([4, 2.5]);
    for (const [x, y, w] of boxes) g.strokeRect(x + 0.75, y + 0.5, Math.max(2, w - 1.5), Math.max(1, bar - 1));
    g.setLineDash([]);
  }

  paintExtra(g, boxes, bar) {
    g.strokeStyle = this.colour.extra;
    g.fillStyle = this.hatching(g);
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

  /** Diagonal lines as a pattern, made once per theme. */
  hatching(g) {
    if (this.hatch) return this.hatch;
    const tile = document.createElement("canvas"), size = 6;
    tile.width = tile.height = size * this.scale;
    const t = tile.getContext("2d");
    t.scale(this.scale, this.scale);
    t.fillStyle = t.strokeStyle = this.colour.extra;
    t.globalAlpha = 0.3;
    t.fillRect(0, 0, size, size);
    t.globalAlpha = 1;
    t.lineWidth = 1.4;
    for (const shift of [-size, 0, size]) {
      t.moveTo(shift - 1, size + 1);
      t.lineTo(shift + size + 1, -1);
    }
    t.stroke();
    this.hatch = g.createPattern(tile, "repeat");
    this.hatch.setTransform(new DOMMatrix().scale(1 / this.scale));
    return this.hatch;
  }
}

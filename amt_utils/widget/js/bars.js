// Notes as bars: coloured by loudness or by hand; what the network was unsure of is shaded.

const ROUNDED_UP_TO = 500; // visible notes; beyond, corners cost more than they show

class Bars {
  constructor({ camera, theme, words, state, draft, data }) { Object.assign(this, { camera, theme, words, state, draft, data }); }

  /** Which colour a note has: an index into `colours`. */
  #group(notes, i) { return this.state.mode === "hands" ? notes.hand[i] : Math.min(SHADES - 1, notes.velocity[i] * SHADES >> 7); }
  get #colours() { return this.state.mode === "hands" ? [this.theme.colour.right, this.theme.colour.left] : this.theme.ramp; }

  colourOf(notes, i) {
    const c = this.theme.colour;
    if (this.state.mode === "comparison") return [c.hit, c.hit, c.wrong, c.extra][notes.status[i]];
    return this.#colours[this.#group(notes, i)];
  }

  paint(g, notes, scale) {
    const { camera, state, data, draft } = this, { row } = camera, [inset, bar] = camera.bar(), colours = this.#colours;
    const first = notes.firstAlive(camera.start), stop = notes.firstFrom(camera.end);
    const perSecond = camera.rollWidth / camera.span, left = KEYBOARD - camera.start * perSecond;
    const groups = colours.map(() => []), unsure = [], shades = notes === data.notes && draft.knowsDoubt;
    for (let i = first; i < stop; i++) {
      if (Math.max(notes.end[i], notes.sounding[i]) <= camera.start) continue;
      groups[this.#group(notes, i)].push(i);
      if (shades && draft.isUnsure(i)) unsure.push(i);
    }
    const rounded = stop - first < ROUNDED_UP_TO && bar >= 4, radius = Math.min(3, bar / 3);
    const width = (i) => Math.max(2, (notes.end[i] - notes.onset[i]) * perSecond - 0.75);
    const box = (i) => [left + notes.onset[i] * perSecond, camera.y(notes.pitch[i]) + inset, width(i)];
    for (const [k, group] of groups.entries()) {
      if (!group.length) continue;
      g.fillStyle = colours[k];
      for (const [own, alpha] of this.#byHand(notes, group)) {
        g.globalAlpha = 0.26 * alpha;
        for (const i of own) { // ringing on under the pedal
          const tail = (notes.sounding[i] - notes.end[i]) * perSecond;
          if (tail > 1) g.fillRect(left + notes.end[i] * perSecond, camera.y(notes.pitch[i]) + inset + bar * 0.2, tail, bar * 0.6);
        }
        g.globalAlpha = alpha;
        if (rounded) g.beginPath();
        for (const i of own) {
          const [x, y, w] = box(i);
          if (rounded) g.roundRect(x, y, w, bar, Math.min(radius, w / 2));
          else g.fillRect(x, y, w, bar);
        }
        if (rounded) g.fill();
      }
    }
    g.globalAlpha = 1;
    if (state.mode === "hands" && bar >= 4) this.#markLeft(g, groups[LEFT], box, bar);
    if (unsure.length) this.#shade(g, unsure, box, bar, scale);
    if (rounded && row >= 11) this.#paintNames(g, notes, first, stop);
  }

  /** [notes, opacity]: the hand that is not heard is pale. */
  #byHand(notes, group) {
    const { hand } = this.state;
    if (hand === null) return [[group, 1]];
    return [[group.filter((i) => notes.hand[i] === hand), 1], [group.filter((i) => notes.hand[i] !== hand), 0.22]];
  }

  /** The left hand's notes have a line along them: colour is not the only sign. */
  #markLeft(g, group, box, bar) {
    g.fillStyle = this.theme.colour.ground;
    for (const i of group) {
      const [x, y, w] = box(i);
      if (w > 6) g.fillRect(x + 3, y + bar / 2 - 1, w - 6, 2);
    }
  }

  #shade(g, unsure, box, bar, scale) {
    g.fillStyle = this.theme.hatching(g, this.theme.colour.ground, scale, 0.3);
    g.strokeStyle = this.theme.colour.text;
    g.lineWidth = 1;
    if (unsure.length < 300) g.setLineDash([2, 2]);
    for (const i of unsure) {
      const [x, y, w] = box(i);
      g.fillRect(x, y, w, bar);
      g.strokeRect(x + 0.5, y + 0.5, w - 1, bar - 1);
    }
    g.setLineDash([]);
  }

  #paintNames(g, notes, first, stop) {
    const { camera, theme, words, state } = this, { row } = camera, perSecond = camera.rollWidth / camera.span;
    g.font = `600 ${Math.min(11, row - 4)}px ${theme.font}`;
    g.textBaseline = "middle";
    g.textAlign = "left";
    for (let i = first; i < stop; i++) {
      if ((notes.end[i] - notes.onset[i]) * perSecond < 34 || (state.mode === "hands" && notes.hand[i] === LEFT)) continue;
      const bright = state.mode === "hands" ? theme.name === "dark" : (notes.velocity[i] > 70) === theme.loudIsBright;
      g.fillStyle = bright ? "rgba(20,10,40,.78)" : "rgba(255,255,255,.9)";
      g.fillText(pitchName(words, notes.pitch[i]), camera.x(notes.onset[i]) + 5, camera.y(notes.pitch[i]) + row / 2 + 0.5);
    }
  }

  /** What may have been played and the threshold leaves out: empty, dashed. */
  paintGhosts(g, ghosts) {
    const { camera } = this, [inset, bar] = camera.bar();
    g.strokeStyle = this.theme.colour.faint;
    g.lineWidth = 1;
    g.setLineDash([3, 3]);
    for (const i of ghosts.between(camera.start, camera.end)) {
      const x = camera.x(ghosts.onset[i]);
      g.strokeRect(x + 0.5, camera.y(ghosts.pitch[i]) + inset + 0.5, Math.max(3, camera.x(ghosts.end[i]) - x - 1), bar - 1);
    }
    g.setLineDash([]);
  }
}

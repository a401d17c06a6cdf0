// Notes as bars, coloured by velocity.

const ROUNDED_UP_TO = 500; // visible notes; beyond, corners cost more than they show

class Bars {
  constructor({ camera, theme, words }) { Object.assign(this, { camera, theme, words }); }

  paint(g, notes) {
    const { camera, theme } = this, { row } = camera, [inset, bar] = camera.bar();
    const first = notes.firstAlive(camera.start), stop = notes.firstFrom(camera.end);
    const perSecond = camera.rollWidth / camera.span, left = KEYBOARD - camera.start * perSecond;
    const shades = Array.from({ length: SHADES }, () => []);
    for (let i = first; i < stop; i++)
      if (Math.max(notes.end[i], notes.sounding[i]) > camera.start) shades[Math.min(SHADES - 1, notes.velocity[i] * SHADES >> 7)].push(i);
    const rounded = stop - first < ROUNDED_UP_TO && bar >= 4;
    const radius = Math.min(3, bar / 3);
    for (let shade = 0; shade < SHADES; shade++) {
      if (!shades[shade].length) continue;
      g.fillStyle = theme.ramp[shade];
      g.globalAlpha = 0.26;
      for (const i of shades[shade]) { // ringing on under the pedal
        const tail = (notes.sounding[i] - notes.end[i]) * perSecond;
        if (tail > 1) g.fillRect(left + notes.end[i] * perSecond, camera.y(notes.pitch[i]) + inset + bar * 0.2, tail, bar * 0.6);
      }
      g.globalAlpha = 1;
      if (rounded) g.beginPath();
      for (const i of shades[shade]) {
        const x = left + notes.onset[i] * perSecond, y = camera.y(notes.pitch[i]) + inset;
        const w = Math.max(2, (notes.end[i] - notes.onset[i]) * perSecond - 0.75);
        if (rounded) g.roundRect(x, y, w, bar, Math.min(radius, w / 2));
        else g.fillRect(x, y, w, bar);
      }
      if (rounded) g.fill();
    }
    if (rounded && row >= 11) this.#paintNames(g, notes, first, stop);
  }

  #paintNames(g, notes, first, stop) {
    const { camera, theme, words } = this, { row } = camera;
    const perSecond = camera.rollWidth / camera.span;
    g.font = `600 ${Math.min(11, row - 4)}px ${theme.font}`;
    g.textBaseline = "middle";
    g.textAlign = "left";
    for (let i = first; i < stop; i++) {
      if ((notes.end[i] - notes.onset[i]) * perSecond < 34) continue;
      const bright = (notes.velocity[i] > 70) === theme.loudIsBright;
      g.fillStyle = bright ? "rgba(20,10,40,.78)" : "rgba(255,255,255,.9)";
      g.fillText(pitchName(words, notes.pitch[i]), camera.x(notes.onset[i]) + 5, camera.y(notes.pitch[i]) + row / 2 + 0.5);
    }
  }
}

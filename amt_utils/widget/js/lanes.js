// The pedals, one lane for each that is used.

class PedalLanes {
  constructor({ camera, theme, data, words }) { Object.assign(this, { camera, theme, data, words }); }

  paint(g) {
    const { camera, theme, words } = this, c = theme.colour, { pedals } = this.data, top = camera.lanesTop;
    g.fillStyle = c.panel;
    g.fillRect(0, top, camera.width, camera.height - top);
    g.fillStyle = c.octave;
    g.fillRect(0, top, camera.width, 1);
    g.save();
    g.beginPath();
    g.rect(KEYBOARD, top, camera.rollWidth, camera.height - top);
    g.clip();
    g.fillStyle = c.pedal;
    for (let i = 0; i < pedals.n && pedals.onset[i] < camera.end; i++) {
      if (pedals.offset[i] < camera.start) continue;
      const x = camera.x(pedals.onset[i]), lane = pedals.kinds.indexOf(pedals.kind[i]);
      const y = top + 4 + lane * LANE, w = Math.max(2, camera.x(pedals.offset[i]) - x);
      g.globalAlpha = 0.55;
      g.fillRect(x, y + 1, w, LANE - 5);
      g.globalAlpha = 1;
      g.fillRect(x, y + 1, 2, LANE - 5);
    }
    g.restore();
    g.font = `10px ${theme.font}`;
    g.textBaseline = "middle";
    g.textAlign = "right";
    g.fillStyle = c.faint;
    pedals.kinds.forEach((kind, lane) => g.fillText(words.pedals[kind], KEYBOARD - 6, top + 3.5 + lane * LANE + LANE / 2));
  }
}

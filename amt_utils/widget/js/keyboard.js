// The keyboard at the left edge.

const IS_BLACK = [1, 3, 6, 8, 10].reduce((mask, k) => mask | (1 << k), 0);
const isBlack = (pitch) => (IS_BLACK >> (pitch % 12)) & 1;

class Keyboard {
  constructor({ camera, theme, words }) { Object.assign(this, { camera, theme, words }); }

  paint(g) {
    const { camera, theme, words } = this, c = theme.colour, { row } = camera;
    g.save();
    g.beginPath();
    g.rect(0, RULER, KEYBOARD, camera.rollHeight);
    g.clip();
    for (let p = camera.low - 1; p <= camera.high + 1; p++) if (!isBlack(p)) this.paintKey(g, p, c["white-key"]);
    for (let p = camera.low; p <= camera.high; p++) if (isBlack(p)) this.paintKey(g, p, c["black-key"]);
    g.textBaseline = "middle";
    g.textAlign = "right";
    g.font = `${Math.max(8, Math.min(10, row * 1.4))}px ${theme.font}`;
    g.fillStyle = "#667";
    for (let p = camera.low; p <= camera.high; p++)
      if (p % 12 === 0) g.fillText(pitchName(words, p), KEYBOARD - 5, camera.y(p) + row / 2);
    g.restore();
    g.fillStyle = c.octave;
    g.fillRect(KEYBOARD - 1, RULER, 1, camera.height - RULER);
  }

  /** A white key reaches half into its black neighbours' rows, as on the instrument. */
  paintKey(g, pitch, fill) {
    const { camera } = this, { row } = camera;
    let top = camera.y(pitch), bottom = top + row;
    if (isBlack(pitch)) {
      g.fillStyle = fill;
      g.fillRect(0, top, KEYBOARD * 0.6, row);
      return;
    }
    if (isBlack(pitch + 1)) top -= row / 2;
    if (isBlack(pitch - 1)) bottom += row / 2;
    g.fillStyle = fill;
    g.fillRect(0, top, KEYBOARD - 1, bottom - top - Math.min(1, row / 8));
    g.fillStyle = "rgba(70,78,105,.7)";
    g.fillRect(0, bottom - 0.5, KEYBOARD - 1, 0.5);
  }
}

// The ground on which notes lie: rows of keys, lines of time, the ruler, the loop.

class Grid {
  constructor({ camera, theme, data, words, state }) { Object.assign(this, { camera, theme, data, words, state }); }

  paintRows(g) {
    const { camera, theme } = this;
    const row = camera.row;
    g.fillStyle = theme.colour.row;
    for (let p = camera.low; p <= camera.high; p++)
      if (isBlack(p)) g.fillRect(KEYBOARD, camera.y(p), camera.rollWidth, row);
    g.fillStyle = theme.colour.octave;
    for (let p = camera.low; p <= camera.high; p++)
      if (p % 12 === 0) g.fillRect(KEYBOARD, camera.y(p) + row - 0.5, camera.rollWidth, 1);
  }

  #tick() {
    const { camera } = this;
    const wanted = camera.span * 110 / camera.rollWidth; // seconds between labels, about 110 px
    return [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((s) => s >= wanted) || 1200;
  }

  paintLines(g) {
    const { camera, theme } = this;
    const step = this.#tick(), fine = step / 5;
    for (let k = Math.ceil(camera.start / fine); k * fine < camera.end; k++) {
      g.fillStyle = k % 5 ? theme.colour.fine : theme.colour.line;
      g.fillRect(Math.round(camera.x(k * fine)), RULER, 1, camera.rollHeight);
    }
  }

  paintRuler(g) {
    const { camera, theme } = this;
    const c = theme.colour, step = this.#tick(), digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
    g.fillStyle = c.panel;
    g.fillRect(0, 0, camera.width, RULER);
    g.save();
    g.beginPath();
    g.rect(KEYBOARD, 0, camera.rollWidth, RULER);
    g.clip();
    if (this.state.loop) {
      const [a, b] = this.state.loop.map((t) => camera.x(t));
      g.fillStyle = c.accent;
      g.fillRect(a, RULER - 5, b - a, 5);
    }
    g.font = `11px ${theme.font}`;
    g.textBaseline = "middle";
    g.textAlign = "left";
    for (let k = Math.max(0, Math.ceil(camera.start / step) - 1); k * step < camera.end; k++) {
      const x = Math.round(camera.x(k * step));
      g.fillStyle = c.line;
      g.fillRect(x, RULER - 7, 1, 7);
      g.fillStyle = c.faint;
      g.fillText(clock(k * step, digits), x + 5, RULER / 2);
    }
    g.restore();
    g.fillStyle = c.octave;
    g.fillRect(0, RULER - 1, camera.width, 1);
  }

  paintLoop(g) {
    const { camera, theme } = this;
    const [a, b] = this.state.loop.map((t) => camera.x(t));
    g.fillStyle = theme.colour.shade;
    g.fillRect(KEYBOARD, RULER, a - KEYBOARD, camera.rollHeight);
    g.fillRect(b, RULER, camera.width - b, camera.rollHeight);
    g.fillStyle = theme.colour.accent;
    g.fillRect(a, RULER, 1, camera.rollHeight);
    g.fillRect(b, RULER, 1, camera.rollHeight);
  }
}

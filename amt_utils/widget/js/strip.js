// The whole piece in a strip, kept as a picture; the window and the playhead on top.

class Strip {
  constructor({ camera, theme, data, state }, bars) { Object.assign(this, { camera, theme, data, state, bars, picture: null, drawn: "" }); }

  /** Asks for a new picture: other notes, colours or size. */
  forget() { [this.picture, this.drawn] = [null, ""]; }

  paint(canvas, position, scale) {
    const { width, height } = canvas, { camera, theme, state } = this, { duration } = this.data, c = theme.colour;
    this.picture ||= this.#draw(width, height, scale);
    const at = (seconds) => Math.round(seconds / duration * width);
    const [a, b, here] = [at(camera.start), Math.min(width, at(camera.end)), at(position)];
    const looks = [a, b, here, ...(state.loop || [])].join();
    if (looks === this.drawn) return; // in a long piece the playhead rests on a pixel for many frames
    this.drawn = looks;
    const g = canvas.getContext("2d");
    g.drawImage(this.picture, 0, 0);
    g.fillStyle = c.veil;
    g.fillRect(0, 0, a, height);
    g.fillRect(b, 0, width - b, height);
    g.strokeStyle = c.faint;
    g.lineWidth = scale;
    g.strokeRect(a + scale / 2, scale / 2, Math.max(3, b - a - scale), height - scale);
    g.fillStyle = c.accent;
    if (state.loop) g.fillRect(at(state.loop[0]), height - 3 * scale, at(state.loop[1]) - at(state.loop[0]), 3 * scale);
    g.fillRect(here - scale * 0.75, 0, 1.5 * scale, height);
  }

  #draw(width, height, scale) {
    const picture = document.createElement("canvas"), { theme } = this, c = theme.colour, { mode } = this.state;
    const { notes, reference, duration } = this.data;
    [picture.width, picture.height] = [width, height];
    const g = picture.getContext("2d");
    g.fillStyle = c.panel;
    g.fillRect(0, 0, width, height);
    let [low, high] = [HIGHEST, LOWEST];
    for (const all of [notes, reference]) for (const p of all ? all.pitch : []) [low, high] = [Math.min(low, p), Math.max(high, p)];
    const dot = (all, i, colour, size) => {
      g.fillStyle = colour;
      const y = (high - all.pitch[i]) / Math.max(1, high - low) * (height - 11 * scale) + 4 * scale;
      g.fillRect(all.onset[i] / duration * width, y, Math.max(size, (all.end[i] - all.onset[i]) / duration * width), size);
    };
    const shown = mode === "reference" ? reference : notes, small = 2 * scale;
    for (let i = 0; i < shown.n; i++)
      dot(shown, i, this.bars.colourOf(shown, i), mode === "comparison" && shown.status[i] === UNMATCHED ? 1.5 * small : small);
    if (mode === "comparison")
      for (let i = 0; i < reference.n; i++) if (reference.status[i] === UNMATCHED) dot(reference, i, c.missed, 1.5 * small);
    return picture;
  }
}

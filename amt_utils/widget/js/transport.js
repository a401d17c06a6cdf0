// Playing, seeking, looping: the player with the window that follows it.

class Transport {
  constructor({ player, camera, state, data, tell }) {
    Object.assign(this, { player, camera, state, data, tell });
    player.onState = () => this.#playerChanged();
  }

  get position() { return this.player.position(); }

  #playerChanged() {
    const { playing, sound } = this.player;
    this.state.set({ playing, sound, moved: (this.state.moved || 0) + 1 });
    this.tell({ playing, playhead: this.position });
  }

  /** Plays or pauses; resolves when it plays. */
  async toggle() {
    if (this.player.playing || this.player.wanted) return this.player.pause();
    this.state.set({ following: true, lit: true });
    await this.player.play();
  }

  seek(seconds) {
    this.state.set({ lit: true });
    this.player.seek(seconds);
    this.camera.reveal(this.position);
  }

  /** Zooms around the playhead where it is in sight, else around the middle. */
  zoom(factor) {
    const { camera, position } = this, inside = position >= camera.start && position <= camera.end;
    camera.zoom(factor, inside ? position : camera.start + camera.span / 2);
  }

  follow(following) {
    this.state.set({ following });
    if (following) this.camera.reveal(this.position);
  }

  setLoop(range) {
    let loop = range && [Math.max(0, Math.min(...range)), Math.min(this.data.duration, Math.max(...range))];
    if (loop && loop[1] - loop[0] < 0.1) loop = null;
    this.state.set({ loop });
    this.player.change({ loop });
    this.tell({ loop: loop || [] });
  }

  /** Loops the chosen notes, or what is in sight; or ends the loop. */
  toggleLoop() {
    if (this.state.loop) return this.setLoop(null);
    const { notes } = this.data, chosen = this.state.selection;
    if (chosen.length > 1) this.setLoop([Math.min(...chosen.map((i) => notes.onset[i])), Math.max(...chosen.map((i) => notes.end[i]))]);
    else this.setLoop([this.camera.start, this.camera.end]);
    this.#enterLoop();
  }

  #enterLoop() {
    const [start, end] = this.state.loop;
    if (this.position < start || this.position > end) this.seek(start);
  }

  setSound(sound) { if (this.sounds.includes(sound)) this.player.change({ sound }); }

  get sounds() {
    const { audio, reference } = this.data;
    return [...(audio ? ["recording"] : []), "midi", ...(reference ? ["reference"] : []), ...(audio ? ["both"] : [])];
  }
}

// What is shown and heard: time, keys, loop, sound, and the controls that say so.

class Viewing extends Chooser {
  stateChanged() {
    this.state.playing = this.player.playing;
    if (this.playButton) {
      setIcon(this.playButton, this.player.playing ? "pause" : "play", this.player.playing ? this.words.pause : this.words.play);
      this.refreshControls();
      this.tell({ playing: this.player.playing, playhead: this.player.position() });
      this.redraw();
    }
  }

  refreshControls() {
    this.soundChoice?.choose(this.player.sound);
    this.modeChoice?.choose(this.view.mode);
    this.loopButton.setAttribute("aria-pressed", Boolean(this.view.loop));
    this.followButton.setAttribute("aria-pressed", this.following);
    if (this.backgroundSelect) this.backgroundSelect.value = this.view.background || "";
  }

  togglePlay() {
    if (this.player.playing || this.player.wanted) return this.player.pause();
    if (!this.player.recording && this.data.audio && this.player.sound !== "midi") this.say(this.words.decoding);
    this.following = true;
    this.state.lit = true;
    this.player.play().then(() => this.describeSelection());
  }

  seek(seconds) {
    this.state.lit = true;
    this.player.seek(seconds);
    this.reveal(this.player.position());
  }

  reveal(seconds) {
    const { view } = this;
    if (seconds < view.start || seconds > view.start + view.span * 0.97) this.setView(seconds - view.span * 0.3, view.span);
    else this.redraw();
  }

  setView(start, span) {
    const { view } = this, most = this.data.duration;
    view.span = Math.min(most, Math.max(0.25, span));
    view.start = Math.min(Math.max(0, most - view.span), Math.max(0, start));
    clearTimeout(this.viewTimer);
    this.viewTimer = setTimeout(() => this.tell({ view: [view.start, view.start + view.span] }), 150);
    this.redraw();
  }

  zoom(factor, around = null) {
    const { view } = this, here = this.player.position();
    const inside = here >= view.start && here <= view.start + view.span;
    const centre = around ?? (inside ? here : view.start + view.span / 2);
    const span = Math.min(this.data.duration, Math.max(0.25, view.span * factor));
    this.setView(centre - (centre - view.start) * span / view.span, span);
  }

  showAll() { this.setView(0, this.data.duration); }

  fitKeys(all) {
    this.allKeys = all;
    let low = 127, high = 0;
    for (const notes of [this.data.notes, this.data.reference])
      if (notes) for (const p of notes.pitch) [low, high] = [Math.min(low, p), Math.max(high, p)];
    if (low > high) [low, high] = [48, 84];
    [low, high] = [low - 2, high + 2];
    const lacking = Math.max(0, 36 - (high - low + 1)); // at least three octaves
    [low, high] = [low - Math.floor(lacking / 2), high + Math.ceil(lacking / 2)];
    [this.view.low, this.view.high] = all ? [21, 108] : [Math.max(21, low), Math.min(108, high)];
    this.keysButton.setAttribute("aria-pressed", all);
    this.redraw();
  }

  movePitch(steps) {
    const { view } = this, room = steps > 0 ? 108 - view.high : view.low - 21;
    const by = Math.sign(steps) * Math.min(Math.abs(steps), room);
    [view.low, view.high] = [view.low + by, view.high + by];
    this.redraw();
  }

  zoomKeys(factor) {
    const { view } = this, rows = view.high - view.low + 1;
    const wanted = Math.min(88, Math.max(12, Math.round(rows * factor)));
    view.low = Math.max(21, Math.min(109 - wanted, view.low + Math.round((rows - wanted) / 2)));
    view.high = view.low + wanted - 1;
    this.redraw();
  }

  setFollow(follow) {
    this.following = follow;
    if (follow) this.reveal(this.player.position());
    this.refreshControls();
  }

  setLoop(range) {
    const loop = range && [Math.max(0, Math.min(...range)), Math.min(this.data.duration, Math.max(...range))];
    this.view.loop = loop && loop[1] - loop[0] >= 0.1 ? loop : null;
    this.player.change({ loop: this.view.loop });
    this.tell({ loop: this.view.loop || [] });
    this.refreshControls();
    this.redraw();
  }

  toggleLoop() {
    if (this.view.loop) return this.setLoop(null);
    const { notes } = this.data, chosen = this.state.selection;
    if (chosen.length > 1) this.setLoop([Math.min(...chosen.map((i) => notes.onset[i])), Math.max(...chosen.map((i) => notes.end[i]))]);
    else this.setLoop([this.view.start, this.view.start + this.view.span]);
    if (this.player.position() < this.view.loop[0] || this.player.position() > this.view.loop[1]) this.seek(this.view.loop[0]);
  }

  setSound(sound) {
    const known = this.data.audio ? ["recording", "midi", "both"] : ["midi"];
    if (this.data.reference) known.push("reference");
    if (known.includes(sound)) this.player.change({ sound });
  }

  setMode(mode) {
    if (!this.data.reference) return;
    this.view.mode = mode;
    this.buildLegend();
    this.refreshControls();
    this.redraw();
  }

  setBackground(name) {
    this.view.background = name;
    this.refreshControls();
    this.redraw();
  }

  toggleScore() {
    this.score.element.hidden = !this.score.element.hidden;
    this.scoreButton.setAttribute("aria-pressed", !this.score.element.hidden);
    this.redraw();
  }

  toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  toggleHelp(show = this.help.hidden) { this.help.hidden = !show; }
}

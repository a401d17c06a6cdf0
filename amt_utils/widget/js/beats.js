// The beats that were found: what notes snap to, what the metronome clicks, where bars begin.

class Beats {
  /**
   * `times`: rising seconds, two or more; `perBar` beats in a bar; `downbeat`: index of the first beat that begins one;
   * `divisions`: of each beat; `quarters` to the beat; `fifths`: of the key, sharps or (below 0) flats.
   */
  constructor({ times, perBar, downbeat, divisions = [], numerator = perBar, denominator = 4, quarters = 1, fifths = 0 }) {
    Object.assign(this, { times, perBar, downbeat, divisions, numerator, denominator, quarters, fifths });
    const periods = times.slice(1).map((t, k) => t - times[k]).sort((a, b) => a - b);
    this.found = downbeat;
    this.period = periods[periods.length >> 1]; // the usual one, in seconds
  }

  /** Seconds -> beats, counted from the first one; outside at the tempo of the outermost beats. */
  beat(t) {
    const { times } = this, i = Math.min(times.length - 2, Math.max(0, firstAbove(times, t) - 1));
    return i + (t - times[i]) / (times[i + 1] - times[i]);
  }

  /** The inverse. */
  time(beat) {
    const { times } = this, i = Math.min(times.length - 2, Math.max(0, Math.floor(beat)));
    return times[i] + (beat - i) * (times[i + 1] - times[i]);
  }

  isDownbeat(k) { return (((k - this.downbeat) % this.perBar) + this.perBar) % this.perBar === 0; }

  /** Steps per beat to which notes snap: sixteenths, or sixths of a quarter where the beat is divided by three. */
  #steps(beat) {
    const inThree = (this.divisions[Math.max(0, Math.floor(beat + 1e-6))] || 1) % 3 === 0;
    return inThree && this.quarters % 0.75 ? 6 * this.quarters : 4 * this.quarters;
  }

  /** The nearest place of the grid. */
  snap(t) {
    const beat = this.beat(t), steps = this.#steps(beat);
    return Math.max(0, this.time(Math.round(beat * steps) / steps));
  }

  /** The next (or with -1 the previous) place of the grid. */
  step(t, direction) {
    const beat = this.beat(t), steps = this.#steps(beat + direction * 1e-3), at = beat * steps;
    return Math.max(0, this.time((direction > 0 ? Math.floor(at + 1e-3) + 1 : Math.ceil(at - 1e-3) - 1) / steps));
  }

  /** Bar that holds t; 0 begins at the first downbeat. */
  bar(t) { return Math.floor((this.beat(t) - this.downbeat) / this.perBar + 1e-6); }
  barStart(bar) { return this.time(this.downbeat + bar * this.perBar); }
  /** As it would be printed: an upbeat is bar 0. */
  barNumber(bar) { return bar + 1; }

  /** Calls f(beat, seconds) for the beats in [t0, t1). */
  forEach(t0, t1, f) {
    for (let k = Math.ceil(this.beat(t0) - 1e-9); ; k++) {
      const t = this.time(k);
      if (t >= t1) return;
      f(k, t);
    }
  }

  get isAsFound() { return this.downbeat === this.found; }

  /** "This is one": the beat nearest t begins a bar. */
  setDownbeat(t) {
    const k = Math.round(this.beat(t));
    this.downbeat = ((k % this.perBar) + this.perBar) % this.perBar;
  }
}

// What the parts of the view share: one store of values, one window onto time and keys.

/** Values by name; whoever asked with `on` hears which of them changed. */
class Store {
  #listeners = [];

  constructor(values) { Object.assign(this, values); }

  set(values) {
    const changed = Object.keys(values).filter((name) => this[name] !== values[name]);
    Object.assign(this, values);
    if (changed.length) for (const [names, f] of this.#listeners) if (!names || changed.some((name) => names.includes(name))) f(changed);
  }

  /** Calls `f` with the names of what changed, if any of `names` (all where null) is among them. */
  on(names, f) { this.#listeners.push([names, f]); }
}

const LOWEST = 21, HIGHEST = 108;
const RULER = 24, KEYBOARD = 62, LANE = 15; // px
const SHORTEST_SPAN = 0.25; // s

/** The window onto the roll: which seconds and which keys are seen, and where they lie in pixels. */
class Camera {
  constructor(duration, span, lanes, onChange) {
    Object.assign(this, { duration, lanes, onChange, start: 0, low: LOWEST, high: HIGHEST, allKeys: false, width: 1, height: 1 });
    this.span = Math.min(duration, span);
  }

  // ---- pixels ---------------------------------------------------------------------------------------------

  resize(width, height) { [this.width, this.height] = [width, height]; }
  get lanesTop() { return this.height - LANE * this.lanes - 4; }
  get rollHeight() { return this.lanesTop - RULER; }
  get rollWidth() { return Math.max(1, this.width - KEYBOARD); }
  get end() { return this.start + this.span; }
  get row() { return this.rollHeight / (this.high - this.low + 1); }
  x(seconds) { return KEYBOARD + (seconds - this.start) / this.span * this.rollWidth; }
  y(pitch) { return RULER + (this.high - pitch) * this.row; }
  time(x) { return this.start + (x - KEYBOARD) / this.rollWidth * this.span; }
  pitch(y) { return this.high - Math.floor((y - RULER) / this.row); }
  /** [top, height] of a note's bar within its row. */
  bar() {
    const { row } = this, height = Math.max(2, row - (row > 6 ? 2 : row > 4 ? 1 : 0));
    return [(row - height) / 2, height];
  }

  // ---- time -----------------------------------------------------------------------------------------------

  show(start, span = this.span) {
    this.span = Math.min(this.duration, Math.max(SHORTEST_SPAN, span));
    this.start = Math.min(Math.max(0, this.duration - this.span), Math.max(0, start));
    this.onChange();
  }

  showAll() { this.show(0, this.duration); }

  zoom(factor, around) {
    const span = Math.min(this.duration, Math.max(SHORTEST_SPAN, this.span * factor));
    this.show(around - (around - this.start) * span / this.span, span);
  }

  /** Moves so that `seconds` is in sight. */
  reveal(seconds) {
    if (seconds < this.start || seconds > this.start + this.span * 0.97) this.show(seconds - this.span * 0.3);
    else this.onChange();
  }

  /** Keeps the playhead at a third; turns pages instead where motion is unwelcome. True when it moved. */
  follow(position) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const wanted = !still ? position - this.span * 0.35
      : position < this.start || position > this.start + this.span * 0.95 ? position - this.span * 0.05 : this.start;
    const start = Math.min(Math.max(0, this.duration - this.span), Math.max(0, wanted));
    if (Math.abs(start - this.start) < 1e-6) return false;
    this.start = start;
    return true;
  }

  // ---- keys -----------------------------------------------------------------------------------------------

  /** Shows the keys from the lowest to the highest of `all` (lists of notes), three octaves at least; or every key. */
  fitKeys(all, every = false) {
    let [low, high] = [127, 0];
    for (const notes of all) for (const p of notes.pitch) [low, high] = [Math.min(low, p), Math.max(high, p)];
    if (low > high) [low, high] = [48, 84];
    [low, high] = [low - 2, high + 2];
    const lacking = Math.max(0, 36 - (high - low + 1));
    [low, high] = [low - Math.floor(lacking / 2), high + Math.ceil(lacking / 2)];
    [this.low, this.high] = every ? [LOWEST, HIGHEST] : [Math.max(LOWEST, low), Math.min(HIGHEST, high)];
    this.allKeys = every;
    this.onChange();
  }

  moveKeys(steps) {
    const by = Math.min(HIGHEST - this.high, Math.max(LOWEST - this.low, steps));
    [this.low, this.high] = [this.low + by, this.high + by];
    this.onChange();
  }

  revealKey(pitch) {
    if (pitch > this.high) this.moveKeys(pitch - this.high + 1);
    if (pitch < this.low) this.moveKeys(pitch - this.low - 1);
  }

  zoomKeys(factor) {
    const rows = this.high - this.low + 1, wanted = Math.min(88, Math.max(12, Math.round(rows * factor)));
    this.low = Math.max(LOWEST, Math.min(HIGHEST + 1 - wanted, this.low + Math.round((rows - wanted) / 2)));
    this.high = this.low + wanted - 1;
    this.onChange();
  }
}

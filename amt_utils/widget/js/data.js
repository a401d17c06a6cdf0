// What Python packed (payload.py) -> typed arrays that can be asked "what sounds between t0 and t1?".

const HIT = 1, WRONG_END = 2, UNMATCHED = 3;

/** DataView (live widget), base64 text (saved page) or nothing -> Uint8Array. */
function toBytes(value) {
  if (!value) return new Uint8Array(0);
  if (typeof value === "string") {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(value);
    const text = atob(value), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  }
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/** Reads columns one after the other; copies, because typed arrays want aligned offsets. */
function readColumns(value, n, types) {
  const bytes = toBytes(value);
  let at = 0;
  return types.map((Type) => {
    const size = n * Type.BYTES_PER_ELEMENT;
    const column = new Type(bytes.slice(at, at + size).buffer);
    at += size;
    return column;
  });
}

/** First index whose value in the rising array is > t (or >= t). */
function firstAbove(rising, t, orEqual = false) {
  let low = 0, high = rising.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rising[middle] > t || (orEqual && rising[middle] === t)) high = middle;
    else low = middle + 1;
  }
  return low;
}

class Notes {
  constructor(value, n) {
    this.n = n;
    [this.onset, this.end, this.sounding, this.partner, this.pitch, this.velocity, this.status] = readColumns(
      value, n, [Float64Array, Float64Array, Float64Array, Int32Array, Uint8Array, Uint8Array, Uint8Array]);
    // the latest end so far rises with the index, so that binary search finds the first note still alive
    this.latestEnd = new Float64Array(n);
    let latest = 0;
    for (let i = 0; i < n; i++) this.latestEnd[i] = latest = Math.max(latest, this.end[i], this.sounding[i]);
  }

  /** Index at which to begin looking for notes that reach beyond t. */
  firstAlive(t) { return firstAbove(this.latestEnd, t); }

  /** Index of the first note struck at or after t. */
  firstFrom(t) { return firstAbove(this.onset, t, true); }

  /** Notes that reach into [t0, t1), as indices. */
  between(t0, t1) {
    const found = [];
    for (let i = this.firstAlive(t0); i < this.n && this.onset[i] < t1; i++)
      if (Math.max(this.end[i], this.sounding[i]) > t0) found.push(i);
    return found;
  }
}

class Pedals {
  constructor(value, n) {
    this.n = n;
    [this.onset, this.offset, this.kind] = readColumns(value, n, [Float64Array, Float64Array, Uint8Array]);
    this.kinds = [0, ...[1, 2].filter((k) => this.kind.includes(k))]; // sustain always has its lane
  }

  isDown(kind, t) {
    for (let i = 0; i < this.n && this.onset[i] <= t; i++)
      if (this.kind[i] === kind && this.offset[i] > t) return true;
    return false;
  }
}

/** Everything a model (live or saved) carries. */
function readModel(model) {
  const meta = model.get("_meta");
  return {
    meta,
    notes: new Notes(model.get("_notes"), meta.notes),
    reference: meta.reference === null ? null : new Notes(model.get("_reference"), meta.reference),
    pedals: new Pedals(model.get("_pedals"), meta.pedals),
    duration: meta.duration,
    audio: meta.audio && { ...meta.audio, bytes: () => toBytes(model.get("_audio")) },
    images: meta.images,
    imageBytes: () => toBytes(model.get("_images")),
    score: meta.score ? () => inflateJson(toBytes(model.get("_score"))) : null,
  };
}

/** A saved page's stand-in for the live model: same get/set/on, and a DOM event for each change. */
class PageModel {
  constructor(state) { this.state = state; this.listeners = {}; this.changed = new Set(); }
  get(name) { return this.state[name]; }
  set(name, value) { this.state[name] = value; this.changed.add(name); }
  save_changes() {
    const names = [...this.changed];
    this.changed.clear();
    for (const name of names) {
      (this.listeners["change:" + name] || []).forEach((f) => f());
      window.dispatchEvent(new CustomEvent("amt-piano", { detail: { name, value: this.state[name] } }));
    }
  }
  on(event, f) { (this.listeners[event] ||= []).push(f); }
  off(event, f) { this.listeners[event] = (this.listeners[event] || []).filter((g) => g !== f); }
  send(message) { (this.listeners["msg:custom"] || []).forEach((f) => f(message)); }
}

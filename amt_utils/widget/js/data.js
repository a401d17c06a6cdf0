// What Python packed (payload.py) -> typed arrays that can be asked "what sounds between t0 and t1?".

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

/** The inverse for a page to be saved. */
function toBase64(bytes) {
  if (bytes.toBase64) return bytes.toBase64();
  const parts = [];
  for (let i = 0; i < bytes.length; i += 0x8000) parts.push(String.fromCharCode(...bytes.subarray(i, i + 0x8000)));
  return btoa(parts.join(""));
}

/** What a model carries as bytes. */
const BINARIES = ["_notes", "_reference", "_reference_pedals", "_pedals", "_audio", "_images", "_score"];

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

/** Notes with key ends as columns, sorted by onset; sounding ends and the ends that are drawn follow from the pedals. */
class Notes {
  /** `rows`: {id, onset, offset, pitch, velocity, hand, probability}; `origin` is the id of the note it was made from. */
  constructor(rows, pedals, ends) {
    this.rows = rows;
    this.n = rows.length;
    const column = (Type, name) => Type.from(rows, (row) => row[name]);
    [this.onset, this.offset] = ["onset", "offset"].map((name) => column(Float64Array, name));
    [this.pitch, this.velocity, this.hand] = ["pitch", "velocity", "hand"].map((name) => column(Uint8Array, name));
    this.probability = column(Float32Array, "probability");
    this.sounding = soundingEnds(this, pedals);
    this.end = ends === "sounding" ? this.sounding : this.offset;
    this.status = new Uint8Array(this.n); // what a comparison says of each (compare.js)
    this.partner = new Int32Array(this.n).fill(-1);
    // the latest end so far rises with the index, so that binary search finds the first note still alive
    this.latestEnd = new Float64Array(this.n);
    let latest = 0;
    for (let i = 0; i < this.n; i++) this.latestEnd[i] = latest = Math.max(latest, this.offset[i], this.sounding[i]);
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

/** Where notes fall silent under the pedals: the rule of amt_utils.music.notes.extend_to_sounding. */
function soundingEnds({ n, onset, offset, pitch }, pedals) {
  const sustain = pedals.of(SUSTAIN), sostenuto = pedals.of(SOSTENUTO), ends = new Float64Array(n);
  const last = (pedal, t) => firstAbove(pedal.onset, t) - 1; // the press at or before t
  for (let i = 0; i < n; i++) {
    let end = offset[i];
    for (let before = NaN; end !== before;) { // a release of one pedal may fall into the other's hold
      before = end;
      let k = last(sustain, end);
      if (k >= 0 && end < sustain.offset[k]) end = sustain.offset[k];
      k = last(sostenuto, end);
      if (k >= 0 && onset[i] <= sostenuto.onset[k] && offset[i] > sostenuto.onset[k] && end < sostenuto.offset[k]) end = sostenuto.offset[k];
    }
    ends[i] = end;
  }
  const struck = new Float64Array(128).fill(Infinity); // when each key is struck next
  for (let i = n - 1; i >= 0; i--) {
    if (struck[pitch[i]] > onset[i]) ends[i] = Math.min(ends[i], struck[pitch[i]]);
    struck[pitch[i]] = onset[i];
  }
  return ends;
}

const SUSTAIN = 0, SOSTENUTO = 1, SOFT = 2;

class Pedals {
  /** `rows`: {onset, offset, kind}, sorted by onset. */
  constructor(rows) {
    this.rows = rows;
    this.n = rows.length;
    [this.onset, this.offset] = ["onset", "offset"].map((name) => Float64Array.from(rows, (row) => row[name]));
    this.kind = Uint8Array.from(rows, (row) => row.kind);
    this.kinds = [SUSTAIN, ...[SOSTENUTO, SOFT].filter((kind) => this.kind.includes(kind))]; // sustain always has its lane
  }

  /** The presses of one pedal. */
  of(kind) {
    const own = this.rows.filter((row) => row.kind === kind);
    return { onset: Float64Array.from(own, (row) => row.onset), offset: Float64Array.from(own, (row) => row.offset) };
  }

  isDown(kind, t) {
    for (let i = 0; i < this.n && this.onset[i] <= t; i++)
      if (this.kind[i] === kind && this.offset[i] > t) return true;
    return false;
  }
}

/** Bytes of payload.pack_notes -> rows. */
function readNotes(value, n) {
  const names = ["onset", "offset", "probability", "pitch", "velocity", "hand"];
  const columns = readColumns(value, n, [Float64Array, Float64Array, Float32Array, Uint8Array, Uint8Array, Uint8Array]);
  return Array.from({ length: n }, (_, id) => ({ id, origin: id, ...Object.fromEntries(names.map((name, k) => [name, columns[k][id]])) }));
}

/** Bytes of payload.pack_pedals -> rows. */
function readPedals(value, n) {
  const [onset, offset, kind] = readColumns(value, n, [Float64Array, Float64Array, Uint8Array]);
  return Array.from({ length: n }, (_, i) => ({ onset: onset[i], offset: offset[i], kind: kind[i] }));
}

/** Everything a model (live or saved) carries; its notes are there once a Draft has them. */
function readModel(model) {
  const meta = model.get("_meta"), pedals = new Pedals(readPedals(model.get("_pedals"), meta.pedals));
  const beats = meta.beats ? new Beats(meta.beats) : null, downbeat = model.get("downbeat");
  if (beats && downbeat >= 0) beats.downbeat = downbeat; // as the reader tapped it
  return {
    meta, pedals,
    heard: readNotes(model.get("_notes"), meta.notes), // what the transcriber offers
    notes: null, // what stands after threshold and corrections
    ghosts: null, // what it thought possible, and the threshold leaves out
    reference: meta.reference === null ? null : new Notes(readNotes(model.get("_reference"), meta.reference),
      new Pedals(readPedals(model.get("_reference_pedals"), meta.reference_pedals)), meta.ends),
    beats,
    duration: meta.duration,
    audio: meta.audio && { ...meta.audio, bytes: () => toBytes(model.get("_audio")) },
    images: meta.images,
    imageBytes: () => toBytes(model.get("_images")),
    score: meta.score ? () => inflateJson(toBytes(model.get("_score"))) : null,
  };
}

/** zlib bytes of JSON -> what it says. */
async function inflateJson(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
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

/**
 * A model of notes that were found in the page itself.
 * `notes`: [{onset, offset, pitch, velocity, probability?, hand?}], seconds, key ends; `pedals`: [{onset, offset, kind}].
 * `candidates`: {threshold, lowest, shortest} where `notes` holds what is under the threshold too, its ends uncut.
 * `audio`: {bytes, mime, duration, rate}; `images`: [{about, bytes}] as payload.pack_image makes them.
 */
function makeModel({ notes, pedals = [], audio = null, images = [], candidates = null, beats = null, duration = 0, ...options }) {
  const sorted = [...notes].sort((a, b) => a.onset - b.onset || a.pitch - b.pitch), presses = [...pedals].sort((a, b) => a.onset - b.onset);
  const column = (Type, rows, name, otherwise) => Type.from(rows, (row) => row[name] ?? otherwise(row));
  const join = (columns) => {
    const parts = columns.map((c) => new Uint8Array(c.buffer)), whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
    return whole;
  };
  const last = Math.max(0, duration, audio ? audio.duration : 0, ...presses.map((p) => p.offset));
  return new PageModel({
    _meta: {
      title: "", height: 0, theme: "auto", language: "auto", background: "", ends: "key", reference: null, score: null, reference_pedals: 0,
      duration: Math.max(1, last, sorted.reduce((latest, note) => Math.max(latest, note.offset + 0.5), 0)),
      notes: sorted.length, pedals: presses.length, candidates, beats, images: images.map((image) => image.about),
      audio: audio && { mime: audio.mime, duration: audio.duration, rate: audio.rate }, ...options,
    },
    _notes: join([column(Float64Array, sorted, "onset"), column(Float64Array, sorted, "offset"),
      column(Float32Array, sorted, "probability", () => NaN), column(Uint8Array, sorted, "pitch"), column(Uint8Array, sorted, "velocity"),
      column(Uint8Array, sorted, "hand", (note) => (note.pitch < MIDDLE_C ? LEFT : RIGHT))]),
    _pedals: join([column(Float64Array, presses, "onset"), column(Float64Array, presses, "offset"), column(Uint8Array, presses, "kind")]),
    _audio: audio ? audio.bytes : null,
    _images: images.length ? join(images.map((image) => image.bytes)) : null,
    corrections: {},
    downbeat: beats ? beats.downbeat : -1,
  });
}

const RIGHT = 0, LEFT = 1, MIDDLE_C = 60; // hands; where nobody knows better they part at middle C

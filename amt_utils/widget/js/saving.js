// Taking it away: MIDI, MusicXML, JSON and the page itself, as what is on the screen, with nothing installed.

const SMALL_SOUND = 20_000; // bytes/s that a saved page may carry: three minutes in under 5 MB, as text

class Saver {
  constructor({ model, data, draft, words, inspector, player, page }) { Object.assign(this, { model, data, draft, words, inspector, player, page }); }

  get kinds() { return ["midi", "musicxml", "json", ...(this.page ? ["html"] : [])]; }

  async save(kind) {
    this.inspector.say(this.words.saving, true);
    const [content, suffix, mime] = await this[kind]();
    if (!content) return this.inspector.say(this.words.noBeats, true);
    const address = URL.createObjectURL(new Blob([content], { type: mime }));
    const link = make("a", { href: address, download: this.name + suffix });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    this.inspector.say(this.words.saved(this.name + suffix), true);
  }

  /** The title, without what file systems refuse. */
  get name() {
    return this.data.meta.title.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, " ").trim().replace(/ +/g, "_") || "transcription";
  }

  midi() {
    const { notes, pedals, beats, duration } = this.data;
    return [writeMidi(notes.rows, pedals.rows, beats, duration), ".mid", "audio/midi"];
  }

  /** The engraved score's own file while it says what the screen says; after corrections a plain one, on the same beats. */
  async musicxml() {
    const { data, draft } = this, mime = "application/vnd.recordare.musicxml+xml";
    const engraved = data.score && !draft.isCorrected && data.beats.isAsFound ? (await data.score()).musicxml : null;
    return [engraved || (data.beats && writeMusicXml(data)), ".musicxml", mime];
  }

  json() {
    const { notes, pedals, beats, meta } = this.data;
    const note = ({ onset, offset, pitch, velocity, hand, probability }) => ({
      onset, offset, pitch, velocity, hand: hand === LEFT ? "left" : "right",
      ...(probability >= 0 ? { probability: Number(probability.toFixed(3)) } : {}),
    });
    const press = ({ onset, offset, kind }) => ({ onset, offset, pedal: ["sustain", "sostenuto", "soft"][kind] });
    const grid = beats && { times: beats.times, downbeat: beats.downbeat, metre: `${beats.numerator}/${beats.denominator}` };
    const said = { title: meta.title, notes: notes.rows.map(note), pedals: pedals.rows.map(press), ...(grid ? { beats: grid } : {}) };
    return [JSON.stringify(said, null, 1), ".json", "application/json"];
  }

  /** This page, with what is on the screen in it; where it transcribes, without what it transcribes by. */
  async html() {
    const { model, data } = this, page = document.documentElement.cloneNode(true);
    const state = page.querySelector("#amt-state") || addState(page, model, await this.#smallSound());
    page.querySelector("#amt-root").replaceChildren();
    page.querySelectorAll(".amt-engine").forEach((element) => element.remove());
    const said = JSON.parse(state.textContent);
    said.corrections = this.draft.corrections;
    if (data.beats) said.downbeat = data.beats.downbeat;
    state.textContent = JSON.stringify(said).replace(/</g, "\\u003c");
    page.querySelector("title").textContent = data.meta.title || this.words.roll;
    return ["<!doctype html>\n" + page.outerHTML, ".html", "text/html"];
  }

  /** The recording as it came where it is small; else as Opus, or, where the browser has none, as FLAC. */
  async #smallSound() {
    const { audio } = this.data, bytes = audio ? audio.bytes() : new Uint8Array(0), mime = audio?.mime;
    await this.player.decoded;
    const { recording } = this.player, most = recording ? SMALL_SOUND * recording.duration : Infinity;
    if (bytes.length < most) return { bytes, mime };
    const opus = await encodeOpus(recording);
    return opus ? { bytes: opus, mime: "audio/ogg" } : { bytes: await encodeFlac(recording, most), mime: "audio/flac" };
  }
}

/** The element that says what a page shows, and its data, on a page that found them itself. */
function addState(page, model, sound) {
  const put = (id, type, text) => {
    const element = make("script", { type, id });
    element.textContent = text;
    page.querySelector("#amt-root").after(element);
    return element;
  };
  for (const name of BINARIES) put(`amt${name}`, "text/plain", toBase64(name === "_audio" ? sound.bytes : toBytes(model.get(name))));
  const meta = model.get("_meta"), audio = meta.audio && { ...meta.audio, mime: sound.mime };
  return put("amt-state", "application/json", JSON.stringify({ _meta: { ...meta, audio } }));
}

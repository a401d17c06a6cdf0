// Taking it away: MIDI, MusicXML, JSON and the page itself, as what is on the screen, with nothing installed.

class Saver {
  constructor({ data, draft, words, inspector, page }) { Object.assign(this, { data, draft, words, inspector, page }); }

  get kinds() { return ["midi", "musicxml", "json", ...(this.page ? ["html"] : [])]; }

  async save(kind) {
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

  /** This page, with the corrections in it. */
  html() {
    const page = document.documentElement.cloneNode(true);
    page.querySelector("#amt-root").replaceChildren();
    const state = page.querySelector("#amt-state"), said = JSON.parse(state.textContent);
    said.corrections = this.draft.corrections;
    if (this.data.beats) said.downbeat = this.data.beats.downbeat;
    state.textContent = JSON.stringify(said).replace(/</g, "\\u003c");
    return ["<!doctype html>\n" + page.outerHTML, ".html", "text/html"];
  }
}

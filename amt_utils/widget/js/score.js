// The sheet music under the roll: what sounds is coloured, the page follows, a click on a note goes there.

class Sheet {
  constructor({ data, words, state, chooser, transport }) {
    Object.assign(this, { data, state });
    const choose = (i) => {
      chooser.chooseOne(data.notes, i, false);
      transport.seek(data.notes.onset[i]);
    };
    this.sheets = make("div", { class: "amt-sheets" });
    this.element = make("div", { class: "amt-sheet-panel", tabindex: 0, role: "region", "aria-label": words.score }, this.sheets);
    this.elements = new Map(); // note -> its heads, tied ones included
    this.lit = new Set();
    state.on(["score"], () => { this.element.hidden = !state.score; });
    data.score().then((pages) => {
      for (const page of pages) {
        const sheet = make("div", { class: "amt-sheet" });
        sheet.innerHTML = page; // engraved by verovio from the transcription, never fetched
        this.sheets.append(sheet);
      }
      for (const element of this.sheets.querySelectorAll("g.note")) {
        const found = /^n(\d+)(t\d+)?$/.exec(element.id);
        if (!found) continue;
        const note = Number(found[1]);
        if (!this.elements.has(note)) this.elements.set(note, []);
        this.elements.get(note).push(element);
        element.addEventListener("click", () => choose(note));
      }
      this.ready = true;
      this.update(this.position || 0);
    });
  }

  update(position) {
    this.position = position;
    if (!this.ready || this.element.hidden) return;
    const { notes } = this.data, now = new Set();
    for (const i of notes.between(position, position + 1e-6)) if (notes.onset[i] <= position && notes.end[i] > position) now.add(i);
    for (const i of this.lit) if (!now.has(i)) this.mark(i, false);
    let newest = -1;
    for (const i of now) {
      if (!this.lit.has(i)) this.mark(i, true);
      if (this.elements.has(i)) newest = Math.max(newest, i);
    }
    this.lit = now;
    if (newest >= 0) this.follow(this.elements.get(newest)[0]);
  }

  resized() { this.system = null; } // its lines lie elsewhere now

  mark(i, on) {
    for (const element of this.elements.get(i) || []) element.classList.toggle("amt-sounding", on);
  }

  follow(element) {
    const system = element.closest("g.system");
    if (!system || system === this.system) return;
    this.system = system;
    const box = system.getBoundingClientRect(), panel = this.element.getBoundingClientRect();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.element.scrollTo({ top: this.element.scrollTop + box.top - panel.top - 12, behavior: still ? "auto" : "smooth" });
  }
}

/** zlib bytes of a JSON list -> the list. */
async function inflateJson(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

// The sheet music under the roll: what sounds is coloured, the page follows, a click on a note goes there. Of its pages
// only those in sight are part of the document, or every frame would pay for all of them.

const NARROW = 640; // px; below, the score is shown as engraved for a phone

class Sheet {
  constructor({ data, words, state, draft, chooser, transport }) {
    Object.assign(this, { data, words, state, draft, chooser, transport, pages: [], lit: new Set(), chosen: new Set(), position: 0 });
    this.sheets = make("div", { class: "amt-sheets" });
    this.banner = make("p", { class: "amt-banner", role: "status", hidden: "" }, words.scoreIsOlder);
    const { wide, narrow } = data.meta.score;
    this.element = make("div", {
      class: "amt-sheet-panel", tabindex: 0, role: "region", "aria-label": `${words.score}. ${words.scoreKeys}`,
      style: `--amt-wide:${wide};--amt-narrow:${narrow}`,
    }, this.banner, this.sheets);
    this.sheets.addEventListener("click", (event) => this.#go(this.#noteOf(event.target), false));
    this.element.addEventListener("keydown", (event) => this.#key(event));
    const { candidates } = data.meta; // the score numbers the notes that were over the threshold when it was made
    this.ids = data.heard.filter((row) => !candidates || row.probability >= candidates.threshold).map((row) => row.id);
    state.on(["score"], () => { this.element.hidden = !state.score; });
    state.on(["selection"], () => this.#markChosen());
    draft.on(() => this.#corrected());
    this.#index();
    data.score().then((score) => {
      this.score = score;
      this.#layOut();
    });
  }

  // ---- pages ------------------------------------------------------------------------------------------------

  /** Note ids -> indices now, as corrections move them. */
  #index() { this.indices = new Map(this.data.notes.rows.map((row, i) => [row.origin, i])); }

  #corrected() {
    this.#index();
    this.banner.hidden = !this.draft.isCorrected;
    this.pages.forEach((page) => page.elements && this.#dress(page));
  }

  /** Room for each page, as wide as there is. */
  #layOut() {
    const kind = this.element.clientWidth && this.element.clientWidth < NARROW ? "narrow" : "wide";
    if (this.kind === kind) return;
    this.kind = kind;
    this.watcher?.disconnect();
    this.watcher = new IntersectionObserver((entries) => entries.forEach((entry) => this.#attach(entry.target.page, entry.isIntersecting)),
      { root: this.element, rootMargin: "120px 0px" });
    this.pageOf = new Map(); // id -> the page of its (first) head
    this.pages = this.score[kind].map((text) => {
      const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(text), page = { text, elements: null };
      page.holder = make("div", { class: "amt-sheet", style: `aspect-ratio:${width}/${height}` });
      page.holder.page = page;
      for (const [, number] of text.matchAll(/id="n(\d+)"/g)) this.pageOf.set(this.ids[number], page);
      return page;
    });
    this.sheets.replaceChildren(...this.pages.map((page) => page.holder));
    this.pages.forEach((page) => this.watcher.observe(page.holder));
    [this.lit, this.system] = [new Set(), null];
    this.update(this.position);
  }

  #attach(page, wanted) {
    if (!wanted) return page.holder.replaceChildren();
    if (!page.svg) {
      page.svg = new DOMParser().parseFromString(page.text, "image/svg+xml").documentElement; // engraved by verovio, never fetched
      page.elements = new Map(); // id -> its heads on this page, tied ones included
      for (const element of page.svg.querySelectorAll("g.note")) {
        const id = this.#noteOf(element);
        if (id === null) continue;
        if (!page.elements.has(id)) page.elements.set(id, []);
        page.elements.get(id).push(element);
        element.setAttribute("tabindex", -1);
        element.setAttribute("role", "button");
      }
      this.#dress(page);
    }
    if (page.svg.parentNode !== page.holder) page.holder.replaceChildren(page.svg);
  }

  /** Names and marks of a page's notes. */
  #dress(page) {
    for (const [id, heads] of page.elements) {
      const i = this.indices.get(id), { words } = this, { pitch, onset } = this.data.notes;
      const label = i === undefined ? words.removed : `${pitchName(words, pitch[i])}, ${onset[i].toFixed(1)} s`;
      for (const head of heads) {
        head.setAttribute("aria-label", label);
        head.classList.toggle("amt-gone", i === undefined);
        head.classList.toggle("amt-sounding", this.lit.has(id));
        head.classList.toggle("amt-chosen", this.chosen.has(id));
      }
    }
  }

  #noteOf(element) {
    const found = /^n(\d+)(t\d+)?$/.exec(element.closest("g.note")?.id || "");
    return found ? this.ids[Number(found[1])] ?? null : null;
  }

  #heads(id) { return this.pages.flatMap((page) => page.elements?.get(id) || []); }
  #mark(ids, name, on) { for (const id of ids) for (const head of this.#heads(id)) head.classList.toggle(name, on); }

  resized() {
    this.system = null; // its lines lie elsewhere now
    if (this.score) this.#layOut();
  }

  // ---- following --------------------------------------------------------------------------------------------

  update(position) {
    this.position = position;
    if (!this.score || this.element.hidden) return;
    const { notes } = this.data, now = new Set();
    for (const i of notes.between(position, position + 1e-6))
      if (notes.onset[i] <= position && notes.end[i] > position && this.pageOf.has(notes.rows[i].origin)) now.add(notes.rows[i].origin);
    const [gone, come] = [[...this.lit].filter((id) => !now.has(id)), [...now].filter((id) => !this.lit.has(id))];
    this.lit = now;
    this.#mark(gone, "amt-sounding", false);
    this.#mark(come, "amt-sounding", true);
    if (come.length) this.#follow(come.at(-1));
  }

  #markChosen() {
    const now = new Set(this.state.selection.map((i) => this.data.notes.rows[i].origin));
    this.#mark([...this.chosen].filter((id) => !now.has(id)), "amt-chosen", false);
    this.#mark([...now], "amt-chosen", true);
    this.chosen = now;
    if (now.size === 1 && this.score && !this.element.hidden && !this.state.playing) this.#follow([...now][0]);
  }

  #follow(id) {
    const page = this.pageOf.get(id);
    if (!page) return;
    this.#attach(page, true);
    const system = page.elements.get(id)?.[0].closest("g.system");
    if (!system || system === this.system) return;
    this.system = system;
    const box = system.getBoundingClientRect(), panel = this.element.getBoundingClientRect(), jump = box.top - panel.top - 12;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches || Math.abs(jump) > 2 * panel.height;
    this.element.scrollTo({ top: this.element.scrollTop + jump, behavior: still ? "auto" : "smooth" });
  }

  // ---- choosing ---------------------------------------------------------------------------------------------

  #go(id, hear = true) {
    const i = this.indices.get(id);
    if (i === undefined) return;
    this.chooser.chooseOne(this.data.notes, i, false);
    this.transport.seek(this.data.notes.onset[i]);
    if (hear) this.chooser.hear();
  }

  /** Left and right step through what is written, up and down scroll. */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.score) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], { notes } = this.data;
    if (["ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"].includes(event.key)) event.stopPropagation();
    if (!step && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    const here = this.indices.get(this.#noteOf(event.target)) ?? this.state.selection[0];
    if (!step) return here !== undefined && this.#go(notes.rows[here].origin);
    let i = here === undefined ? notes.firstFrom(this.position) : here + step;
    while (notes.rows[i] && !this.pageOf.has(notes.rows[i].origin)) i += step;
    if (!notes.rows[i]) return;
    this.#go(notes.rows[i].origin);
    const page = this.pageOf.get(notes.rows[i].origin);
    this.#attach(page, true);
    page.elements.get(notes.rows[i].origin)[0].focus({ preventScroll: true });
  }

  dispose() { this.watcher?.disconnect(); }
}

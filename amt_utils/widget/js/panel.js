// What the widget consists of: toolbar, canvases, legend, inspector, help.

const ICONS = {
  play: "M7 4.5v15l12.5-7.5z", pause: "M6.5 5h4v14h-4zM13.5 5h4v14h-4z", start: "M6 5h2.5v14H6zM19 5v14l-10-7z",
  loop: "M7 7h9v-3l5 4.5-5 4.5v-3H9v4H7zM17 17H8v3l-5-4.5L8 11v3h7v-4h2z",
  plus: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z", minus: "M5 11h14v2H5z",
  fit: "M3 11l4-4v3h10V7l4 4-4 4v-3H7v3zM2 5h2v14H2zM20 5h2v14h-2z",
  follow: "M11 3h2v4h-2zM11 17h2v4h-2zM3 11h4v2H3zM17 11h4v2h-4zM12 8a4 4 0 110 8 4 4 0 010-8z",
  keys: "M3 5h18v14H3zM5 7v10h3.2v-4H7V7zM10.2 17h3.6v-4h-.8V7h-2v6h-.8zM15.8 17H19V7h-2v6h-1.2z",
  full: "M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z",
  help: "M11 17h2v2h-2zM12 4a5 5 0 015 5c0 3-4 3.5-4 6h-2c0-4 4-4 4-6a3 3 0 00-6 0H7a5 5 0 015-5z",
  volume: "M3 9h4l5-4v14l-5-4H3zM15 8.5c2 1.5 2 5.500 0 7l1.200 1.300c3-2.300 3-7.300 0-9.600z",
  score: "M9 4l11-2v13.500a3.200 2.700 0 11-2-2.500V7l-7 1.300v9.700a3.200 2.700 0 11-2-2.500z",
  next: "M9 5l7 7-7 7-1.6-1.6L12.8 12 7.4 6.6z", previous: "M15 5l-7 7 7 7 1.6-1.6L11.2 12l5.4-5.4z",
};

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

function setIcon(button, name, label) {
  button.replaceChildren(icon(name));
  button.setAttribute("aria-label", label);
  button.title = label;
}

class Panel {
  button(name, label, onclick, extra = {}) {
    const button = make("button", { type: "button", class: "amt-button", "aria-label": label, title: label, onclick, ...extra });
    if (ICONS[name]) button.append(icon(name));
    else button.append(name);
    return button;
  }

  /** A row of exclusive buttons. */
  choice(label, options, chosen, onchoose) {
    const group = make("div", { class: "amt-choice", role: "radiogroup", "aria-label": label });
    for (const [value, text, hint] of options)
      group.append(make("button", {
        type: "button", role: "radio", "data-value": value, title: hint || text, onclick: () => onchoose(value),
        onkeydown: (event) => { // arrows move within the group, as in every radio group
          const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
          if (!step) return;
          event.preventDefault();
          event.stopPropagation();
          const next = options[(options.findIndex((o) => o[0] === value) + step + options.length) % options.length][0];
          onchoose(next);
          group.querySelector(`[data-value=${next}]`).focus();
        },
      }, text));
    group.choose = (value) => {
      for (const button of group.children) {
        button.setAttribute("aria-checked", button.dataset.value === value);
        button.tabIndex = button.dataset.value === value ? 0 : -1;
      }
    };
    group.choose(chosen);
    return group;
  }

  select(label, options, chosen, onchange) {
    const select = make("select", { "aria-label": label, title: label, onchange: () => onchange(select.value) });
    for (const [value, text] of options) select.append(make("option", { value }, text));
    select.value = chosen;
    return select;
  }

  build(element) {
    const { words: w, data } = this, { meta } = data;
    const uid = Math.random().toString(36).slice(2, 8);
    this.playButton = this.button("play", w.play, () => this.togglePlay(), { class: "amt-button amt-play" });
    this.loopButton = this.button("loop", w.loop, () => this.toggleLoop(), { "aria-pressed": "false" });
    this.time = make("div", { class: "amt-time", role: "timer", "aria-live": "off" });
    const sounds = [["recording", w.recording], ["midi", w.midi], ["both", w.both, w.bothHint]]
      .filter(([name]) => data.audio || name === "midi");
    if (data.reference) sounds.splice(data.audio ? 2 : 1, 0, ["reference", w.reference]);
    this.soundChoice = sounds.length > 1 ? this.choice(w.sound, sounds, this.player.sound, (s) => this.setSound(s)) : null;
    const modes = [["velocity", w.velocity], ...(data.reference ? [["comparison", w.comparison], ["reference", w.reference]] : [])];
    this.modeChoice = modes.length > 1 ? this.choice(w.colour, modes, this.view.mode, (m) => this.setMode(m)) : null;
    this.speed = this.select(w.speed, [0.5, 0.6, 0.75, 0.9, 1, 1.25, 1.5].map((r) => [r, `${r}×`]), 1,
      (r) => this.player.change({ rate: Number(r) }));
    this.backgroundSelect = data.images.length
      ? this.select(w.behind, [["", w.nothing], ...data.images.map((i) => [i.name, w[i.name] || i.name])],
        this.view.background || "", (name) => this.setBackground(name || null))
      : null;
    this.volume = make("input", {
      type: "range", min: 0, max: 1, step: 0.02, value: 1, "aria-label": w.volume, title: w.volume,
      oninput: () => this.player.setVolume(Number(this.volume.value)),
    });
    this.followButton = this.button("follow", w.follow, () => this.setFollow(!this.following), { "aria-pressed": "true" });
    this.keysButton = this.button("keys", w.keys, () => this.fitKeys(!this.allKeys), { "aria-pressed": "false" });
    if (data.score) {
      this.score = new ScorePanel(data.notes, w, data.score, (i) => {
        this.chooseOne(data.notes, i, false);
        this.seek(data.notes.onset[i]);
      });
      this.scoreButton = this.button("score", w.score, () => this.toggleScore(), { "aria-pressed": "true" });
    }
    const field = (text, control) => control ? [make("label", { class: "amt-field" }, text, control)] : [];
    const toolbar = make("div", { class: "amt-toolbar", role: "toolbar", "aria-label": w.roll },
      make("div", { class: "amt-group" }, this.button("start", w.start, () => this.seek(0)), this.playButton, this.loopButton, this.time),
      ...(this.soundChoice ? [this.soundChoice] : []),
      make("div", { class: "amt-group" }, this.speed, ...field(make("span", {}, w.behind), this.backgroundSelect), ...field(icon("volume"), this.volume)),
      make("div", { class: "amt-group amt-right" },
        this.button("minus", w.zoomOut, () => this.zoom(1.6)), this.button("plus", w.zoomIn, () => this.zoom(1 / 1.6)),
        this.button("fit", w.fit, () => this.showAll()), this.keysButton, this.followButton, ...(this.score ? [this.scoreButton] : []),
        this.button("full", w.fullscreen, () => this.toggleFullscreen()),
        this.button("help", w.help, () => this.toggleHelp())));
    this.canvas = make("canvas", { class: "amt-canvas", "aria-hidden": "true" });
    this.overlay = make("canvas", {
      class: "amt-canvas amt-overlay", tabindex: 0, role: "application", "aria-label": w.canvas(data.notes.n, clock(data.duration)),
      "aria-describedby": `amt-inspector-${uid}`,
    }, w.canvas(data.notes.n, clock(data.duration)));
    this.stage = make("div", { class: "amt-stage", style: meta.height ? `height:${meta.height}px` : "" }, this.canvas, this.overlay);
    this.overview = make("canvas", {
      class: "amt-overview", tabindex: 0, role: "slider", "aria-label": w.overview,
      "aria-valuemin": 0, "aria-valuemax": data.duration.toFixed(1),
    });
    this.inspector = make("div", { class: "amt-inspector", id: `amt-inspector-${uid}`, "aria-live": "polite" });
    this.legend = make("div", { class: "amt-legend" });
    this.help = make("div", { class: "amt-help", role: "dialog", "aria-label": w.help, hidden: "" },
      make("strong", {}, w.help),
      make("dl", {}, ...w.helpRows.flatMap(([key, text]) => [make("dt", {}, key), make("dd", {}, text)])));
    this.scores = make("div", { class: "amt-scores" });
    if (this.modeChoice) this.scores.append(this.modeChoice);
    this.root = make("section", { class: "amt-roll", "aria-label": `${w.roll}${meta.title ? ": " + meta.title : ""}` },
      make("header", { class: "amt-header" },
        make("span", { class: "amt-title" }, meta.title || w.roll),
        make("span", { class: "amt-about" }, `${w.notes(data.notes.n)} · ${clock(data.duration, 0)}`), this.scores),
      toolbar, this.stage, this.overview, ...(this.score ? [this.score.element] : []), make("footer", { class: "amt-footer" }, this.inspector, this.legend), this.help);
    element.append(this.root);
    if (data.reference) this.showScores();
  }

  showScores() {
    const { notes, reference } = this.data, w = this.words;
    let found = 0, right = 0;
    for (const status of notes.status) {
      found += status !== UNMATCHED;
      right += status === HIT;
    }
    const f1 = (pairs) => (200 * pairs / Math.max(1, notes.n + reference.n)).toFixed(1) + " %";
    for (const [text, value] of [[w.noteF1, f1(found)], [w.endF1, f1(right)]])
      this.modeChoice.before(make("span", { class: "amt-score" }, text + " ", make("b", {}, value)));
  }

  buildLegend() {
    const w = this.words, { notes, reference } = this.data;
    this.legend.replaceChildren();
    this.root.dataset.mode = this.view.mode;
    if (this.view.mode !== "comparison") {
      const ramp = make("span", { class: "amt-ramp", style: `background:linear-gradient(90deg,${this.painter.ramp.join(",")})` });
      this.legend.append(w.soft, ramp, w.loud,
        make("span", { class: "amt-key" }, make("i", { class: "amt-held", style: `--c:${this.painter.ramp[10]}` }), w.tail));
      return;
    }
    const count = (all, status) => all.status.reduce((n, s) => n + (s === status), 0);
    const kinds = [["hit", w.hit, HIT, count(notes, HIT)], ["wrong", w.wrongEnd, WRONG_END, count(notes, WRONG_END)],
      ["missed", w.missed, "missed", count(reference, UNMATCHED)], ["extra", w.extra, UNMATCHED, count(notes, UNMATCHED)]];
    for (const [name, text, status, n] of kinds) {
      const button = make("button", {
        type: "button", class: "amt-kind", "aria-pressed": this.painter.shownStatus[status],
        onclick: () => {
          this.painter.shownStatus[status] = !this.painter.shownStatus[status];
          button.setAttribute("aria-pressed", this.painter.shownStatus[status]);
          this.redraw();
        },
      }, make("i", { class: `amt-swatch amt-${name}` }), `${text} `, make("b", {}, String(n)));
      this.legend.append(button);
    }
    this.legend.append(this.button("previous", w.previousError, () => this.stepError(-1)),
      this.button("next", w.nextError, () => this.stepError(1)));
  }
}

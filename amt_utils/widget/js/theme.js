// The colours that the style sheet gives the theme in force, and those of loudness.

const SHADES = 16; // velocity steps
const RAMPS = { // soft to loud; luminance moves away from the background in both
  dark: ["#6b4de0", "#a64fe0", "#dc5cb4", "#f57e78", "#fbb55f", "#fdf0a6"],
  light: ["#f3a35c", "#e8744f", "#cf4a74", "#9a3199", "#5f2496", "#2b1063"],
};
const COLOURS = ["ground", "row", "line", "octave", "text", "faint", "accent", "tint", "white-key", "black-key",
  "hit", "wrong", "missed", "extra", "pedal", "shade", "veil", "panel", "fine", "right", "left"];

const hexToRgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function rampColour(ramp, x) {
  const at = Math.min(0.9999, Math.max(0, x)) * (ramp.length - 1), i = Math.floor(at);
  const [a, b] = [hexToRgb(ramp[i]), hexToRgb(ramp[i + 1])];
  return `rgb(${a.map((v, k) => Math.round(v + (b[k] - v) * (at - i))).join(",")})`;
}

class Theme {
  #hatchings = new Map();

  /** `wanted` is "dark", "light" or "auto": as the notebook, or else the system. */
  constructor(root, wanted) { Object.assign(this, { root, wanted }); }

  /** Reads the theme in force; true when it is another than before. Without a style sheet yet, it is nameless. */
  update() {
    const name = this.wanted !== "auto" ? this.wanted : this.#surrounding();
    if (this.name === name) return false;
    this.root.dataset.theme = name;
    const style = getComputedStyle(this.root);
    this.colour = Object.fromEntries(COLOURS.map((c) => [c, style.getPropertyValue(`--amt-${c}`).trim()]));
    this.name = this.colour.ground ? name : null;
    this.font = style.fontFamily;
    this.ramp = Array.from({ length: SHADES }, (_, i) => rampColour(RAMPS[name], i / (SHADES - 1)));
    this.loudIsBright = name === "dark";
    this.#hatchings.clear();
    return true;
  }

  /** JupyterLab, VS Code and Colab say which theme they wear; elsewhere the system does. */
  #surrounding() {
    const { body, documentElement: html } = document;
    const said = body.dataset.jpThemeLight !== undefined ? (body.dataset.jpThemeLight === "true" ? "light" : "dark")
      : body.classList.contains("vscode-dark") ? "dark" : body.classList.contains("vscode-light") ? "light"
        : html.getAttribute("theme");
    if (["dark", "light"].includes(said)) return said;
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  velocityColour(velocity) { return this.ramp[Math.min(SHADES - 1, velocity * SHADES >> 7)]; }

  /** Diagonal lines in `colour` over a pale ground of it (`fill` is how pale), as a pattern that is made once. */
  hatching(g, colour, scale, fill = 0.3) {
    if (this.#hatchings.has(colour)) return this.#hatchings.get(colour);
    const tile = document.createElement("canvas"), size = 6;
    tile.width = tile.height = size * scale;
    const t = tile.getContext("2d");
    t.scale(scale, scale);
    t.fillStyle = t.strokeStyle = colour;
    t.globalAlpha = fill;
    t.fillRect(0, 0, size, size);
    t.globalAlpha = 1;
    t.lineWidth = 1.4;
    for (const shift of [-size, 0, size]) {
      t.moveTo(shift - 1, size + 1);
      t.lineTo(shift + size + 1, -1);
    }
    t.stroke();
    const pattern = g.createPattern(tile, "repeat");
    pattern.setTransform(new DOMMatrix().scale(1 / scale));
    this.#hatchings.set(colour, pattern);
    return pattern;
  }
}

// Buttons and other elements of the page.

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

/** A small button with an icon. */
function iconButton(name, label, onclick, extra = {}) {
  return make("button", { type: "button", class: "amt-button", "aria-label": label, title: label, onclick, ...extra }, icon(name));
}

/** A row of exclusive buttons; `options` are [value, text, hint]. Its `choose` marks one as chosen. */
function radioGroup(label, options, onchoose) {
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
  return group;
}

function selectBox(label, options, chosen, onchange) {
  const select = make("select", { "aria-label": label, title: label, onchange: () => onchange(select.value) });
  for (const [value, text] of options) select.append(make("option", { value }, text));
  select.value = chosen;
  return select;
}

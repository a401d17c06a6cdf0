// Keys, pointers and wheel.

class Gestures extends Viewing {
  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onControl = event.target.closest("button, select, input");
    if (onControl && [" ", "Enter", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
    if (event.target.closest("select, input[type=range]") && event.key.length === 1) return;
    const here = this.player.position(), step = event.shiftKey ? 5 : 1;
    const actions = {
      " ": () => this.togglePlay(), ArrowLeft: () => this.seek(here - step), ArrowRight: () => this.seek(here + step),
      ArrowUp: () => this.movePitch(2), ArrowDown: () => this.movePitch(-2), Home: () => this.seek(0),
      End: () => this.seek(this.data.duration), "+": () => this.zoom(1 / 1.6), "=": () => this.zoom(1 / 1.6), "-": () => this.zoom(1.6),
      0: () => this.showAll(), n: () => this.stepNote(1), p: () => this.stepNote(-1), l: () => this.toggleLoop(),
      e: () => this.stepError(event.shiftKey ? -1 : 1), f: () => this.setFollow(!this.following), k: () => this.fitKeys(!this.allKeys),
      s: () => this.cycle(this.soundChoice), c: () => this.cycle(this.modeChoice), b: () => this.cycleBackground(),
      "?": () => this.toggleHelp(), Escape: () => this.clear(),
      Enter: () => {
        const { selection, selectedReference } = this.state;
        if (selection.length) this.player.audition(this.data.notes, selection[0]);
        else if (selectedReference.length) this.player.audition(this.data.reference, selectedReference[0]);
      },
    };
    const action = actions[event.key] || actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has its own meaning for these keys
    action();
  }

  cycle(group) {
    if (!group) return;
    const buttons = [...group.children], at = buttons.findIndex((b) => b.getAttribute("aria-checked") === "true");
    buttons[(at + 1) % buttons.length].click();
  }

  cycleBackground() {
    const names = [null, ...this.data.images.map((i) => i.name)];
    this.setBackground(names[(names.indexOf(this.view.background) + 1) % names.length]);
  }

  clear() {
    if (!this.help.hidden) return this.toggleHelp(false);
    if (this.view.loop) this.setLoop(null);
    this.choose([], []);
  }

  place(event) {
    const box = event.currentTarget.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  onDown(event) {
    if (event.button) return;
    this.overlay.focus({ preventScroll: true });
    this.toggleHelp(false);
    this.lasting = false;
    this.overlay.setPointerCapture(event.pointerId);
    const [x, y] = this.place(event), { painter, view } = this;
    this.fingers ||= new Map();
    this.fingers.set(event.pointerId, x);
    if (this.fingers.size === 2) {
      const [a, b] = [...this.fingers.values()];
      this.drag = { kind: "pinch", apart: Math.max(20, Math.abs(a - b)), span: view.span, centre: painter.time((a + b) / 2, view) };
      return;
    }
    if (x < KEYBOARD && y > RULER && y < painter.lanesTop) {
      this.player.touch(painter.pitch(y, view));
      return;
    }
    const kind = y < RULER ? "ruler" : event.shiftKey ? "box" : "pan";
    this.drag = { kind, x, y, start: view.start, low: view.low, high: view.high, moved: false, time: painter.time(x, view) };
  }

  onMove(event) {
    const [x, y] = this.place(event), { drag, painter, view } = this;
    if (this.fingers?.has(event.pointerId)) this.fingers.set(event.pointerId, x);
    if (!drag) return this.setHover(this.noteAt(x, y));
    if (drag.kind === "pinch") {
      const [a, b] = [...this.fingers.values()];
      const span = drag.span * drag.apart / Math.max(20, Math.abs(a - b));
      this.setView(drag.centre - ((a + b) / 2 - KEYBOARD) / painter.rollWidth * span, span);
      return;
    }
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < 4) return;
    drag.moved = true;
    if (drag.kind === "ruler") {
      this.view.loop = [drag.time, Math.max(0, painter.time(x, view))].sort((a, b) => a - b);
      this.redraw();
    } else if (drag.kind === "box") {
      this.state.box = [Math.min(x, drag.x), Math.min(y, drag.y), Math.max(x, drag.x), Math.max(y, drag.y)];
      this.redrawSoon();
    } else {
      this.following = false;
      this.refreshControls();
      this.overlay.style.cursor = "grabbing";
      const rows = Math.round((y - drag.y) / painter.row(view));
      const by = Math.min(108 - drag.high, Math.max(21 - drag.low, rows));
      [view.low, view.high] = [drag.low + by, drag.high + by];
      this.setView(drag.start - (x - drag.x) / painter.rollWidth * view.span, view.span);
    }
  }

  onUp(event, cancelled = false) {
    this.fingers?.delete(event.pointerId);
    const [x, y] = this.place(event), { drag, painter, view } = this;
    this.drag = null;
    if (!drag) return;
    this.overlay.style.cursor = "default";
    if (drag.kind === "ruler" && drag.moved) return this.setLoop(view.loop);
    if (drag.kind === "box" && this.state.box) return this.chooseBox();
    if (drag.moved || cancelled || drag.kind === "pinch") return;
    const found = this.noteAt(x, y);
    if (found) this.chooseOne(...found);
    else {
      this.choose([], []);
      this.seek(Math.max(0, painter.time(Math.max(x, KEYBOARD), view)));
    }
  }

  chooseBox() {
    const [x0, y0, x1, y1] = this.state.box, { painter, view } = this;
    this.state.box = null;
    const [t0, t1, high, low] = [painter.time(x0, view), painter.time(x1, view), painter.pitch(y0, view), painter.pitch(y1, view)];
    const inside = (notes, accept) => notes.between(t0, t1)
      .filter((i) => notes.end[i] > t0 && notes.pitch[i] >= low && notes.pitch[i] <= high && accept(notes.status[i]));
    const { notes, reference } = this.data, shown = painter.shownStatus;
    if (view.mode === "velocity") this.choose(inside(notes, () => true), []);
    else if (view.mode === "reference") this.choose([], inside(reference, () => true));
    else this.choose(inside(notes, (s) => shown[s]), shown.missed ? inside(reference, (s) => s === UNMATCHED) : []);
  }

  onWheel(event) {
    const [x, y] = this.place(event), { view, painter } = this;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const factor = Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.006);
      if (event.shiftKey || x < KEYBOARD) this.zoomKeys(factor);
      else this.zoom(factor, painter.time(x, view));
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
      event.preventDefault();
      this.following = false;
      this.refreshControls();
      const delta = event.deltaX || event.deltaY;
      this.setView(view.start + delta / painter.rollWidth * view.span, view.span);
    } // a plain vertical wheel scrolls the page, as the reader expects
  }

  /** In the strip: inside the window drag it, at its edges stretch it, elsewhere go there. */
  onOverview(event) {
    const { view, data } = this, box = this.overview.getBoundingClientRect();
    const time = (e) => (e.clientX - box.left) / box.width * data.duration;
    const pixel = data.duration / box.width, began = time(event), { start, span } = view;
    const kind = Math.abs(began - start) < 6 * pixel ? "left" : Math.abs(began - start - span) < 6 * pixel ? "right"
      : began > start && began < start + span ? "move" : "go";
    let moved = false;
    this.overview.setPointerCapture(event.pointerId);
    const move = (e) => {
      const by = time(e) - began;
      if (Math.abs(by) > 3 * pixel) moved = true;
      if (!moved) return;
      this.following = false;
      this.refreshControls();
      if (kind === "left") this.setView(Math.min(start + by, start + span - 0.25), span - by);
      else if (kind === "right") this.setView(start, span + by);
      else if (kind === "move") this.setView(start + by, span);
    };
    const up = () => {
      this.overview.removeEventListener("pointermove", move);
      if (!moved) this.seek(began);
    };
    this.overview.addEventListener("pointermove", move);
    this.overview.addEventListener("pointerup", up, { once: true });
    this.overview.addEventListener("pointercancel", up, { once: true });
  }
}

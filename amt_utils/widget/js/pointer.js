// Mouse, fingers and wheel on the roll, and on the strip below it.

const CLICK = 4; // px: who moves less has clicked
const EDGE = 7; // px from a note's end at which it is stretched rather than moved
const LONG_PRESS = 450; // ms; a finger that rests begins a box

class Pointer {
  constructor({ camera, state, chooser, transport, player, inspector, data, editor }, overlay) {
    Object.assign(this, { camera, state, chooser, transport, player, inspector, data, editor, overlay, drag: null });
    this.fingers = new Map();
  }

  listen(on) {
    const onRoll = (f) => (event) => this.state.layout === "roll" && f(event);
    on(this.overlay, "pointerdown", onRoll((event) => this.#down(event)));
    on(this.overlay, "pointermove", onRoll((event) => this.#move(event)));
    on(this.overlay, "pointerup", onRoll((event) => this.#up(event)));
    on(this.overlay, "pointercancel", onRoll((event) => this.#up(event, true)));
    on(this.overlay, "pointerleave", onRoll(() => this.chooser.hover(null)));
    on(this.overlay, "dblclick", onRoll((event) => this.#double(event)));
    on(this.overlay, "wheel", onRoll((event) => this.#wheel(event)), { passive: false });
    on(this.overlay, "touchmove", (event) => this.drag?.kind === "box" && event.preventDefault(), { passive: false });
  }

  #place(event) {
    const box = this.overlay.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  // ---- pressing ---------------------------------------------------------------------------------------------

  #down(event) {
    if (event.button) return;
    this.overlay.focus({ preventScroll: true });
    this.state.set({ help: false });
    this.inspector.release();
    this.overlay.setPointerCapture(event.pointerId);
    const [x, y] = this.#place(event), { camera } = this;
    this.aims = [this.aims?.at(-1), { found: this.chooser.noteAt(x, y), time: camera.time(x), pitch: camera.pitch(y) }];
    this.fingers.set(event.pointerId, [x, y]);
    if (this.fingers.size === 2) return this.#pinch();
    if (x < KEYBOARD && y > RULER && y < camera.lanesTop) return void this.player.touch(camera.pitch(y));
    this.drag = {
      kind: this.#kind(event, x, y), x, y, time: camera.time(x), moved: false, add: event.shiftKey,
      start: camera.start, low: camera.low, high: camera.high, ...this.grabbed,
    };
    if (event.pointerType === "touch" && this.drag.kind === "pan")
      this.resting = setTimeout(() => this.drag && !this.drag.moved && Object.assign(this.drag, { kind: "box", moved: true }), LONG_PRESS);
  }

  /** What a drag from here does; sets `grabbed` to what it takes along. */
  #kind(event, x, y) {
    this.grabbed = null;
    if (y < RULER) return "ruler";
    const { state, data } = this, found = state.correcting ? this.chooser.noteAt(x, y) : null;
    if (!found || found[0] !== data.notes || event.shiftKey) return event.shiftKey || (state.correcting && !found) ? "box" : "pan";
    const i = found[1], chosen = state.selection.includes(i) ? state.selection : [i];
    this.grabbed = { note: i, rows: chosen.map((j) => data.notes.rows[j]) };
    if (event.ctrlKey || event.metaKey) return "velocity";
    return this.#edge(i, x) || "move";
  }

  /** "onset" or "offset" near a note's ends, else null. */
  #edge(i, x) {
    const { notes } = this.data, [left, right] = [notes.onset[i], notes.offset[i]].map((t) => this.camera.x(t));
    const edge = Math.min(EDGE, (right - left) / 4);
    return x > right - edge ? "offset" : x < left + edge ? "onset" : null;
  }

  #pinch() {
    const [[ax, ay], [bx, by]] = [...this.fingers.values()], { camera } = this, middle = (ax + bx) / 2;
    this.state.set({ box: null, preview: null });
    this.drag = {
      kind: "pinch", apart: Math.max(20, Math.abs(ax - bx)), span: camera.span, centre: camera.time(middle), y: (ay + by) / 2,
      low: camera.low, high: camera.high,
    };
  }

  // ---- moving -----------------------------------------------------------------------------------------------

  #move(event) {
    const [x, y] = this.#place(event), { drag } = this;
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, [x, y]);
    if (!drag) return this.#hover(x, y);
    if (drag.kind === "pinch") return this.#pinched();
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < CLICK) return;
    drag.moved = true;
    clearTimeout(this.resting);
    const { state, camera } = this;
    if (drag.kind === "ruler") state.set({ loop: this.#loop(drag.time, Math.max(0, camera.time(x))) });
    else if (drag.kind === "box") state.set({ box: [Math.min(x, drag.x), Math.min(y, drag.y), Math.max(x, drag.x), Math.max(y, drag.y)] });
    else if (drag.kind === "pan") this.#pan(x, y);
    else {
      drag.change = this.#change(x, y);
      state.set({ preview: drag.rows.map((row) => ({ ...row, ...drag.change(row) })) });
      if (drag.kind === "velocity") this.inspector.say(`${this.inspector.words.vel} ${state.preview[0].velocity}`);
    }
  }

  #hover(x, y) {
    const found = this.chooser.noteAt(x, y), { state } = this;
    const edge = found && state.correcting && found[0] === this.data.notes && this.#edge(found[1], x);
    const [over, beside] = state.correcting ? ["move", "crosshair"] : ["pointer", "default"];
    this.overlay.style.cursor = edge ? "ew-resize" : found ? over : beside;
    this.chooser.hover(found);
  }

  #pinched() {
    const [[ax, ay], [bx, by]] = [...this.fingers.values()], { drag, camera } = this;
    const span = drag.span * drag.apart / Math.max(20, Math.abs(ax - bx));
    this.#shiftKeys((ay + by) / 2 - drag.y);
    camera.show(drag.centre - ((ax + bx) / 2 - KEYBOARD) / camera.rollWidth * span, span);
  }

  #pan(x, y) {
    const { drag, camera } = this;
    this.state.set({ following: false });
    this.overlay.style.cursor = "grabbing";
    this.#shiftKeys(y - drag.y);
    camera.show(drag.start - (x - drag.x) / camera.rollWidth * camera.span);
  }

  #shiftKeys(pixels) {
    const { drag, camera } = this, by = Math.min(HIGHEST - drag.high, Math.max(LOWEST - drag.low, Math.round(pixels / camera.row)));
    [camera.low, camera.high] = [drag.low + by, drag.high + by];
  }

  /** A loop goes from bar to bar where notes snap. */
  #loop(a, b) {
    const [start, end] = [Math.min(a, b), Math.max(a, b)], { beats } = this.data;
    return this.state.snap && beats ? [Math.max(0, beats.barStart(beats.bar(start))), beats.barStart(beats.bar(end) + 1)] : [start, end];
  }

  /** (row) -> what the drag makes of a note. */
  #change(x, y) {
    const { drag, camera, editor } = this, { grid } = editor, by = camera.time(x) - drag.time, snapped = (t) => (grid ? grid.snap(t) : t);
    if (drag.kind === "velocity") return (row) => ({ velocity: Math.min(127, Math.max(1, Math.round(row.velocity + (drag.y - y) / 2))) });
    if (drag.kind !== "move") return editor.stretcher(drag.kind, (t) => snapped(t + by));
    const held = this.data.notes.rows[drag.note];
    return editor.mover(drag.rows, snapped(held.onset + by) - held.onset, camera.pitch(y) - camera.pitch(drag.y));
  }

  // ---- letting go -------------------------------------------------------------------------------------------

  #up(event, cancelled = false) {
    this.fingers.delete(event.pointerId);
    clearTimeout(this.resting);
    const [x, y] = this.#place(event), { drag, camera, state, chooser } = this;
    this.drag = null;
    if (!drag) return;
    this.overlay.style.cursor = "default";
    if (drag.kind === "ruler" && drag.moved) return this.transport.setLoop(state.loop);
    const { box } = state;
    state.set({ box: null, preview: null });
    if (cancelled || drag.kind === "pinch") return;
    if (drag.kind === "box" && box) return chooser.chooseBox(box, drag.add);
    if (drag.moved && drag.change) return this.editor.replace(drag.rows, drag.change);
    if (drag.moved) return;
    const found = chooser.noteAt(x, y);
    if (found && drag.add && found[0] === this.data.notes) return chooser.toggleOne(found[1]);
    if (found) return chooser.chooseOne(...found);
    chooser.choose([]);
    this.transport.seek(Math.max(0, camera.time(Math.max(x, KEYBOARD))));
  }

  /**
   * While correcting: on a note it is taken away, elsewhere one is added. What counts is where the first of the two
   * clicks went, as it may have moved what is in sight.
   */
  #double(event) {
    const [x, y] = this.#place(event), { camera, chooser, editor, data } = this, { found, time, pitch } = this.aims[0];
    if (!this.state.correcting || x < KEYBOARD || y < RULER || y > camera.lanesTop) return;
    if (!found) return editor.add(time, pitch);
    chooser.chooseOne(...found, false);
    if (found[0] === data.notes) editor.remove();
    else editor.accept();
  }

  #wheel(event) {
    const [x] = this.#place(event), { camera } = this;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const factor = Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.006);
      if (event.shiftKey || x < KEYBOARD) camera.zoomKeys(factor);
      else camera.zoom(factor, camera.time(x));
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
      event.preventDefault();
      this.state.set({ following: false });
      camera.show(camera.start + (event.deltaX || event.deltaY) / camera.rollWidth * camera.span);
    } // a plain vertical wheel scrolls the page, as the reader expects
  }
}

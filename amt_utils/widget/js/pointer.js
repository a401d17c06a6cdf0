// Mouse, fingers and wheel on the roll, and on the strip below it.

const CLICK = 4; // px: who moves less has clicked

class Pointer {
  constructor({ camera, state, chooser, transport, player, inspector, data }, overlay) {
    Object.assign(this, { camera, state, chooser, transport, player, inspector, data, overlay, drag: null });
    this.fingers = new Map();
  }

  listen(on) {
    on(this.overlay, "pointerdown", (event) => this.#down(event));
    on(this.overlay, "pointermove", (event) => this.#move(event));
    on(this.overlay, "pointerup", (event) => this.#up(event));
    on(this.overlay, "pointercancel", (event) => this.#up(event, true));
    on(this.overlay, "pointerleave", () => this.chooser.hover(null));
    on(this.overlay, "wheel", (event) => this.#wheel(event), { passive: false });
  }

  #place(event) {
    const box = event.currentTarget.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #down(event) {
    if (event.button) return;
    this.overlay.focus({ preventScroll: true });
    this.state.set({ help: false });
    this.inspector.release();
    this.overlay.setPointerCapture(event.pointerId);
    const [x, y] = this.#place(event), { camera } = this;
    this.fingers.set(event.pointerId, x);
    if (this.fingers.size === 2) {
      const [a, b] = [...this.fingers.values()];
      this.drag = { kind: "pinch", apart: Math.max(20, Math.abs(a - b)), span: camera.span, centre: camera.time((a + b) / 2) };
      return;
    }
    if (x < KEYBOARD && y > RULER && y < camera.lanesTop) return void this.player.touch(camera.pitch(y));
    const kind = y < RULER ? "ruler" : event.shiftKey ? "box" : "pan";
    this.drag = { kind, x, y, start: camera.start, low: camera.low, high: camera.high, moved: false, time: camera.time(x) };
  }

  #move(event) {
    const [x, y] = this.#place(event), { drag, camera, state } = this;
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, x);
    if (!drag) {
      const found = this.chooser.noteAt(x, y);
      this.overlay.style.cursor = found ? "pointer" : "default";
      return this.chooser.hover(found);
    }
    if (drag.kind === "pinch") {
      const [a, b] = [...this.fingers.values()];
      const span = drag.span * drag.apart / Math.max(20, Math.abs(a - b));
      return camera.show(drag.centre - ((a + b) / 2 - KEYBOARD) / camera.rollWidth * span, span);
    }
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < CLICK) return;
    drag.moved = true;
    if (drag.kind === "ruler") state.set({ loop: [drag.time, Math.max(0, camera.time(x))].sort((a, b) => a - b) });
    else if (drag.kind === "box") state.set({ box: [Math.min(x, drag.x), Math.min(y, drag.y), Math.max(x, drag.x), Math.max(y, drag.y)] });
    else {
      state.set({ following: false });
      this.overlay.style.cursor = "grabbing";
      const by = Math.min(HIGHEST - drag.high, Math.max(LOWEST - drag.low, Math.round((y - drag.y) / camera.row)));
      [camera.low, camera.high] = [drag.low + by, drag.high + by];
      camera.show(drag.start - (x - drag.x) / camera.rollWidth * camera.span);
    }
  }

  #up(event, cancelled = false) {
    this.fingers.delete(event.pointerId);
    const [x, y] = this.#place(event), { drag, camera, state } = this;
    this.drag = null;
    if (!drag) return;
    this.overlay.style.cursor = "default";
    if (drag.kind === "ruler" && drag.moved) return this.transport.setLoop(state.loop);
    if (drag.kind === "box" && state.box) {
      const { box } = state;
      state.set({ box: null });
      return this.chooser.chooseBox(box);
    }
    if (drag.moved || cancelled || drag.kind === "pinch") return;
    const found = this.chooser.noteAt(x, y);
    if (found) return this.chooser.chooseOne(...found);
    this.chooser.choose([]);
    this.transport.seek(Math.max(0, camera.time(Math.max(x, KEYBOARD))));
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

/** On the strip: inside the window drag it, at its edges stretch it, elsewhere go there. */
class StripPointer {
  constructor({ camera, state, transport, data }, strip) { Object.assign(this, { camera, state, transport, data, strip }); }

  listen(on) { on(this.strip, "pointerdown", (event) => this.#down(event)); }

  #down(event) {
    const { camera, data, strip } = this, box = strip.getBoundingClientRect();
    const time = (e) => (e.clientX - box.left) / box.width * data.duration;
    const pixel = data.duration / box.width, began = time(event), { start, span } = camera;
    const kind = Math.abs(began - start) < 6 * pixel ? "left" : Math.abs(began - start - span) < 6 * pixel ? "right"
      : began > start && began < start + span ? "move" : "go";
    let moved = false;
    strip.setPointerCapture(event.pointerId);
    const move = (e) => {
      const by = time(e) - began;
      if (Math.abs(by) > 3 * pixel) moved = true;
      if (!moved) return;
      this.state.set({ following: false });
      if (kind === "left") camera.show(Math.min(start + by, start + span - SHORTEST_SPAN), span - by);
      else if (kind === "right") camera.show(start, span + by);
      else if (kind === "move") camera.show(start + by, span);
    };
    const up = () => {
      strip.removeEventListener("pointermove", move);
      if (!moved) this.transport.seek(began);
    };
    strip.addEventListener("pointermove", move);
    strip.addEventListener("pointerup", up, { once: true });
    strip.addEventListener("pointercancel", up, { once: true });
  }
}

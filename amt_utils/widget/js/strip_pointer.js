// The strip: inside the window drag it, at its edges stretch it, elsewhere go there.

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

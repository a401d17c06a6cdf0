// A button that records from the microphone.

class Microphone {
  /** `words.record` and `words.stop` are the button's; `onTime(seconds)`, `onRecorded(blob)` and `onDenied()` say what came. */
  constructor(words, { onTime, onRecorded, onDenied }) {
    Object.assign(this, { words, onTime, onRecorded, onDenied });
    this.button = make("button", { type: "button", class: "amt-record", onclick: () => this.toggle() }, words.record);
  }

  async toggle() {
    if (this.recorder) return this.stop();
    try { // without the telephone's clean-up, which would eat the piano
      const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      const stream = await navigator.mediaDevices.getUserMedia({ audio });
      const pieces = [], recorder = this.recorder = new MediaRecorder(stream), began = Date.now();
      const timer = setInterval(() => this.onTime((Date.now() - began) / 1000), 250);
      recorder.ondataavailable = (event) => pieces.push(event.data);
      recorder.onstop = () => {
        clearInterval(timer);
        this.recorder = null;
        this.#show(false);
        stream.getTracks().forEach((track) => track.stop());
        this.onRecorded(new Blob(pieces, { type: recorder.mimeType }));
      };
      recorder.start();
      this.#show(true);
    } catch {
      this.onDenied();
    }
  }

  stop() { this.recorder?.stop(); }

  #show(recording) {
    this.button.textContent = recording ? this.words.stop : this.words.record;
    this.button.classList.toggle("amt-on", recording);
  }
}

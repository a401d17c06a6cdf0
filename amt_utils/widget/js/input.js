// Bringing a recording to Python: upload, drop, or the microphone. Files go as they are; what only the browser can
// read (the microphone's WebM, a phone's M4A where Python has no ffmpeg) goes as WAV.

const INPUT_WORDS = {
  en: {
    choose: "Choose a recording", drop: "or drop it here", record: "Record", stop: "Stop", sent: (n, s) => `${n} · ${s}`,
    denied: "The browser gave no access to the microphone.", sending: "Sending…", unreadable: "This file cannot be read as audio.",
    listening: (s) => `Recording… ${s}`, transcribe: "Transcribe", example: "Without a recording: the example.",
  },
  es: {
    choose: "Elegir una grabación", drop: "o suéltala aquí", record: "Grabar", stop: "Parar", sent: (n, s) => `${n} · ${s}`,
    denied: "El navegador no da acceso al micrófono.", sending: "Enviando…", unreadable: "Este archivo no se puede leer como audio.",
    listening: (s) => `Grabando… ${s}`, transcribe: "Transcribir", example: "Sin grabación: el ejemplo.",
  },
};
const PIECE = 1 << 20; // bytes per message: servers refuse messages of many megabytes
const KNOWN_TO_PYTHON = /\.(wav|flac|ogg|mp3|aiff?)$/i;

function encodeWav(buffer) {
  const n = buffer.length, view = new DataView(new ArrayBuffer(44 + 2 * n));
  const text = (at, value) => [...value].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"), view.setUint32(4, 36 + 2 * n, true), text(8, "WAVEfmt "), view.setUint32(16, 16, true);
  view.setUint16(20, 1, true), view.setUint16(22, 1, true), view.setUint32(24, buffer.sampleRate, true);
  view.setUint32(28, 2 * buffer.sampleRate, true), view.setUint16(32, 2, true), view.setUint16(34, 16, true);
  text(36, "data"), view.setUint32(40, 2 * n, true);
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, c) => buffer.getChannelData(c));
  for (let i = 0; i < n; i++) {
    const mean = channels.reduce((sum, samples) => sum + samples[i], 0) / channels.length;
    view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, mean))), true);
  }
  return view.buffer;
}

async function toWav(blob) {
  const bytes = await blob.arrayBuffer();
  return encodeWav(await new OfflineAudioContext(1, 1, 44100).decodeAudioData(bytes));
}

class AudioInputView {
  constructor(model, element) {
    this.model = model;
    const language = model.get("language");
    this.words = INPUT_WORDS[language === "auto" ? (navigator.language || "en").slice(0, 2) : language] || INPUT_WORDS.en;
    const w = this.words;
    this.file = make("input", { type: "file", accept: "audio/*,video/*,.flac,.ogg", class: "amt-file", "aria-label": w.choose, onchange: () => this.take(this.file.files[0]) });
    this.status = make("span", { class: "amt-status", role: "status" });
    this.microphone = new Microphone(w, {
      onTime: (seconds) => { this.status.textContent = w.listening(clock(seconds, 0)); },
      onRecorded: (blob) => this.take(new File([blob], "recording.webm")),
      onDenied: () => { this.status.textContent = w.denied; },
    });
    this.root = make("div", { class: "amt-input" }, make("label", { class: "amt-choose" }, w.choose, this.file), make("span", {}, w.drop), this.microphone.button, this.status);
    if (model.get("can_transcribe")) {
      this.goButton = make("button", { type: "button", class: "amt-go", onclick: () => model.send({ transcribe: true }) }, w.transcribe);
      this.status.before(this.goButton);
    }
    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      this.take(event.dataTransfer.files[0]);
    });
    this.changed = () => this.show();
    model.on("change:summary change:busy", this.changed);
    element.append(this.root);
    this.show();
  }

  show() {
    this.status.textContent = this.model.get("summary") || (this.goButton ? this.words.example : "");
    if (this.goButton) this.goButton.disabled = this.model.get("busy");
  }

  async take(file) {
    if (!file) return;
    this.status.textContent = this.words.sending;
    try {
      if (KNOWN_TO_PYTHON.test(file.name)) this.send(file.name, await file.arrayBuffer());
      else this.send(file.name.replace(/\.\w+$/, "") + ".wav", await toWav(file));
    } catch {
      this.status.textContent = this.words.unreadable;
    }
  }

  send(name, buffer) {
    for (let at = 0; at < buffer.byteLength; at += PIECE) {
      const last = at + PIECE >= buffer.byteLength;
      this.model.send({ name, first: at === 0, last }, undefined, [buffer.slice(at, at + PIECE)]);
    }
  }

  dispose() {
    this.microphone.stop();
    this.model.off("change:summary change:busy", this.changed);
    this.root.remove();
  }
}

function renderInput({ model, el }) {
  const view = new AudioInputView(model, el);
  return () => view.dispose();
}

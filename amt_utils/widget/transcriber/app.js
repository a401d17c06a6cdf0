// The page that transcribes on its own: a recording is dropped, chosen or recorded; a worker finds its notes; the roll shows
// them. Nothing leaves the machine.

const APP_WORDS = {
  en: {
    title: "Piano transcription", lead: "Drop a piano recording here. It is transcribed on this computer; nothing is sent anywhere.",
    choose: "Choose a recording", record: "Record", stop: "Stop", example: "Try the example", cancel: "Cancel", another: "Another recording",
    reading: "Reading the file…", starting: "Starting the network…", progress: (done, total, left) => `${done} of ${total} transcribed, ${left} left`,
    found: (notes, pedals, seconds) => `${notes} notes and ${pedals} pedal presses, found in ${seconds}`,
    recording: (time) => `Recording… ${time}`, denied: "The browser gave no access to the microphone.",
    unreadable: (name) => `${name}: this browser cannot read it as audio. Try WAV, FLAC, MP3 or M4A.`,
    empty: (name) => `${name}: there is no sound in it.`, failed: (why) => `The transcription stopped: ${why}`,
    old: "This browser is too old: it needs WebAssembly with SIMD and DecompressionStream (Chrome 91, Firefox 113, Safari 16.4 or newer).",
  },
  es: {
    title: "Transcripción de piano", lead: "Suelta aquí una grabación de piano. Se transcribe en este ordenador; no se envía nada.",
    choose: "Elegir una grabación", record: "Grabar", stop: "Parar", example: "Probar el ejemplo", cancel: "Cancelar", another: "Otra grabación",
    reading: "Leyendo el archivo…", starting: "Preparando la red…", progress: (done, total, left) => `${done} de ${total} transcritos, faltan ${left}`,
    found: (notes, pedals, seconds) => `${notes} notas y ${pedals} pisadas de pedal, en ${seconds}`,
    recording: (time) => `Grabando… ${time}`, denied: "El navegador no da acceso al micrófono.",
    unreadable: (name) => `${name}: este navegador no puede leerlo como audio. Prueba WAV, FLAC, MP3 o M4A.`,
    empty: (name) => `${name}: no contiene sonido.`, failed: (why) => `La transcripción se detuvo: ${why}`,
    old: "Este navegador es demasiado antiguo: necesita WebAssembly con SIMD y DecompressionStream.",
  },
};

/** The bytes of a script element: base64, deflated where it says so. */
async function pageBytes(id) {
  const element = document.getElementById(id), bytes = toBytes(element.textContent);
  if (element.dataset.encoding !== "gzip") return bytes.slice().buffer;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** Channels -> one: their mean, or, where channels cancel each other, the loudest. */
function mixDown(buffer) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, c) => buffer.getChannelData(c));
  if (channels.length === 1) return channels[0].slice();
  const power = (samples) => samples.reduce((sum, x) => sum + x * x, 0);
  const mean = new Float32Array(buffer.length);
  for (const channel of channels) for (let i = 0; i < mean.length; i++) mean[i] += channel[i] / channels.length;
  const powers = channels.map(power), loudest = powers.indexOf(Math.max(...powers));
  return power(mean) < 0.05 * powers[loudest] ? channels[loudest].slice() : mean;
}

/** Runs the networks; `cancel` ends the work at once, and the next recording begins with a new worker. */
class BrowserTranscriber {
  constructor(config) { this.config = config; }

  async #start() {
    const files = { network: "amt-network", pedals: "amt-pedals", velocities: "amt-velocities" };
    const loaded = Object.fromEntries(await Promise.all(Object.entries(files).map(async ([name, id]) => [name, await pageBytes(id)])));
    const url = URL.createObjectURL(new Blob([document.getElementById("amt-worker").textContent], { type: "text/javascript" }));
    this.worker = new Worker(url);
    const wasm = await pageBytes("amt-wasm");
    await this.#ask({ type: "load", wasm, files: loaded, config: this.config }, [wasm, ...Object.values(loaded)]);
    URL.revokeObjectURL(url);
  }

  #ask(message, transfer, onProgress = () => {}) {
    return new Promise((resolve, reject) => {
      this.reject = reject;
      this.worker.onmessage = ({ data }) => {
        if (data.type === "progress") onProgress(data);
        else if (data.type === "failed") reject(new Error(data.message));
        else resolve(data);
      };
      this.worker.onerror = (event) => reject(new Error(event.message || "the worker could not start"));
      this.worker.postMessage(message, transfer);
    });
  }

  /** Samples at the network's rate -> {notes, pedals}. */
  async transcribe(samples, onProgress) {
    if (!this.worker) await this.#start();
    return this.#ask({ type: "transcribe", samples }, [samples.buffer], onProgress);
  }

  cancel() {
    this.worker?.terminate();
    this.worker = null;
    this.reject?.(new Error("cancelled"));
  }
}

class TranscriberApp {
  constructor(element, config) {
    this.element = element;
    this.config = config;
    this.words = APP_WORDS[(navigator.language || "en").slice(0, 2)] || APP_WORDS.en;
    document.documentElement.lang = this.words === APP_WORDS.es ? "es" : "en";
    this.transcriber = new BrowserTranscriber(config);
    const w = this.words;
    this.file = make("input", { type: "file", accept: "audio/*,video/*,.flac,.ogg,.opus", "aria-label": w.choose, onchange: () => this.take(this.file.files[0]) });
    this.microphone = new Microphone(w, {
      onTime: (seconds) => this.say(w.recording(clock(seconds, 0))),
      onRecorded: (blob) => this.take(new File([blob], `recording.${blob.type.includes("mp4") ? "m4a" : "webm"}`, { type: blob.type })),
      onDenied: () => this.say(w.denied),
    });
    this.exampleButton = make("button", { type: "button", onclick: () => this.tryExample() }, w.example);
    this.cancelButton = make("button", { type: "button", hidden: "", onclick: () => this.transcriber.cancel() }, w.cancel);
    this.bar = make("progress", { max: 1, value: 0, hidden: "", "aria-label": w.title });
    this.status = make("p", { class: "amt-app-status", role: "status" });
    this.buttons = make("div", { class: "amt-app-buttons" }, make("label", { class: "amt-app-choose" }, w.choose, this.file), this.microphone.button, this.exampleButton);
    this.start = make("main", { class: "amt-app" }, make("h1", {}, w.title), make("p", {}, w.lead), this.buttons, this.bar, this.cancelButton, this.status);
    this.again = make("button", { type: "button", class: "amt-app-again", onclick: () => this.restart() }, w.another);
    element.append(this.start);
    for (const name of ["dragenter", "dragover"]) addEventListener(name, (event) => { event.preventDefault(); this.start.classList.add("amt-app-over"); });
    for (const name of ["dragleave", "drop"]) addEventListener(name, () => this.start.classList.remove("amt-app-over"));
    addEventListener("drop", (event) => {
      event.preventDefault();
      if (!this.busy && event.dataTransfer.files.length) this.take(event.dataTransfer.files[0]);
    });
    if (!("DecompressionStream" in window && "WebAssembly" in window)) this.say(w.old);
  }

  say(text) { this.status.textContent = text; }

  async tryExample() {
    const bytes = await pageBytes("amt-example");
    await this.take(new File([bytes], "waltz.flac", { type: "audio/flac" }));
  }

  /** A file -> the roll. */
  async take(file) {
    if (!file || this.busy) return;
    const w = this.words;
    this.setBusy(true);
    this.say(w.reading);
    try {
      const bytes = await file.arrayBuffer();
      let decoded;
      try {
        decoded = await new OfflineAudioContext(1, 1, this.config.rate).decodeAudioData(bytes.slice(0));
      } catch {
        return this.say(w.unreadable(file.name));
      }
      if (!decoded.length) return this.say(w.empty(file.name));
      this.say(w.starting);
      const began = performance.now();
      const result = await this.transcriber.transcribe(mixDown(decoded), ({ seconds, total }) => {
        const spent = (performance.now() - began) / 1000, left = spent / seconds * (total - seconds);
        this.bar.value = seconds / total;
        this.say(w.progress(clock(seconds, 0), clock(total, 0), clock(left, 0)));
      });
      const took = (performance.now() - began) / 1000;
      this.show(file, new Uint8Array(bytes), decoded, result, took);
      this.say(w.found(result.notes.length, result.pedals.length, clock(took, 0)));
    } catch (error) {
      this.say(error.message === "cancelled" ? "" : w.failed(error.message));
    } finally {
      this.setBusy(false);
    }
  }

  setBusy(busy) {
    this.busy = busy;
    this.buttons.hidden = busy;
    this.bar.hidden = this.cancelButton.hidden = !busy;
    this.bar.value = 0;
    (busy ? this.cancelButton : this.file).focus();
  }

  show(file, bytes, decoded, { notes, pedals, offered, candidates, beats }, took) {
    this.start.remove();
    const audio = { bytes, mime: file.type || "audio/wav", duration: decoded.duration, rate: decoded.sampleRate };
    const title = file.name.replace(/\.\w+$/, "").replaceAll("_", " ");
    const model = makeModel({ notes: offered, pedals, candidates, beats, audio, title });
    this.holder = make("main", { class: "amt-app-roll" });
    this.top = make("div", { class: "amt-app-top" }, this.again, this.status);
    this.element.append(this.top, this.holder);
    this.view = new RollView(model, this.holder, { page: true });
    window.amtPiano = this.view;
    window.amtTranscription = { notes, pedals, offered, candidates, beats, seconds: took };
  }

  restart() {
    this.view.dispose();
    this.holder.remove();
    this.top.remove();
    this.say("");
    this.start.append(this.status);
    this.element.append(this.start);
    this.file.value = "";
    this.file.focus();
  }
}

/** The page as it comes transcribes; one that was saved from it shows what it was saved with. */
function openTranscriber(element, config) {
  if (document.getElementById("amt-state")) return mountPage(element.appendChild(make("main", { class: "amt-app-roll" })));
  window.amtApp = new TranscriberApp(element, config);
}

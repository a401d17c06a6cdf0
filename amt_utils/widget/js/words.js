// The widget's words, English and Spanish.

const WORDS = {
  en: {
    roll: "Piano roll", play: "Play", pause: "Pause", start: "Back to the start", loop: "Loop",
    recording: "Recording", midi: "MIDI", reference: "Reference", both: "Both",
    score: "Score", bothHint: "Recording left, MIDI right", sound: "Sound", speed: "Speed", volume: "Volume",
    velocity: "Velocity", comparison: "Comparison", colour: "Show", behind: "Behind", nothing: "Nothing",
    spectrum: "Spectrum", onset: "Onsets", frame: "Frames", offset: "Offsets",
    zoomIn: "Zoom in", zoomOut: "Zoom out", fit: "Whole piece", keys: "All 88 keys", follow: "Follow the playhead",
    fullscreen: "Full screen", help: "Keyboard and mouse", overview: "Position in the piece",
    hit: "Hit", wrongEnd: "Wrong end", missed: "Missed", extra: "Extra",
    soft: "soft", loud: "loud", keyEnd: "key", tail: "rings on under the pedal",
    nextError: "Next error", previousError: "Previous error",
    pedals: ["Sustain", "Sostenuto", "Soft"], notes: (n) => `${n.toLocaleString("en")} notes`,
    none: "Click a note to hear it and read its numbers.",
    note: "Note", begins: "onset", lasts: "duration", ends: "end", rings: "rings until", vel: "velocity",
    against: "against the reference", selected: (n) => `${n} notes selected`,
    noteF1: "Note F1", endF1: "with ends", decoding: "Decoding the recording…",
    noAudio: "This browser cannot decode the recording; only the MIDI can be heard.",
    canvas: (n, t) => `Piano roll with ${n} notes, ${t} long. N and P step through the notes, ` +
      `space plays, left and right arrows seek, plus and minus zoom, question mark lists all keys.`,
    helpRows: [
      ["Space", "play or pause"], ["← →", "back or forward one second (Shift: five)"], ["Home End", "start, end"],
      ["+ −", "zoom in, out"], ["↑ ↓", "move up or down the keyboard"], ["0", "whole piece"],
      ["N P", "next, previous note"], ["Enter", "hear the note"], ["E Shift+E", "next, previous error"],
      ["L", "loop the selection or the view"], ["S", "switch the sound"], ["C", "switch the colours"],
      ["B", "switch the background"], ["F", "follow the playhead"], ["K", "all 88 keys or those played"],
      ["Esc", "clear loop and selection"], ["Click", "note: hear it · elsewhere: go there"],
      ["Drag", "move · on the ruler: loop · with Shift: select notes"], ["Ctrl+wheel", "zoom (pinch on a touch screen)"],
    ],
    names: ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"],
  },
  es: {
    roll: "Rollo de piano", play: "Reproducir", pause: "Pausa", start: "Volver al principio", loop: "Bucle",
    recording: "Grabación", midi: "MIDI", reference: "Referencia", both: "Ambos",
    score: "Partitura", bothHint: "Grabación a la izquierda, MIDI a la derecha", sound: "Sonido", speed: "Velocidad", volume: "Volumen",
    velocity: "Intensidad", comparison: "Comparación", colour: "Mostrar", behind: "Fondo", nothing: "Nada",
    spectrum: "Espectro", onset: "Ataques", frame: "Notas", offset: "Finales",
    zoomIn: "Acercar", zoomOut: "Alejar", fit: "Pieza entera", keys: "Las 88 teclas",
    follow: "Seguir la reproducción", fullscreen: "Pantalla completa", help: "Teclado y ratón",
    overview: "Posición en la pieza",
    hit: "Acierto", wrongEnd: "Final erróneo", missed: "Omitida", extra: "Sobrante",
    soft: "piano", loud: "forte", keyEnd: "tecla", tail: "resuena con el pedal",
    nextError: "Error siguiente", previousError: "Error anterior",
    pedals: ["Sustain", "Sostenuto", "Una corda"], notes: (n) => `${n.toLocaleString("es")} notas`,
    none: "Pulsa una nota para oírla y leer sus datos.",
    note: "Nota", begins: "ataque", lasts: "duración", ends: "final", rings: "suena hasta", vel: "intensidad",
    against: "respecto a la referencia", selected: (n) => `${n} notas seleccionadas`,
    noteF1: "F1 de notas", endF1: "con finales", decoding: "Descodificando la grabación…",
    noAudio: "Este navegador no puede descodificar la grabación; solo se oye el MIDI.",
    canvas: (n, t) => `Rollo de piano con ${n} notas, duración ${t}. N y P recorren las notas, ` +
      `espacio reproduce, las flechas buscan, más y menos acercan y alejan, interrogación muestra las teclas.`,
    helpRows: [
      ["Espacio", "reproducir o pausar"], ["← →", "un segundo atrás o adelante (Mayús: cinco)"],
      ["Inicio Fin", "principio, final"], ["+ −", "acercar, alejar"], ["↑ ↓", "subir o bajar por el teclado"],
      ["0", "pieza entera"], ["N P", "nota siguiente, anterior"], ["Intro", "oír la nota"],
      ["E Mayús+E", "error siguiente, anterior"], ["L", "bucle de la selección o de lo visible"],
      ["S", "cambiar el sonido"], ["C", "cambiar los colores"], ["B", "cambiar el fondo"],
      ["F", "seguir la reproducción"], ["K", "las 88 teclas o las tocadas"], ["Esc", "quitar bucle y selección"],
      ["Clic", "en una nota: oírla · fuera: ir allí"],
      ["Arrastrar", "mover · en la regla: bucle · con Mayús: seleccionar"],
      ["Ctrl+rueda", "acercar o alejar (pellizcar en pantalla táctil)"],
    ],
    names: ["Do", "Do♯", "Re", "Mi♭", "Mi", "Fa", "Fa♯", "Sol", "La♭", "La", "Si♭", "Si"],
  },
};

function wordsFor(language) {
  const wanted = language === "auto" ? (navigator.language || "en").slice(0, 2) : language;
  return WORDS[wanted] || WORDS.en;
}

const pitchName = (words, pitch) => words.names[pitch % 12] + (Math.floor(pitch / 12) - 1);

function clock(seconds, digits = 1) {
  const rounded = Math.max(0, Number(seconds.toFixed(digits)));
  const minutes = Math.floor(rounded / 60), rest = (rounded - 60 * minutes).toFixed(digits);
  return `${minutes}:${rest.padStart(digits ? digits + 3 : 2, "0")}`;
}

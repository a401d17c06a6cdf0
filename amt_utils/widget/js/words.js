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
    hands: "Hands", bothHands: "Both hands", leftHand: "Left hand", rightHand: "Right hand",
    correct: "Correct", practise: "Practise", save: "Save", undo: "Undo", redo: "Redo", remove: "Delete", removed: "deleted", add: "Add a note at the playhead",
    accept: "Yes, it is right (or take what is offered)", switchHand: "Other hand", switchHandHint: "Give the notes to the other hand",
    snap: "Snap", snapHint: "Notes keep to the beat's divisions", quantise: "To the beat", quantiseHint: "Put the chosen notes on the beat's divisions",
    nextDoubt: "Next doubtful note", previousDoubt: "Previous doubtful note", doubtful: (n) => `${n} doubtful`,
    noDoubt: "Which notes are doubtful is not known here: that takes the network's probabilities.",
    sensitivity: "Sensitivity", sensitivityHint: "How probable a note must be to be shown", unsure: "unsure", sure: "sure", possible: "possible note",
    correctHint: "Click or N, D choose a note; arrows move it, Shift + ← → its end; Delete, A add, Y yes, Ctrl+Z. ? lists all.",
    pressX: "Press X to correct notes.", falling: "Falling notes", fallingHint: "Notes fall onto the keyboard",
    metronome: "Metronome", metronomeHint: "Click on the beats that were found", countIn: "Count-in", countInHint: "A bar of clicks before the music",
    loopBar: "Loop a bar", loopBarHint: "Repeat the bar at the playhead; again: one bar more", one: "This is one", oneHint: "The beat at the playhead begins a bar",
    noBeats: "Beats and bars are known where there is a score.", saving: "Saving…", saved: (name) => `Saved ${name}`,
    files: {
      midi: ["MIDI", "For sequencers and notation programs"], musicxml: ["MusicXML", "Sheet music for MuseScore, Sibelius, Dorico"],
      json: ["JSON", "Notes, pedals and beats for programs"], html: ["This page", "With your corrections in it"],
    },
    scoreIsOlder: "The score shows the transcription before these corrections.", scoreKeys: "Left and right step through its notes, Enter plays one.",
    helpRows: [
      ["Space", "play or pause"], ["← →", "back or forward one second (Shift: five)"], ["Home End", "start, end"],
      ["+ −", "zoom in, out"], ["↑ ↓", "move up or down the keyboard"], ["0", "whole piece"],
      ["N P", "next, previous note (Shift: choose it too)"], ["Enter", "hear the note"], ["E Shift+E", "next, previous error"],
      ["L", "loop the selection or the view"], ["S", "switch the sound"], ["C", "switch the colours"],
      ["B", "switch the background"], ["O", "follow the playhead"], ["K", "all 88 keys or those played"],
      ["Esc", "clear selection, then loop"], ["Click", "note: hear it · elsewhere: go there"],
      ["Drag", "move · on the ruler: loop · with Shift or a long press: select"], ["Ctrl+wheel", "zoom (pinch on a touch screen)"],
      ["W", "save: MIDI, MusicXML, JSON, page"],
    ],
    practiseRows: [
      ["T", "open"], ["F", "falling notes"], ["R", "both hands, right alone, left alone"], ["M", "metronome"], ["I", "count-in"],
      ["Shift+L", "loop the bar; again: one bar more"], ["1", "this is one: a bar begins at the playhead"],
    ],
    correctRows: [
      ["X", "open"], ["D Shift+D", "next, previous doubtful note"], ["Y", "yes: keep it, or take what is offered"], ["Del", "delete"], ["A", "add a note at the playhead"],
      ["← →", "chosen notes earlier, later"], ["↑ ↓", "a key up, down (Shift: an octave)"], ["Shift+← →", "end earlier, later"], ["< >", "beginning earlier, later"],
      ["[ ]", "begin, end at the playhead"], [", .", "softer, louder"], ["H", "other hand"], ["G", "snap to the beat"], ["Q", "put on the beat"],
      ["PgUp PgDn", "sensitivity"], ["Ctrl+Z Ctrl+Shift+Z", "undo, redo (also U, Shift+U)"], ["Ctrl+A", "choose all"],
      ["Drag", "note: move · its ends: stretch · with Ctrl: velocity · elsewhere: select"], ["Double click", "add a note, or delete it"],
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
    hands: "Manos", bothHands: "Las dos manos", leftHand: "Mano izquierda", rightHand: "Mano derecha",
    correct: "Corregir", practise: "Practicar", save: "Guardar", undo: "Deshacer", redo: "Rehacer", remove: "Borrar", removed: "borrada", add: "Añadir una nota en el cursor",
    accept: "Sí, es correcta (o tomar la que se ofrece)", switchHand: "Otra mano", switchHandHint: "Pasar las notas a la otra mano",
    snap: "Ajustar", snapHint: "Las notas se ajustan a las divisiones del pulso", quantise: "Al pulso", quantiseHint: "Llevar las notas elegidas a las divisiones del pulso",
    nextDoubt: "Nota dudosa siguiente", previousDoubt: "Nota dudosa anterior", doubtful: (n) => `${n} dudosas`,
    noDoubt: "Aquí no se sabe qué notas son dudosas: hacen falta las probabilidades de la red.",
    sensitivity: "Sensibilidad", sensitivityHint: "Qué probable ha de ser una nota para mostrarse", unsure: "dudosa", sure: "segura", possible: "nota posible",
    correctHint: "Clic o N, D eligen una nota; las flechas la mueven, Mayús + ← → su final; Supr, A añadir, Y sí, Ctrl+Z. ? muestra todo.",
    pressX: "Pulsa X para corregir notas.", falling: "Notas que caen", fallingHint: "Las notas caen sobre el teclado",
    metronome: "Metrónomo", metronomeHint: "Marca los pulsos encontrados", countIn: "Cuenta previa", countInHint: "Un compás de golpes antes de la música",
    loopBar: "Repetir compás", loopBarHint: "Repetir el compás del cursor; otra vez: un compás más", one: "Aquí es uno", oneHint: "El pulso del cursor empieza un compás",
    noBeats: "Los pulsos y compases se conocen donde hay partitura.", saving: "Guardando…", saved: (name) => `Guardado: ${name}`,
    files: {
      midi: ["MIDI", "Para secuenciadores y editores de partituras"], musicxml: ["MusicXML", "Partitura para MuseScore, Sibelius, Dorico"],
      json: ["JSON", "Notas, pedales y pulsos para programas"], html: ["Esta página", "Con tus correcciones"],
    },
    scoreIsOlder: "La partitura muestra la transcripción anterior a estas correcciones.", scoreKeys: "Izquierda y derecha recorren sus notas, Intro toca una.",
    helpRows: [
      ["Espacio", "reproducir o pausar"], ["← →", "un segundo atrás o adelante (Mayús: cinco)"],
      ["Inicio Fin", "principio, final"], ["+ −", "acercar, alejar"], ["↑ ↓", "subir o bajar por el teclado"],
      ["0", "pieza entera"], ["N P", "nota siguiente, anterior (Mayús: elegirla también)"], ["Intro", "oír la nota"],
      ["E Mayús+E", "error siguiente, anterior"], ["L", "bucle de la selección o de lo visible"],
      ["S", "cambiar el sonido"], ["C", "cambiar los colores"], ["B", "cambiar el fondo"],
      ["O", "seguir la reproducción"], ["K", "las 88 teclas o las tocadas"], ["Esc", "quitar selección, luego bucle"],
      ["Clic", "en una nota: oírla · fuera: ir allí"],
      ["Arrastrar", "mover · en la regla: bucle · con Mayús o pulsación larga: seleccionar"],
      ["Ctrl+rueda", "acercar o alejar (pellizcar en pantalla táctil)"], ["W", "guardar: MIDI, MusicXML, JSON, página"],
    ],
    practiseRows: [
      ["T", "abrir"], ["F", "notas que caen"], ["R", "las dos manos, solo derecha, solo izquierda"], ["M", "metrónomo"], ["I", "cuenta previa"],
      ["Mayús+L", "bucle del compás; otra vez: un compás más"], ["1", "aquí es uno: el compás empieza en el cursor"],
    ],
    correctRows: [
      ["X", "abrir"], ["D Mayús+D", "nota dudosa siguiente, anterior"], ["Y", "sí: dejarla, o tomar la que se ofrece"], ["Supr", "borrar"], ["A", "añadir una nota en el cursor"],
      ["← →", "notas elegidas antes, después"], ["↑ ↓", "una tecla arriba, abajo (Mayús: una octava)"], ["Mayús+← →", "final antes, después"], ["< >", "comienzo antes, después"],
      ["[ ]", "empezar, terminar en el cursor"], [", .", "más suave, más fuerte"], ["H", "otra mano"], ["G", "ajustar al pulso"], ["Q", "llevar al pulso"],
      ["RePág AvPág", "sensibilidad"], ["Ctrl+Z Ctrl+Mayús+Z", "deshacer, rehacer (también U, Mayús+U)"], ["Ctrl+A", "elegir todo"],
      ["Arrastrar", "nota: mover · sus extremos: estirar · con Ctrl: intensidad · fuera: seleccionar"], ["Doble clic", "añadir una nota, o borrarla"],
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

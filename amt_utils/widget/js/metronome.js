// Clicks on the beats, and a bar of them before the music begins.

class Metronome {
  constructor(context, output) { Object.assign(this, { context, output }); }

  /** A click at context time `when`, higher on the first beat of a bar. Returns its source. */
  click(when, accented, output = this.output) {
    const { context } = this, source = new OscillatorNode(context, { type: "square", frequency: accented ? 1760 : 1175 });
    const gain = context.createGain();
    gain.gain.setValueAtTime(accented ? 0.16 : 0.1, when);
    gain.gain.exponentialRampToValueAtTime(1e-4, when + 0.05);
    source.connect(gain).connect(output);
    source.start(when);
    source.stop(when + 0.06);
    return source;
  }
}

/** The bar before `at`: [seconds it lasts, [[seconds from its beginning, accented], ...]]; at the tempo found there. */
function countIn(beats, at) {
  const place = beats.beat(at), period = beats.time(Math.floor(place) + 1) - beats.time(Math.floor(place)), clicks = [];
  for (let k = Math.ceil(place - beats.perBar - 1e-6); k < place - 1e-6; k++)
    clicks.push([(k - place + beats.perBar) * period, beats.isDownbeat(k)]);
  return [beats.perBar * period, clicks];
}

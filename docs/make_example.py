"""Renders the embedded example: our own waltz, played twice with human timing, on the Salamander Grand Piano.

    AMT_SHARED_DATA=/path/to/data python docs/make_example.py

writes ``amt_utils/examples/waltz.flac`` and ``waltz.mid``. The piano (Yamaha C5, sampled by Alexander Holm, CC BY 3.0)
is not part of the repository; the recording made from it is.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np

from amt_utils.audio.reading import save_audio
from amt_utils.data.augment import load_impulse_responses
from amt_utils.data.pianos import load_piano
from amt_utils.data.synth import Touch, render
from amt_utils.music.midi import write_midi
from amt_utils.sheet_music.known_pieces import known_pieces, perform
from amt_utils.system.paths import package_folder, shared_data


def main() -> None:
    data = shared_data()
    waltz = next(p for p in known_pieces() if p.kind == "waltzes" and p.pedal)
    length = max(n.onset + n.length for n in waltz.notes)
    again = tuple(dataclasses.replace(n, onset=n.onset + Fraction(length)) for n in waltz.notes)
    performance, _ = perform(dataclasses.replace(waltz, notes=waltz.notes + again), jitter=0.008, rubato=0.03, seed=7)
    rng = np.random.default_rng(7)
    audio = render(performance, load_piano(data / "pianos" / "salamander_c5"), touch=Touch(timbre_jitter=4), rng=rng)
    room = load_impulse_responses(data / "impulse_responses")[0][:12_000]
    wet = np.convolve(audio, room)[: len(audio)]
    audio = audio + 0.25 * wet + 2e-4 * rng.standard_normal(len(audio))
    folder = package_folder() / "examples"
    save_audio(folder / "waltz.flac", (0.5 * audio / np.abs(audio).max()).astype(np.float32))
    write_midi(folder / "waltz.mid", performance)


if __name__ == "__main__":
    main()

"""Renders MIDI on sampled pianos: exactly labelled training audio, a different piano every time.

A piano bank is a folder with note samples and ``piano.json`` (file, key, velocity range, gain per sample; the
hammer strikes ``onset_s`` after a file's start). A note is the sample of the nearest key and velocity layer, resampled
to its pitch, scaled to its velocity, and faded out from its end. The sustain and sostenuto pedals delay that end, and
the top keys have no dampers. Mixing samples this way runs far faster than real time.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr
from scipy.signal import oaconvolve

from ..audio.reading import SAMPLE_RATE, load_audio
from ..audio.tuning import midi_to_hz
from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH, N_KEYS, SUSTAIN, Performance, make_notes
from ..system.errors import AmtError

FIRST_UNDAMPED_PITCH = 91  # on most grands the dampers end near G6
RESTRIKE_FADE = 0.03  # seconds over which the old note fades when its key is struck again
HAMMER = 0.005  # seconds from a sample's start to the hammer, where a bank does not say
LOUDNESS_WINDOW = 0.25  # seconds after the hammer over which a sample's loudness is measured
DECIBELS_PER_VELOCITY = 0.32
FULL_LOUDNESS = 0.22  # RMS of a full-velocity note at its attack: chords do not clip, recordings are about as loud


@dataclass
class Piano:
    """A bank of note samples.

    Attributes:
        name: of the bank.
        keys, layers: ``(n,)`` MIDI pitch and centre velocity of each sample.
        samples: ``n`` float32 arrays at ``sample_rate``, hammer at ``onset`` samples, loudness 1.
        onset: samples before the hammer strikes.
        key_gain: ``(88,)`` loudness of each key relative to the others at equal velocity.
        sample_rate: Hz, of the samples and of what is rendered.
    """

    name: str
    keys: np.ndarray
    layers: np.ndarray
    samples: list[np.ndarray]
    onset: int
    key_gain: np.ndarray
    sample_rate: int = SAMPLE_RATE
    _tuned: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False)

    def tuned_sample(self, pitch: int, velocity: float, borrowed_keys: int = 0) -> np.ndarray:
        """The sample for a key and velocity, resampled to that key's pitch; cached as float16."""
        distance = np.abs(self.keys - (pitch + borrowed_keys))
        nearest = np.flatnonzero(distance == distance.min())
        which = int(nearest[np.argmin(np.abs(self.layers[nearest] - velocity))])
        if (which, pitch) not in self._tuned:
            ratio = 2.0 ** ((pitch - self.keys[which]) / 12)
            tuned = _stretch(self.samples[which], ratio, self.sample_rate)
            # keep the hammer at sample `onset`
            shift = round(self.onset / ratio) - self.onset
            tuned = tuned[shift:] if shift > 0 else np.concatenate([np.zeros(-shift, np.float32), tuned])
            self._tuned[which, pitch] = tuned.astype(np.float16)  # half the memory; noise 66 dB below the sample
        return self._tuned[which, pitch]


def _stretch(y: np.ndarray, ratio: float, sample_rate: int) -> np.ndarray:
    """Plays ``y`` ``ratio`` times faster (pitch and tempo together)."""
    if abs(ratio - 1) < 1e-6:
        return y
    return soxr.resample(y, sample_rate * ratio, sample_rate, quality="MQ").astype(np.float32)


@lru_cache(maxsize=16)
def load_piano(folder: str | os.PathLike, *, sample_rate: int = SAMPLE_RATE) -> Piano:
    """A piano bank's folder -> :class:`Piano` at ``sample_rate`` Hz. Raises :class:`AmtError` that names the file."""
    folder = Path(folder)
    try:
        card = json.loads((folder / "piano.json").read_text())
        rows = card["samples"]
        keys = np.array([r["key"] for r in rows])
        low, high = (np.array([r[k] for r in rows], float) for k in ("velocity_low", "velocity_high"))
        gains = np.array([r.get("gain", 1.0) for r in rows])
        files = [folder / r["file"] for r in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AmtError(f"{folder}/piano.json: cannot read the piano bank ({error!r})") from error
    if not files:
        raise AmtError(f"{folder}/piano.json: lists no samples")
    onset = round(card.get("onset_s", HAMMER) * sample_rate)
    samples = [load_audio(f, sample_rate=sample_rate) for f in files]
    return _make_piano(card.get("name", folder.name), keys, (low + high) / 2, samples, gains, onset, sample_rate)


def _make_piano(
    name: str,
    keys: np.ndarray,
    layers: np.ndarray,
    samples: list[np.ndarray],
    gains: np.ndarray,
    onset: int,
    sample_rate: int,
) -> Piano:
    window = int(LOUDNESS_WINDOW * sample_rate)
    loudness = np.array([np.sqrt(np.mean(s[onset : onset + window] ** 2)) + 1e-9 for s in samples])
    natural = 20 * np.log10(loudness * gains)  # dB
    # one smooth gain curve over the keyboard for all layers, so that equal velocities sound equally loud
    profile = np.poly1d(np.polyfit(keys, natural, 3 if len(set(keys)) > 4 else 0))(
        np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1)
    )
    key_gain = 10 ** ((profile - profile.max()) / 20)
    normalised = [(s / level).astype(np.float32) for s, level in zip(samples, loudness, strict=True)]
    return Piano(name, np.asarray(keys), np.asarray(layers, float), normalised, onset, key_gain, sample_rate)


def simple_tone_piano(
    *, brightness: float = 1.0, inharmonicity: float = 3e-4, seconds: float = 4.0, sample_rate: int = SAMPLE_RATE
) -> Piano:
    """A synthetic piano, for tests and where no samples are: decaying inharmonic partials and a hammer noise."""
    rng = np.random.default_rng(0)
    keys = np.arange(LOWEST_PITCH, HIGHEST_PITCH + 1, 3)
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    onset = round(HAMMER * sample_rate)
    samples, pitches, layers = [], [], []
    for pitch in keys:
        base = float(midi_to_hz(pitch))
        for layer in (40, 96):
            tone = np.zeros_like(time)
            for k in range(1, 24):
                frequency = base * k * np.sqrt(1 + inharmonicity * k * k)
                if frequency > 0.45 * sample_rate:
                    break
                amplitude = np.exp(-k * (1.1 - layer / 160) / (1.5 * brightness)) * abs(np.sin(np.pi * k / 8.3))
                decay = 0.6 * (1 + 0.35 * k) * (base / 220) ** 0.6
                tone += amplitude * np.exp(-decay * time) * np.sin(2 * np.pi * frequency * time + rng.uniform(0, 6.28))
            thump = rng.standard_normal(len(time)) * np.exp(-time / 0.008) * 0.02
            attack = np.minimum(time / 0.002, 1.0)
            samples.append(np.concatenate([np.zeros(onset), (tone + thump) * attack]).astype(np.float32))
            pitches.append(pitch)
            layers.append(layer)
    gains = np.ones(len(samples))
    return _make_piano("simple_tone", np.array(pitches), np.array(layers), samples, gains, onset, sample_rate)


@dataclass(frozen=True)
class Touch:
    """How a piano responds to the keys, varied from one rendering to the next.

    Attributes:
        decibels_per_velocity: loudness per velocity step.
        timbre_jitter: standard deviation, in velocity steps, of the layer chosen for a note.
        release_seconds: time constant of the dampers in the middle of the keyboard.
        detune_cents: of the whole instrument.
        borrowed_keys: take each key's sample from so many keys higher, which changes body and brightness.
        key_decibels: ``(88,)``, how much louder single keys are, as on an unevenly voiced piano.
        resonance_decibels: level of the sympathetic resonance while the sustain pedal is down; without it a press
            between notes would be inaudible. ``None`` leaves it out.
    """

    decibels_per_velocity: float = DECIBELS_PER_VELOCITY
    timbre_jitter: float = 0.0
    release_seconds: float = 0.06
    detune_cents: float = 0.0
    borrowed_keys: int = 0
    key_decibels: np.ndarray | None = None
    resonance_decibels: float | None = -36.0


def render(
    performance: Performance,
    piano: Piano | None = None,
    *,
    start: float = 0.0,
    duration: float | None = None,
    touch: Touch | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Notes and pedals on a piano -> float32 audio at the piano's rate, full velocity near :data:`FULL_LOUDNESS`.

    Args:
        performance: key ends and pedals; the sounding ends follow from them.
        piano: a bank from :func:`load_piano`; :func:`simple_tone_piano` unless given.
        start, duration: the window in seconds; notes that began before it go on sounding in it. Without ``duration``
            the rendering ends two seconds after the last note.
        touch: how the piano responds.
        rng: for the jitter in ``touch``.
    """
    piano, touch = piano or simple_tone_piano(), touch or Touch()
    rng, rate = rng or np.random.default_rng(0), piano.sample_rate
    sounding = performance.with_ends("sounding")
    if duration is None:
        duration = (float(sounding["offset"].max()) - start if len(sounding) else 0.0) + 2.0
    # to detune the whole instrument, render at another tempo and resample
    ratio = 2.0 ** (touch.detune_cents / 1200)
    n_out = round(duration * rate)
    mix = np.zeros(int(np.ceil(n_out * ratio)) + 8, np.float32)
    restrike = _next_strike(sounding)
    key_gain = piano.key_gain
    if touch.key_decibels is not None:
        key_gain = key_gain * 10 ** (touch.key_decibels / 20)
    for note, struck_again in zip(sounding, restrike, strict=True):
        begin = (note["onset"] - start) * ratio * rate
        if begin >= len(mix):
            break
        pitch, velocity = int(note["pitch"]), float(note["velocity"])
        layer = velocity + touch.timbre_jitter * rng.standard_normal()
        sample = piano.tuned_sample(pitch, layer, touch.borrowed_keys)
        decibels = touch.decibels_per_velocity * (velocity - 127)
        gain = FULL_LOUDNESS * key_gain[pitch - LOWEST_PITCH] * 10 ** (decibels / 20)
        damped = (note["offset"] - note["onset"]) * rate
        if pitch >= FIRST_UNDAMPED_PITCH:
            damped = np.inf
        release = touch.release_seconds * 2.0 ** ((60 - pitch) / 24)
        if struck_again * rate <= damped:
            damped, release = struck_again * rate, RESTRIKE_FADE / 3
        _add_note(mix, sample, round(begin) - piano.onset, gain, damped * ratio + piano.onset, release * rate)
    if touch.resonance_decibels is not None:
        sustain = performance.pedals[performance.pedals["kind"] == SUSTAIN]
        pressed, released = ((sustain[name] - start) * ratio * rate for name in ("onset", "offset"))
        gain = 10 ** (touch.resonance_decibels / 20)
        _add_resonance(mix, pressed, released, _open_strings(rate), gain=gain, release=touch.release_seconds * rate)
    if ratio != 1.0:
        mix = soxr.resample(mix, rate * ratio, rate, quality="MQ").astype(np.float32)
    return np.pad(mix, (0, max(0, n_out - len(mix))))[:n_out]


def with_loudness_velocities(performance: Performance, touch: Touch, decibels: float) -> Performance:
    """The same notes with the velocities at which a piano of the default touch would sound equally loud.

    A recording whose gain is unknown does not say how hard a key was struck, but how loud it sounds. Differences
    between keys (voicing) and the microphone's response are not part of it.

    Args:
        performance: as it was rendered.
        touch: that of the rendering.
        decibels: by which the recording chain made everything louder.
    """
    notes = performance.notes
    level = touch.decibels_per_velocity * (notes["velocity"] - 127.0) + decibels
    velocity = np.clip(np.rint(127 + level / DECIBELS_PER_VELOCITY), 1, 127)
    return Performance(make_notes(notes["onset"], notes["offset"], notes["pitch"], velocity), performance.pedals)


@lru_cache(maxsize=2)
def _open_strings(rate: int) -> np.ndarray:
    """Impulse response of all undamped strings at ``rate`` Hz: two seconds, unit energy."""
    rng = np.random.default_rng(88)
    time = np.arange(2 * rate, dtype=np.float32) / rate
    answer = np.zeros_like(time)
    for pitch in range(LOWEST_PITCH, HIGHEST_PITCH + 1):
        base = float(midi_to_hz(pitch))
        for partial in range(1, 7):
            frequency = base * partial * np.sqrt(1 + 3e-4 * partial**2)
            if frequency > 0.4 * rate:
                break
            decay = 0.8 + 0.5 * (frequency / 440) ** 0.7
            answer += np.exp(-decay * time) / partial * np.sin(2 * np.pi * frequency * time + rng.uniform(0, 6.28))
    return answer / np.sqrt(np.sum(answer**2))


def _add_resonance(
    mix: np.ndarray, pressed: np.ndarray, released: np.ndarray, response: np.ndarray, *, gain: float, release: float
) -> None:
    """Adds ``gain`` times ``mix`` convolved with ``response`` between ``pressed`` and ``released``, all in samples."""
    dampers_up = np.zeros(len(mix), np.float32)
    for begin, end in zip(pressed, released, strict=True):
        dampers_up[max(0, int(begin)) : max(0, int(end))] = 1.0
    if not dampers_up.any():
        return
    fade = np.exp(-np.arange(int(4 * release)) / release)  # the same time constant as of a single note
    dampers_up = oaconvolve(dampers_up, (fade / fade.sum()).astype(np.float32))[: len(mix)]
    halo = oaconvolve(mix * dampers_up, response)[: len(mix)]
    mix += gain * halo * dampers_up


def _next_strike(notes: np.ndarray) -> np.ndarray:
    """Seconds from each note's onset to the next onset of the same key; inf for the last."""
    wait = np.full(len(notes), np.inf)
    last = np.full(N_KEYS, -1)
    for i, (pitch, onset) in enumerate(zip(notes["pitch"], notes["onset"], strict=True)):
        previous = last[pitch - LOWEST_PITCH]
        if previous >= 0 and onset > notes["onset"][previous]:
            wait[previous] = onset - notes["onset"][previous]
        last[pitch - LOWEST_PITCH] = i
    return wait


def _add_note(mix: np.ndarray, sample: np.ndarray, at: int, gain: float, damped: float, release: float) -> None:
    """Adds ``gain * sample`` at index ``at``; from sample ``damped`` on it fades, time constant ``release`` samples."""
    fade_length = int(6 * release)
    length = len(sample) if not np.isfinite(damped) else int(min(len(sample), damped + fade_length))
    first, last = max(0, -at), min(length, len(mix) - at)
    if last <= first:
        return
    hold = int(min(max(damped, first), last)) if np.isfinite(damped) else last
    sample = sample[:last].astype(np.float32)
    mix[at + first : at + hold] += gain * sample[first:hold]
    if last > hold:
        fade = np.exp(-(np.arange(hold, last, dtype=np.float32) - np.float32(damped)) / release)
        mix[at + hold : at + last] += gain * fade * sample[hold:last]

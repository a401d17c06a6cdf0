"""Renders MIDI on sampled pianos: exactly labelled training audio, a different piano every time.

A note is the sample of the nearest key and velocity layer (:mod:`.pianos`), resampled to its pitch, scaled to its
velocity, and faded out from its end. The sustain and sostenuto pedals delay that end, and the top keys have no dampers.
A string fades only while its damper lies on it: what still sounds when the pedal is pressed again goes on. On a real
Disklavier notes below C3 lose 3 to 6 dB over pedal changes of 60 to 200 ms.
Mixing samples this way runs far faster than real time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soxr
from scipy.signal import oaconvolve

from ..audio.tuning import midi_to_hz
from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH, SUSTAIN, Performance, make_notes, next_onsets
from .mechanical_noise import make_key_noises, make_pedal_noises
from .pianos import Piano, simple_tone_piano

FIRST_UNDAMPED_PITCH = 91  # on most grands the dampers end near G6
RESTRIKE_FADE = 0.03  # seconds over which the old note fades when its key is struck again
DECIBELS_PER_VELOCITY = 0.32
MEDIUM_VELOCITY = 64
MECHANISM_LAG, MECHANISM_JITTER = (-0.015, 0.02), 0.004  # seconds after the MIDI event: common to all, and of each
MECHANISM_VARIES = 3.0  # dB from one noise to the next
FULL_LOUDNESS = 0.22  # RMS of a full-velocity note at its attack: chords do not clip, recordings are about as loud


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
        half_damped: whether strings that still sound go on when the pedal is pressed again, as on a piano; samplers
            often let each note die away once it is released.
        key_noise_decibels, pedal_noise_decibels: levels of the mechanism (:mod:`.mechanical_noise`) relative to a note
            of velocity 64. ``None`` leaves them out.
    """

    decibels_per_velocity: float = DECIBELS_PER_VELOCITY
    timbre_jitter: float = 0.0
    release_seconds: float = 0.06
    detune_cents: float = 0.0
    borrowed_keys: int = 0
    key_decibels: np.ndarray | None = None
    resonance_decibels: float | None = -36.0
    half_damped: bool = True
    key_noise_decibels: float | None = None
    pedal_noise_decibels: float | None = None


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
    sustain = performance.pedals[performance.pedals["kind"] == SUSTAIN]
    if duration is None:
        duration = (float(sounding["offset"].max()) - start if len(sounding) else 0.0) + 2.0
    # to detune the whole instrument, render at another tempo and resample
    ratio = 2.0 ** (touch.detune_cents / 1200)
    n_out = round(duration * rate)
    mix = np.zeros(int(np.ceil(n_out * ratio)) + 8, np.float32)

    def to_samples(seconds: np.ndarray) -> np.ndarray:
        return (seconds - start) * ratio * rate

    pressed, released = to_samples(sustain["onset"]), to_samples(sustain["offset"])
    first = int(to_samples(sounding["onset"].min(initial=start)))
    dampers = _find_contact(pressed, released, first=min(first, 0) - rate, last=len(mix))
    restrike = next_onsets(sounding["pitch"], sounding["onset"]) - sounding["onset"]
    key_gain = piano.key_gain
    if touch.key_decibels is not None:
        key_gain = key_gain * 10 ** (touch.key_decibels / 20)
    for note, struck_again in zip(sounding, restrike, strict=True):
        begin = float(to_samples(note["onset"]))
        if begin >= len(mix):
            break
        pitch, velocity = int(note["pitch"]), float(note["velocity"])
        layer = velocity + touch.timbre_jitter * rng.standard_normal()
        sample = piano.tuned_sample(pitch, layer, touch.borrowed_keys)
        gain = key_gain[pitch - LOWEST_PITCH] * _loudness(velocity, touch)
        damped = (note["offset"] - note["onset"]) * rate
        if pitch >= FIRST_UNDAMPED_PITCH:
            damped = np.inf
        release = touch.release_seconds * 2.0 ** ((60 - pitch) / 24 + max(0, 48 - pitch) / 12)
        contact = dampers if touch.half_damped else None
        if struck_again * rate <= damped:
            damped, release, contact = struck_again * rate, RESTRIKE_FADE / 3, None
        _add_note(mix, sample, round(begin) - piano.onset, gain, damped * ratio + piano.onset, release * rate, contact)
    _add_mechanism(mix, to_samples(performance.notes["offset"]), pressed, released, touch, rng, rate=rate, ratio=ratio)
    if touch.resonance_decibels is not None:
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


def _loudness(velocity: float, touch: Touch) -> float:
    """RMS of a note at its attack."""
    return FULL_LOUDNESS * 10 ** (touch.decibels_per_velocity * (velocity - 127) / 20)


def _add_resonance(
    mix: np.ndarray, pressed: np.ndarray, released: np.ndarray, response: np.ndarray, *, gain: float, release: float
) -> None:
    """Adds ``gain`` times ``mix`` convolved with ``response`` between ``pressed`` and ``released``, all in samples."""
    dampers_up = _find_pressed(pressed, released, first=0, last=len(mix)).astype(np.float32)
    if not dampers_up.any():
        return
    fade = np.exp(-np.arange(int(4 * release)) / release)  # the same time constant as of a single note
    dampers_up = oaconvolve(dampers_up, (fade / fade.sum()).astype(np.float32))[: len(mix)]
    halo = oaconvolve(mix * dampers_up, response)[: len(mix)]
    mix += gain * halo * dampers_up


def _add_mechanism(
    mix: np.ndarray,
    keys_up: np.ndarray,
    pressed: np.ndarray,
    released: np.ndarray,
    touch: Touch,
    rng: np.random.Generator,
    *,
    rate: int,
    ratio: float,
) -> None:
    """Adds the noises of keys that are released and of the sustain pedal, each a little early or late."""
    medium = _loudness(MEDIUM_VELOCITY, touch)

    def add(times: np.ndarray, noises: list[np.ndarray], decibels: float) -> None:
        late = rng.uniform(*MECHANISM_LAG)
        for time in times:
            at = round(time + (late + MECHANISM_JITTER * rng.standard_normal()) * ratio * rate)
            gain = medium * 10 ** ((decibels + MECHANISM_VARIES * rng.standard_normal()) / 20)
            if -len(noises[0]) < at < len(mix):
                _add_note(mix, noises[rng.integers(len(noises))], at, gain)

    if touch.key_noise_decibels is not None:
        add(keys_up, make_key_noises(rng, rate), touch.key_noise_decibels)
    if touch.pedal_noise_decibels is not None:
        rises, falls = make_pedal_noises(rng, rate)
        add(pressed, [rises], touch.pedal_noise_decibels)
        add(released, [falls], touch.pedal_noise_decibels)


@dataclass(frozen=True)
class Contact:
    """How long the dampers have lain on the strings.

    Attributes:
        samples: ``(n,)`` rising; the samples of contact by each sample of the mix.
        first: the mix's sample that the first of them belongs to, negative.
    """

    samples: np.ndarray
    first: int

    def between(self, begin: int, low: int, high: int) -> np.ndarray:
        """Contact since sample ``begin`` at the samples ``low`` to ``high``, ``(high - low,)`` float32."""
        own = self.samples[low - self.first : high - self.first] - self._at(begin)
        return own.astype(np.float32)

    def after(self, begin: int, contact: float) -> int:
        """The sample by which so much ``contact`` has followed sample ``begin``."""
        return int(np.searchsorted(self.samples, self._at(begin) + contact)) + self.first

    def _at(self, sample: int) -> int:
        return int(self.samples[min(max(sample - self.first, 0), len(self.samples) - 1)])


def _find_pressed(pressed: np.ndarray, released: np.ndarray, *, first: int, last: int) -> np.ndarray:
    """At which samples from ``first`` to ``last`` the sustain pedal is down, ``(last - first,)`` bool."""
    down = np.zeros(last - first, bool)
    for begin, end in zip(pressed, released, strict=True):
        down[max(0, int(begin) - first) : max(0, int(end) - first)] = True
    return down


def _find_contact(pressed: np.ndarray, released: np.ndarray, *, first: int, last: int) -> Contact:
    """How long the dampers have lain on the strings, from sample ``first`` (before which all is silent) to ``last``."""
    return Contact(np.cumsum(~_find_pressed(pressed, released, first=first, last=last)), first)


def _add_note(
    mix: np.ndarray,
    sample: np.ndarray,
    at: int,
    gain: float,
    damped: float = np.inf,
    release: float = 0.0,
    contact: Contact | None = None,
) -> None:
    """Adds ``gain * sample`` at index ``at``; from sample ``damped`` on it fades, time constant ``release`` samples.

    With ``contact`` it fades only while the dampers lie on the strings.
    """
    length = len(sample)
    if np.isfinite(damped):
        if contact is None:
            length = int(min(length, damped + 6 * release))
        else:
            length = min(length, contact.after(at + int(damped), 6 * release) - at)
    first, last = max(0, -at), min(length, len(mix) - at)
    if last <= first:
        return
    hold = int(min(max(damped, first), last)) if np.isfinite(damped) else last
    sample = sample[:last].astype(np.float32)
    mix[at + first : at + hold] += gain * sample[first:hold]
    if last > hold:
        if contact is None:
            faded = np.arange(hold, last, dtype=np.float32) - np.float32(damped)
        else:
            faded = contact.between(at + int(damped), at + hold, at + last)
        mix[at + hold : at + last] += gain * np.exp(-faded / np.float32(release)) * sample[hold:last]

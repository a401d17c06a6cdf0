"""A baseline without training: supervised non-negative matrix factorisation (NMF) on the constant-Q transform.

Each key has a few spectral templates (attack, early, middle and late decay). They come from a formula, not from
recordings: stiff-string partials, their tilt with frequency, two-stage decay. Every frame of the recording is
explained as a non-negative sum of the 88 x 4 templates (multiplicative updates for the Kullback-Leibler
divergence with the templates fixed: Lee & Seung, NIPS 2000; for piano: Smaragdis & Brown, WASPAA 2003; attack and
decay templates: Cheng et al., "An attack/decay model for piano transcription", ISMIR 2016). Where a key's
activation rises, a note begins.

It finds ``sounding`` ends and no pedals; the key ends of its transcriptions are the sounding ones. The constants below
were set on excerpts of eight real recordings.
"""

from __future__ import annotations

import os

import numpy as np

from ..audio.reading import SAMPLE_RATE, load_audio
from ..audio.tuning import midi_to_hz
from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH, Performance, make_notes
from ..system.errors import AmtError

HOP_LENGTH = 320
N_BINS = 352
POWER = 0.5  # magnitudes are compressed by this exponent, templates likewise
ITERATIONS = 15  # more of them sharpen the activations and lose soft notes
# frames after the onset that each template averages: attack, early, middle and late decay
TEMPLATE_FRAMES = ((-1, 1), (2, 5), (6, 16), (25, 50))
RISE_FRAMES = 4  # an onset is a rise against the least of this many frames before
ONSET_DB = -26.0  # how far below the loud parts of the recording a rise may be
END_SHARE = 0.2  # a note ends where its activation has fallen to this share of its peak
ONSET_LAG = -0.01  # seconds: middle of the rise -> hammer
SILENCE = 0.06  # activation of a recording whose loud parts are below about -85 dBFS
_BLOCK_SECONDS = 64


def inharmonicity(pitch) -> np.ndarray:
    """B of a typical piano's string, ``f_h = h f_0 sqrt(1 + B h^2)`` (Rigaud, David & Daudet, JASA 133(5), 2013)."""
    pitch = np.asarray(pitch, dtype=np.float64)
    return np.exp(0.0926 * pitch - 13.64) + np.exp(-0.0847 * pitch - 5.82)


def formula_tone(pitch: int, *, seconds: float = 1.5) -> np.ndarray:
    """One synthetic note -> ``(n,)`` float32 at 16 kHz, peak 1, the hammer at sample 0."""
    rng = np.random.default_rng(pitch)  # the partials' phases
    f0 = float(midi_to_hz(pitch))
    h = np.arange(1, 60)
    frequency = h * f0 * np.sqrt(1 + inharmonicity(pitch) * h**2)
    h, frequency = h[frequency < 7600], frequency[frequency < 7600]
    amplitude = h**-1.4 * np.exp(-frequency / 2500)
    amplitude *= 0.35 + np.abs(np.sin(np.pi * h / 8.3))  # the hammer strikes at about an eighth of the string
    amplitude *= np.minimum(1, (frequency / 130) ** 1.5)  # the soundboard radiates little below
    decay_60_db = 12 * 2.0 ** (-(pitch - 40) / 18) / (1 + frequency / 1500)  # seconds
    t = np.arange(round(seconds * SAMPLE_RATE))[:, None] / SAMPLE_RATE
    phase = rng.uniform(0, 2 * np.pi, len(h))
    tone = np.sum(amplitude * np.sin(2 * np.pi * frequency * t + phase) * 10.0 ** (-3 * t / decay_60_db), axis=1)
    return (tone / np.abs(tone).max()).astype(np.float32)


class NmfTranscriber:
    """The baseline with the network's interface: ``transcribe(path) -> Performance``.

    Args:
        tones: one struck key per MIDI pitch 21..108 to take the templates from, at 16 kHz, hammer at sample 0;
            :func:`formula_tone` of each when ``None``.

    Raises:
        AmtError: not 88 tones.
    """

    name = "NMF (not trained)"

    def __init__(self, tones: list[np.ndarray] | None = None):
        from ..audio.features import CQT, bin_frequencies

        self.cqt = CQT(bin_frequencies(N_BINS), sample_rate=SAMPLE_RATE, hop_length=HOP_LENGTH)
        tones = tones if tones is not None else [formula_tone(p) for p in range(LOWEST_PITCH, HIGHEST_PITCH + 1)]
        if len(tones) != 88:
            raise AmtError(f"NMF templates: need one tone for each of the 88 keys, not {len(tones)}")
        self.templates = np.stack([self._templates_of(tone) for tone in tones])  # (88, 4, 352)

    def _templates_of(self, tone: np.ndarray) -> np.ndarray:
        before = SAMPLE_RATE // 2 // HOP_LENGTH
        spectrum = self._spectrum(np.concatenate([np.zeros(before * HOP_LENGTH, np.float32), tone]))  # (T, 352)
        rows = [spectrum[before + a : before + b + 1].mean(axis=0) for a, b in TEMPLATE_FRAMES]
        return np.stack([row / row.sum() for row in rows])

    def _spectrum(self, audio: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            magnitude = self.cqt(torch.from_numpy(np.ascontiguousarray(audio, np.float32))[None])[0]
        return (magnitude**POWER).numpy()

    def transcribe(self, path: str | os.PathLike) -> Performance:
        """A recording -> notes without pedals. Raises :class:`AmtError` as :func:`.load_audio`."""
        return self.transcribe_audio(load_audio(path, sample_rate=SAMPLE_RATE))

    def transcribe_audio(self, audio: np.ndarray) -> Performance:
        """``(n,)`` float32 samples at 16 kHz -> notes."""
        return pick_notes(self.activations(audio))

    def activations(self, audio: np.ndarray) -> np.ndarray:
        """``(n,)`` samples -> ``(88, T)`` activations, frame ``t`` at ``t * HOP_LENGTH / SAMPLE_RATE`` seconds.

        Frames do not depend on each other, so blocks of a minute give what one pass would.
        """
        n_frames = len(audio) // HOP_LENGTH + 1
        block = _BLOCK_SECONDS * SAMPLE_RATE // HOP_LENGTH
        context = -(-self.cqt.context_samples // HOP_LENGTH)
        out = np.zeros((88, n_frames), np.float32)
        for start in range(0, n_frames, block):
            first, end = max(0, start - context), min(n_frames, start + block)
            piece = audio[first * HOP_LENGTH : (end + context) * HOP_LENGTH]
            spectrum = self._spectrum(piece)[start - first : end - first]
            fitted = fit_activations(spectrum, self.templates.reshape(-1, N_BINS))  # (T, 88 * 4)
            out[:, start:end] = fitted.reshape(len(fitted), 88, -1).sum(axis=2).T
        return out


def fit_activations(spectrum: np.ndarray, templates: np.ndarray, *, iterations: int = ITERATIONS) -> np.ndarray:
    """Non-negative weights that make the templates add up to each frame, by KL-divergence updates.

    Args:
        spectrum: ``(T, F)`` non-negative.
        templates: ``(K, F)`` non-negative.
        iterations: multiplicative updates; the divergence never increases.

    Returns:
        ``(T, K)`` float32.
    """
    spectrum, templates = spectrum.astype(np.float32) + 1e-6, templates.astype(np.float32)
    weights = np.repeat(spectrum.mean(axis=1, keepdims=True), len(templates), axis=1)
    total = templates.sum(axis=1)
    for _ in range(iterations):
        weights *= (spectrum / (weights @ templates + 1e-7)) @ templates.T / total
    return weights


def pick_notes(activations: np.ndarray) -> Performance:
    """``(88, T)`` activations -> notes: starting where one rises, ending where it has decayed or rises again."""
    from scipy.ndimage import maximum_filter1d

    loud = np.percentile(activations.max(axis=0), 95)
    if not loud > SILENCE:
        return Performance(make_notes([], [], [], []))
    threshold = loud * 10.0 ** (ONSET_DB * POWER / 20)
    padded = np.pad(activations, ((0, 0), (RISE_FRAMES, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, RISE_FRAMES, axis=1)[:, :-1]
    rise = activations - windows.min(axis=2)
    is_peak = (rise == maximum_filter1d(rise, 5, axis=1)) & (rise > np.maximum(threshold, 0.3 * activations))
    rows = []
    for key in range(88):
        line, peaks = activations[key], np.flatnonzero(is_peak[key])
        for t, following in zip(peaks, np.append(peaks, len(line))[1:], strict=True):
            top = line[t : t + RISE_FRAMES].max()
            low = np.flatnonzero(line[t + 2 : following] < max(END_SHARE * top, 0.3 * threshold))
            end = t + 2 + low[0] if len(low) else following
            rows.append((_middle_of_rise(line, int(t)), end, key + LOWEST_PITCH, 20 / POWER * np.log10(top / loud)))
    onset, end, pitch, level_db = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    seconds = HOP_LENGTH / SAMPLE_RATE
    onset = np.maximum(onset * seconds + ONSET_LAG, 0.0)
    offset = np.maximum(end * seconds, onset + seconds)
    velocity = np.clip(np.rint(90 + 1.5 * level_db), 1, 127)
    return Performance(make_notes(onset, offset, pitch, velocity))


def _middle_of_rise(line: np.ndarray, peak: int) -> float:
    """The time, in frames, at which the rise that ends about ``peak`` is half done."""
    first = max(0, peak - RISE_FRAMES - 1)
    lowest = first + int(np.argmin(line[first : peak + 1]))
    half = (line[lowest] + line[peak : peak + 2].max()) / 2
    t = peak
    while t > lowest and line[t - 1] > half:
        t -= 1
    if t == 0 or not line[t - 1] < half <= line[t]:
        return float(t)
    return t - 1 + (half - line[t - 1]) / (line[t] - line[t - 1])

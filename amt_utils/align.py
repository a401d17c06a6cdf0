"""Offset and drift between a recording and its MIDI: found, corrected, shown.

A recorder and a digital piano are started by hand (an offset of seconds) and run on clocks of their own (a drift
of up to some tenths of a percent). Three steps:

1. *coarse*: stretches of the MIDI's chroma onsets are found in the recording's by cross-correlation; the line
   that most of them agree on wins, so that a repeated phrase found in the wrong place does no harm;
2. *fine*: in windows of ten seconds, onset strength in steps of 5 ms (rise of a log-mel spectrum, as
   ``librosa.onset.onset_strength``) against the MIDI's onsets, lag by the parabola through the peak; a robust
   line through all lags;
3. where no line fits (another take, an edited recording, an old tape): dynamic time warping of chroma
   (``librosa.sequence.dtw``; Müller, "Fundamentals of Music Processing", section 3.2), made finer as in 2.

The audio stays as it is: the MIDI is moved onto the audio's clock.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import AmtError
from .notes import Performance, make_notes, make_pedals

SAMPLE_RATE = 16_000
COARSE_HOP, FINE_HOP = 320, 80  # samples: 20 ms, 5 ms
FINE_STEP = FINE_HOP / SAMPLE_RATE
WINDOW_SECONDS = 10.0
MAX_DRIFT = 0.02
LATENCY = 0.0  # seconds by which the fine onset strength peaks after a hammer stroke by formula
WEAK = 0.25  # correlation below which a window says nothing
MAX_DTW_FRAMES = 4000  # squared, this is the memory of the time warping


@dataclass(frozen=True)
class Alignment:
    """Where each moment of the MIDI is in the recording.

    Attributes:
        midi_times, audio_times: ``(k,)`` seconds, both rising: knots of the piecewise linear map; two for a line.
        method: ``"linear"`` or ``"dtw"``.
        windows: ``(m, 3)``: middle of each measured window (s, MIDI time), lag found there after the correction (s),
            correlation.
        reliable: whether most windows agree with the map; if not, MIDI and recording are hardly the same music.
    """

    midi_times: np.ndarray
    audio_times: np.ndarray
    method: str
    windows: np.ndarray
    reliable: bool

    @property
    def drift(self) -> float:
        """How much longer the recording is than the MIDI: 0.002 is 0.2 %."""
        return float(np.polyfit(self.midi_times, self.audio_times, 1)[0] - 1)

    @property
    def offset(self) -> float:
        """Seconds into the recording at which the MIDI's time 0 lies."""
        return float(self.to_audio(0.0))

    @property
    def spread(self) -> float:
        """Typical (median) lag left in a window, in seconds."""
        used = self.windows[self.windows[:, 2] >= WEAK]
        return float(np.median(np.abs(used[:, 1]))) if len(used) else np.inf

    def to_audio(self, seconds) -> np.ndarray:
        """MIDI seconds -> seconds in the recording; beyond the first and last knot the map goes on straight."""
        x, y, t = self.midi_times, self.audio_times, np.asarray(seconds, dtype=np.float64)
        before = y[0] + (t - x[0]) * (y[1] - y[0]) / (x[1] - x[0])
        after = y[-1] + (t - x[-1]) * (y[-1] - y[-2]) / (x[-1] - x[-2])
        return np.where(t < x[0], before, np.where(t > x[-1], after, np.interp(t, x, y)))

    def apply(self, performance: Performance, *, duration: float = np.inf) -> Performance:
        """The performance on the recording's clock; notes that begin before 0 or after ``duration`` are dropped."""
        moved = []
        for events in (performance.notes.copy(), performance.pedals.copy()):
            for side in ("onset", "offset"):
                events[side] = np.round(self.to_audio(events[side]), 9)
            moved.append(events)
        notes, pedals = moved
        notes = notes[(notes["onset"] >= 0) & (notes["onset"] < duration)]
        pedals = pedals[(pedals["offset"] > 0) & (pedals["onset"] < duration)]
        return Performance(
            make_notes(*(notes[name] for name in notes.dtype.names)),
            make_pedals(np.maximum(pedals["onset"], 0), pedals["offset"], pedals["kind"]),
        )

    def describe(self) -> str:
        """One line for a report."""
        what = f"offset {self.offset:+.3f} s, drift {100 * self.drift:+.3f} %, {self.method}"
        return f"{what}, {1000 * self.spread:.0f} ms left in a typical window" + (
            "" if self.reliable else "; NOT RELIABLE: is this the MIDI of this recording?"
        )


def align(audio: np.ndarray, performance: Performance) -> Alignment:
    """Finds where the performance's notes sound in the recording.

    Args:
        audio: ``(n,)`` float32 at 16 kHz.
        performance: what its MIDI says; any tempo within 2 % of the recording's is a line, more is warped.

    Raises:
        AmtError: fewer than four notes, or a recording shorter than a second or silent.
    """
    if len(performance.notes) < 4:
        raise AmtError(f"cannot align {len(performance.notes)} notes; at least 4 are needed")
    if len(audio) < SAMPLE_RATE or not np.any(audio):
        raise AmtError(f"cannot align {len(audio) / SAMPLE_RATE:.2f} s of audio; it is too short or silent")
    strength = onset_strength(audio)
    sound, score = audio_chroma(audio), midi_chroma(performance)
    line = _find_line(_onsets(sound), _onsets(score))
    alignment = _refine(strength, performance, line, searches=(0.25, 0.08), linear=True)
    if alignment.reliable:
        return alignment
    warped = _refine(strength, performance, _warp(sound, score), searches=(0.4, 0.15, 0.06), linear=False)
    return warped if warped.reliable or warped.spread < alignment.spread else alignment


def onset_strength(audio: np.ndarray) -> np.ndarray:
    """``(n,)`` samples -> ``(T,)`` rise of the log-mel spectrum in steps of 5 ms, frame ``t`` at ``t * 0.005`` s."""
    import librosa

    block, n_fft = 1 << 20, 512
    mel = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=n_fft, n_mels=40, fmin=60)
    padded = np.pad(audio, n_fft // 2)
    bands = []
    for start in range(0, len(audio), block):  # a multiple of the hop: memory stays small
        piece = padded[start : start + block + n_fft - FINE_HOP]
        bands.append(mel @ np.abs(librosa.stft(piece, n_fft=n_fft, hop_length=FINE_HOP, center=False)))
    spectrum = np.concatenate(bands, axis=1)
    loud = np.percentile(spectrum.max(axis=0), 95) + 1e-9
    level = np.log1p(1000 * spectrum / loud)
    rise = np.zeros(level.shape[1])
    rise[1:-1] = np.maximum(level[:, 2:] - level[:, :-2], 0).mean(axis=0)
    return rise


def audio_chroma(audio: np.ndarray) -> np.ndarray:
    """``(n,)`` samples -> ``(12, T)`` energy per pitch class in steps of 20 ms, C first, compressed."""
    import torch

    from .hcqt import CQT, bin_frequencies

    cqt = CQT(bin_frequencies(352), sample_rate=SAMPLE_RATE, hop_length=COARSE_HOP)
    block, context = 60 * SAMPLE_RATE, -(-cqt.context_samples // COARSE_HOP) * COARSE_HOP
    parts = []
    for start in range(0, len(audio), block):
        first = max(0, start - context)
        with torch.inference_mode():
            piece = torch.from_numpy(np.ascontiguousarray(audio[first : start + block + context], np.float32))
            frames = cqt(piece[None])[0].numpy()  # (T, 352)
        begin = (start - first) // COARSE_HOP
        parts.append(frames[begin : begin + block // COARSE_HOP])
    keys = np.concatenate(parts).reshape(-1, 88, 4).max(axis=2) ** 0.5
    chroma = np.zeros((12, len(keys)))
    for key in range(88):
        chroma[(key + 21) % 12] += keys[:, key]
    return chroma


def midi_chroma(performance: Performance) -> np.ndarray:
    """Notes -> ``(12, T)``, the same picture as :func:`audio_chroma`: struck at the velocity, then decaying."""
    notes, step = performance.with_ends("sounding"), COARSE_HOP / SAMPLE_RATE
    chroma = np.zeros((12, int(np.ceil(notes["offset"].max() / step)) + 1))
    for onset, offset, pitch, velocity in notes:
        a, b = round(onset / step), max(round(offset / step), round(onset / step) + 1)
        chroma[pitch % 12, a:b] += velocity / 127 * np.exp(-np.arange(b - a) * step / 0.7)
    return chroma


def _onsets(chroma: np.ndarray) -> np.ndarray:
    """Rise over 40 ms, each frame's mean over the pitch classes taken away: a click in all of them says little."""
    rise = np.maximum(chroma[:, 2:] - chroma[:, :-2], 0)
    rise = np.pad(rise - rise.mean(axis=0), ((0, 0), (1, 1)))
    return rise / (np.linalg.norm(rise) + 1e-9)


def _find_line(sound: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Onset chroma of both -> two knots of the line that most stretches of the MIDI agree on."""
    from scipy.ndimage import gaussian_filter1d

    step = COARSE_HOP / SAMPLE_RATE
    sound, score = (gaussian_filter1d(x, 2.0, axis=1) for x in (sound, score))
    length = int(min(score.shape[1], 20.0 / step))
    n_stretches = int(np.clip(score.shape[1] // (length / 2), 1, 24))
    starts = np.linspace(0, score.shape[1] - length, n_stretches).astype(int)
    size = 1 << (sound.shape[1] + length - 1).bit_length()
    spectrum = np.fft.rfft(sound, size)
    found = []  # MIDI time, audio time, strength, which stretch
    for i, start in enumerate(starts):
        piece = np.conj(np.fft.rfft(score[:, start : start + length], size))
        match = np.fft.irfft(np.sum(spectrum * piece, axis=0), size)
        match = np.roll(match, length)[: sound.shape[1] + length]  # from `length` before the recording's start on
        for _ in range(4):
            best = int(np.argmax(match))
            middle = (start + length / 2) * step
            found.append((middle, middle + (best - length - start) * step, match[best], i))
            match[max(0, best - 12) : best + 13] = -np.inf
    midi, audio, strength, stretch = np.array(found).T
    strength /= strength.max()
    best_votes, best = -1.0, (midi[0], audio[0], 1.0)
    for i in range(len(midi)):
        slopes = [1.0]
        far = np.abs(midi - midi[i]) > 15
        slopes += [s for s in (audio[far] - audio[i]) / (midi[far] - midi[i]) if abs(s - 1) <= MAX_DRIFT]
        for slope in slopes:
            off = np.abs(audio - audio[i] - slope * (midi - midi[i]))
            votes = np.zeros(n_stretches)  # each stretch has one vote, and a nearer hit counts for more
            np.maximum.at(votes, stretch.astype(int), strength * np.maximum(0, 1 - off / 0.15))
            # of two lines with as many votes the less drifting is the likelier
            if votes.sum() - abs(slope - 1) > best_votes:
                best_votes, best = votes.sum() - abs(slope - 1), (midi[i], audio[i], slope)
    x, y, slope = best
    knots = np.array([0.0, score.shape[1] * step])
    return knots, y + slope * (knots - x)


def _warp(sound: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chroma of both -> knots of a monotone map, by dynamic time warping on as fine a grid as memory allows."""
    import librosa

    pool = int(np.ceil(max(sound.shape[1], score.shape[1]) / MAX_DTW_FRAMES))
    pool = max(pool, 2)
    features = []
    for chroma in (sound, score):
        both = np.concatenate([chroma / (chroma.max() + 1e-9), np.maximum(_onsets(chroma), 0) * 8])
        n = both.shape[1] // pool
        pooled = both[:, : n * pool].reshape(len(both), n, pool).mean(axis=2)
        features.append(pooled / (np.linalg.norm(pooled, axis=0) + 0.05))
    _, path = librosa.sequence.dtw(features[1], features[0], metric="euclidean")
    path = path[::-1].astype(np.float64) + 0.5  # (steps, 2): MIDI, audio
    seconds = path * pool * COARSE_HOP / SAMPLE_RATE
    grid = np.arange(seconds[0, 0], seconds[-1, 0], 1.0)
    return _rising(grid, np.interp(grid, *_mean_by_first(seconds)))


def _mean_by_first(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, which = np.unique(points[:, 0], return_inverse=True)
    return x, np.bincount(which, points[:, 1]) / np.bincount(which)


def _rising(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots whose ``y`` rises by at least a fifth of ``x``'s rise; the others are left out."""
    kept = [0]
    for i in range(1, len(x)):
        if y[i] - y[kept[-1]] >= 0.2 * (x[i] - x[kept[-1]]):
            kept.append(i)
    if len(kept) < 2:
        return x[[0, -1]], y[0] + x[[0, -1]] - x[0]
    return x[kept], y[kept]


def _refine(strength: np.ndarray, performance: Performance, knots, *, searches, linear: bool) -> Alignment:
    """Measures the lag in windows and bends the map, with a narrower search each time."""
    for i, search in enumerate(searches):
        seconds = WINDOW_SECONDS if linear else (6.0, 4.0, 4.0)[i]
        windows = _measure_lags(strength, performance, knots, search=search, seconds=seconds)
        used = windows[windows[:, 2] >= WEAK]
        if not len(used):
            break
        midi, audio = used[:, 0], _map(knots, used[:, 0]) + used[:, 1]
        knots = _robust_line(midi, audio, knots) if linear else _rising(midi, _map(knots, midi) + _smooth(used))
    windows = _measure_lags(strength, performance, knots, search=0.25, seconds=WINDOW_SECONDS)
    agree = (windows[:, 2] >= WEAK) & (np.abs(windows[:, 1]) <= 0.03)
    return Alignment(*knots, "linear" if linear else "dtw", windows, bool(agree.mean() >= 0.6))


def _map(knots, t: np.ndarray) -> np.ndarray:
    return Alignment(*knots, "", np.zeros((0, 3)), True).to_audio(t)


def _smooth(windows: np.ndarray) -> np.ndarray:
    """Lags, each replaced by the median of itself and its neighbours."""
    lag = np.pad(windows[:, 1], 1, mode="edge")
    return np.median(np.stack([lag[:-2], lag[1:-1], lag[2:]]), axis=0)


def _robust_line(x: np.ndarray, y: np.ndarray, knots) -> tuple[np.ndarray, np.ndarray]:
    """The line through most points (Theil-Sen, then weighted least squares of what lies near), as two knots."""
    ends = np.array([knots[0][0], knots[0][-1]])
    slope = np.diff(_map(knots, ends))[0] / np.diff(ends)[0]
    if np.ptp(x) > 2 * WINDOW_SECONDS:
        i, j = np.triu_indices(len(x), 1)
        far = x[j] - x[i] > np.ptp(x) / 4
        slope = np.median((y[j] - y[i])[far] / (x[j] - x[i])[far])
    shift = np.median(y - slope * x)
    for _ in range(10):
        residual = y - slope * x - shift
        scale = max(1.4826 * np.median(np.abs(residual)), 0.002)
        weight = np.maximum(0, 1 - (residual / (4 * scale)) ** 2) ** 2
        if np.ptp(x) > 2 * WINDOW_SECONDS:
            slope, shift = np.polyfit(x, y, 1, w=np.sqrt(weight))
        else:
            shift += np.average(residual, weights=weight)
    return ends, slope * ends + shift


def _measure_lags(strength: np.ndarray, performance: Performance, knots, *, search: float, seconds: float):
    """``(m, 3)``: MIDI time of each window's middle, lag in s (positive: the sound is later), correlation."""
    onset, weight = performance.notes["onset"], performance.notes["velocity"] / 64
    reach = int(np.ceil(search / FINE_STEP))
    margin = reach + int(seconds / FINE_STEP)
    at = _map(knots, onset)
    expected = _impulses(at / FINE_STEP + margin, weight, len(strength) + 2 * margin)
    heard = np.pad(strength, margin)
    rows = []
    for middle in np.arange(onset[0], onset[-1] + seconds / 2, seconds / 2):
        inside = (onset >= middle - seconds / 2) & (onset < middle + seconds / 2)
        a, b = np.rint((_map(knots, middle + np.array([-0.5, 0.5]) * seconds)) / FINE_STEP).astype(int) + margin
        if inside.sum() < 4 or a - reach < 0 or b + reach > len(heard):
            continue
        pattern, wide = expected[a:b], heard[a - reach : b + reach]
        pattern = pattern - pattern.mean()
        views = np.lib.stride_tricks.sliding_window_view(wide, b - a)  # (2 reach + 1, b - a)
        deviation = views.std(axis=1) * np.linalg.norm(pattern) * np.sqrt(b - a)
        match = views @ pattern / np.maximum(deviation, 1e-9)
        k = int(np.argmax(match))
        lag = float(k - reach)
        if 0 < k < 2 * reach:
            left, top, right = match[k - 1 : k + 2]
            lag += 0.5 * (left - right) / (left - 2 * top + right)
        elif reach:
            continue  # the peak lies outside the search
        rows.append((onset[inside].mean(), lag * FINE_STEP - LATENCY, match[k]))
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _impulses(position: np.ndarray, weight: np.ndarray, n: int) -> np.ndarray:
    """Weights at fractional positions -> ``(n,)``, spread over about 20 ms as the heard rise is."""
    from scipy.ndimage import gaussian_filter1d

    line = np.zeros(n + 1)
    whole = np.floor(position).astype(int)
    inside = (whole >= 0) & (whole < n)
    whole, part, weight = whole[inside], (position - np.floor(position))[inside], weight[inside]
    np.add.at(line, whole, weight * (1 - part))
    np.add.at(line, whole + 1, weight * part)
    return gaussian_filter1d(line[:n], 1.6)

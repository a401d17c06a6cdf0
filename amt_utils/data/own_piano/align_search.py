"""The search behind :mod:`.align`: features, a line, a warping, lags in windows.

A *map* is a pair of rising ``(k,)`` arrays, MIDI seconds and recording seconds: the knots of a piecewise linear
function. ``COARSE`` features are chroma in steps of 20 ms, the ``FINE`` one is onset strength in steps of 5 ms.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...audio.reading import SAMPLE_RATE
from ...audio.tuning import vertex
from ...music.notes import Performance

COARSE_HOP, FINE_HOP = 320, 80  # samples
COARSE_STEP, FINE_STEP = COARSE_HOP / SAMPLE_RATE, FINE_HOP / SAMPLE_RATE
FINE_BLOCK = 60 * SAMPLE_RATE  # samples, a multiple of the hop
MAX_DRIFT = 0.02  # of a line
LATENCY = -0.0065  # seconds: the fine onset strength peaks this much before the hammer of a synthetic tone
LONG_ENOUGH_FOR_DRIFT = 10.0  # seconds between measurements below which only the offset is fitted
MAX_WARP_FRAMES = 4000  # squared, this is the memory of the time warping

Map = tuple[np.ndarray, np.ndarray]


def follow_map(knots: Map, seconds) -> np.ndarray:
    """MIDI seconds -> recording seconds; beyond the outer knots with the map's mean slope."""
    x, y = knots
    t = np.asarray(seconds, dtype=np.float64)
    slope = (y[-1] - y[0]) / (x[-1] - x[0])
    outside = np.where(t < x[0], y[0] + (t - x[0]) * slope, y[-1] + (t - x[-1]) * slope)
    return np.where((t < x[0]) | (t > x[-1]), outside, np.interp(t, x, y))


def onset_strength(audio: np.ndarray) -> np.ndarray:
    """``(n,)`` samples -> ``(T,)`` rise of the log-mel spectrum in steps of 5 ms, frame ``t`` at ``t * 0.005`` s."""
    import librosa

    mel = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=512, n_mels=40, fmin=60)
    spectrum = np.concatenate([mel @ piece for piece in fine_spectra(audio, 512)], axis=1)
    loud = np.percentile(spectrum.max(axis=0), 95) + 1e-9
    level = np.log1p(1000 * spectrum / loud)
    rise = np.zeros(level.shape[1])
    rise[1:-1] = np.maximum(level[:, 2:] - level[:, :-2], 0).mean(axis=0)
    return rise


def fine_spectra(audio: np.ndarray, n_fft: int) -> Iterator[np.ndarray]:
    """Consecutive pieces ``(n_fft // 2 + 1, t)`` of the magnitude spectrogram in steps of 5 ms, block by block."""
    import librosa

    padded = np.pad(audio, n_fft // 2)
    for start in range(0, len(audio), FINE_BLOCK):
        piece = padded[start : start + FINE_BLOCK + n_fft - FINE_HOP]
        yield np.abs(librosa.stft(piece, n_fft=n_fft, hop_length=FINE_HOP, center=False))


def audio_chroma(audio: np.ndarray) -> np.ndarray:
    """``(n,)`` samples -> ``(12, T)`` energy per pitch class in steps of 20 ms, C first, compressed."""
    import torch

    from ...audio.features import CQT, bin_frequencies

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
    """Notes -> ``(12, T)``, comparable to :func:`audio_chroma`: the velocity at the onset, then a decay."""
    notes, step = performance.with_ends("sounding"), COARSE_STEP
    chroma = np.zeros((12, int(np.ceil(notes["offset"].max() / step)) + 1))
    for onset, offset, pitch, velocity in notes:
        a, b = round(onset / step), max(round(offset / step), round(onset / step) + 1)
        chroma[pitch % 12, a:b] += velocity / 127 * np.exp(-np.arange(b - a) * step / 0.7)
    return chroma


def chroma_rise(chroma: np.ndarray) -> np.ndarray:
    """Rise over 40 ms, minus each frame's mean over the pitch classes, which suppresses clicks."""
    rise = np.maximum(chroma[:, 2:] - chroma[:, :-2], 0)
    rise = np.pad(rise - rise.mean(axis=0), ((0, 0), (1, 1)))
    return rise / (np.linalg.norm(rise) + 1e-9)


def find_line(sound: np.ndarray, score: np.ndarray) -> Map:
    """Onset chroma of both -> two knots of the line that most stretches of the MIDI agree on."""
    from scipy.ndimage import gaussian_filter1d

    step = COARSE_STEP
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
            peak = int(np.argmax(match))
            middle = (start + length / 2) * step
            found.append((middle, middle + (peak - length - start) * step, match[peak], i))
            match[max(0, peak - 12) : peak + 13] = -np.inf
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
            # of two lines with as many votes the one with less drift is taken
            if votes.sum() - abs(slope - 1) > best_votes:
                best_votes, best = votes.sum() - abs(slope - 1), (midi[i], audio[i], slope)
    x, y, slope = best
    knots = np.array([0.0, score.shape[1] * step])
    return knots, y + slope * (knots - x)


def find_warp(sound: np.ndarray, score: np.ndarray) -> Map:
    """Chroma of both -> knots of a monotone map, by dynamic time warping on as fine a grid as memory allows."""
    import librosa

    pool = int(np.ceil(max(sound.shape[1], score.shape[1]) / MAX_WARP_FRAMES))
    pool = max(pool, 2)
    features = []
    for chroma in (sound, score):
        onset_weight = 0.6 * np.sqrt(chroma.shape[1])  # attacks count more than decays
        both = np.concatenate([chroma / (chroma.max() + 1e-9), np.maximum(chroma_rise(chroma), 0) * onset_weight])
        n = both.shape[1] // pool
        pooled = both[:, : n * pool].reshape(len(both), n, pool).mean(axis=2)
        features.append(pooled / (np.linalg.norm(pooled, axis=0) + 0.05))
    _, path = librosa.sequence.dtw(features[1], features[0], metric="euclidean")
    path = path[::-1].astype(np.float64) + 0.5  # (steps, 2): MIDI, audio
    seconds = path * pool * COARSE_STEP
    midi, audio = _mean_by_first(seconds)
    grid = np.arange(midi[0], midi[-1], 0.5)
    return keep_rising(grid, fit_local_lines(midi, audio, np.ones(len(midi)), grid, width=0.5))


def _mean_by_first(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, which = np.unique(points[:, 0], return_inverse=True)
    return x, np.bincount(which, points[:, 1]) / np.bincount(which)


def fit_local_lines(x: np.ndarray, y: np.ndarray, weight: np.ndarray, at: np.ndarray, *, width: float) -> np.ndarray:
    """``y`` smoothed at the places ``at``: at each, a line through the points under a Gaussian of that width."""
    out = np.empty(len(at))
    for i, middle in enumerate(at):
        w = weight * np.exp(-0.5 * ((x - middle) / width) ** 2) + 1e-9 * np.exp(-np.abs(x - middle))
        mean_x, mean_y = np.average(x, weights=w), np.average(y, weights=w)
        spread = np.average((x - mean_x) ** 2, weights=w)
        slope = np.average((x - mean_x) * (y - mean_y), weights=w) / spread if spread > 1e-9 else 1.0
        out[i] = mean_y + slope * (middle - mean_x)
    return out


def keep_rising(x: np.ndarray, y: np.ndarray) -> Map:
    """Knots whose ``y`` rises by at least a fifth of ``x``'s rise; the others are left out."""
    kept = [0]
    for i in range(1, len(x)):
        if y[i] - y[kept[-1]] >= 0.2 * (x[i] - x[kept[-1]]):
            kept.append(i)
    if len(kept) < 2:
        return x[[0, -1]], y[0] + x[[0, -1]] - x[0]
    return x[kept], y[kept]


def fit_robust_line(x: np.ndarray, y: np.ndarray, knots: Map) -> Map:
    """The line through most points (Theil-Sen, then weighted least squares of what lies near), as two knots."""
    ends = np.array([knots[0][0], knots[0][-1]])
    slope = np.diff(follow_map(knots, ends))[0] / np.diff(ends)[0]
    if np.ptp(x) > LONG_ENOUGH_FOR_DRIFT:
        i, j = np.triu_indices(len(x), 1)
        far = x[j] - x[i] > np.ptp(x) / 4
        slope = np.median((y[j] - y[i])[far] / (x[j] - x[i])[far])
    shift = np.median(y - slope * x)
    for _ in range(10):
        residual = y - slope * x - shift
        scale = max(1.4826 * np.median(np.abs(residual)), 0.002)
        weight = np.maximum(0, 1 - (residual / (4 * scale)) ** 2) ** 2
        if np.ptp(x) > LONG_ENOUGH_FOR_DRIFT:
            slope, shift = np.polyfit(x, y, 1, w=np.sqrt(weight))
        else:
            shift += np.average(residual, weights=weight)
    return ends, slope * ends + shift


def measure_lags(strength: np.ndarray, performance: Performance, knots, *, search: float, seconds: float):
    """``(m, 3)``: MIDI time of each window's middle, lag in s (positive: the sound is later), correlation."""
    onset, weight = performance.notes["onset"], performance.notes["velocity"] / 64
    reach = int(np.ceil(search / FINE_STEP))
    margin = reach + int(seconds / FINE_STEP)
    at = follow_map(knots, onset)
    expected = _impulses(at / FINE_STEP + margin, weight, len(strength) + 2 * margin)
    padded = np.pad(strength, margin)
    rows = []
    for middle in np.arange(onset[0], onset[-1] + seconds / 2, seconds / 2):
        inside = (onset >= middle - seconds / 2) & (onset < middle + seconds / 2)
        a, b = np.rint((follow_map(knots, middle + np.array([-0.5, 0.5]) * seconds)) / FINE_STEP).astype(int) + margin
        if inside.sum() < 4 or b - a < 20 or a < margin or b > margin + len(strength):
            continue
        pattern, wide = expected[a:b], padded[a - reach : b + reach]
        pattern = pattern - pattern.mean()
        views = np.lib.stride_tricks.sliding_window_view(wide, b - a)  # (2 reach + 1, b - a)
        deviation = views.std(axis=1) * np.linalg.norm(pattern) * np.sqrt(b - a)
        match = views @ pattern / np.maximum(deviation, 1e-9)
        k = int(np.argmax(match))
        if not 0 < k < 2 * reach:  # the peak lies outside the search: nothing found
            rows.append((onset[inside].mean(), 0.0, 0.0))
            continue
        left, top, right = match[k - 1 : k + 2]
        lag = k - reach + float(vertex(left, top, right))
        rows.append((onset[inside].mean(), lag * FINE_STEP - LATENCY, top))
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _impulses(position: np.ndarray, weight: np.ndarray, n: int) -> np.ndarray:
    """Weights at fractional positions -> ``(n,)``, spread over about 20 ms as an attack is."""
    from scipy.ndimage import gaussian_filter1d

    line = np.zeros(n + 1)
    whole = np.floor(position).astype(int)
    inside = (whole >= 0) & (whole < n)
    whole, part, weight = whole[inside], (position - np.floor(position))[inside], weight[inside]
    np.add.at(line, whole, weight * (1 - part))
    np.add.at(line, whole + 1, weight * part)
    return gaussian_filter1d(line[:n], 1.6)

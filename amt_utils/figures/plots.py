"""Pictures of notes, sound and labels. Every function draws on ``ax`` (or a new one) and returns it.

Colours are Okabe and Ito's, safe for colour-blind readers, and never the only sign: shapes and positions differ too.
Nothing here calls ``plt.show()``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..config import FeatureConfig
from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH, PEDAL, PEDAL_NAMES

ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE, BLACK = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000",
)  # fmt: skip
SPLIT_COLOURS = {"train": BLUE, "validation": ORANGE, "test": GREEN}
PEDAL_COLOURS = (VERMILION, BLUE, GREEN)
_PITCH_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")


def pitch_name(pitch: int) -> str:
    """``60`` -> ``"C4"``."""
    return f"{_PITCH_NAMES[pitch % 12]}{pitch // 12 - 1}"


def new_axes(ax=None, *, size: tuple[float, float] = (10, 3.2)):
    """``ax`` itself, or the axes of a new figure of ``size`` inches; without the top and right spines."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_roll(
    notes: np.ndarray,
    *,
    pedals: np.ndarray | None = None,
    start: float = 0.0,
    end: float | None = None,
    ax=None,
):
    """A piano roll: one bar per note, darker for higher velocities; pedals as stripes below.

    Args:
        notes: ``(n,)`` notes; onsets and offsets are drawn as they are (key or sounding ends).
        pedals: ``(m,)`` pedal events.
        start, end: seconds to show.
    """
    from matplotlib.collections import PolyCollection

    ax = new_axes(ax)
    end = float(notes["offset"].max()) if end is None and len(notes) else (end or start + 1.0)
    seen = notes[(notes["offset"] > start) & (notes["onset"] < end)]
    edges = "black" if end - start < 60 else "face"  # outlines would hide narrow bars
    bars = PolyCollection(list(_boxes(seen, 0.42)), cmap="cividis_r", edgecolors=edges, linewidths=0.3)
    bars.set_array(seen["velocity"].astype(float))
    bars.set_clim(1, 127)
    ax.add_collection(bars)
    low, high = (int(seen["pitch"].min()), int(seen["pitch"].max())) if len(seen) else (LOWEST_PITCH, HIGHEST_PITCH)
    low, high = low - 2, high + 2
    pedals = np.zeros(0, PEDAL) if pedals is None else pedals
    for row, kind in enumerate(np.unique(pedals["kind"])):
        own = pedals[(pedals["kind"] == kind) & (pedals["offset"] > start) & (pedals["onset"] < end)]
        spans = np.stack([own["onset"], own["offset"] - own["onset"]], axis=1)
        height = 0.04 * (high - low)
        y = low - (row + 1) * 1.6 * height
        ax.broken_barh(spans, (y, height), color=PEDAL_COLOURS[kind], hatch=("", "//", "..")[kind], edgecolor="white")
        ax.text(end, y + height / 2, " " + PEDAL_NAMES[kind], va="center", fontsize=8, color=PEDAL_COLOURS[kind])
    rows = len(np.unique(pedals["kind"]))
    ax.set_ylim(low - (rows + 0.7) * 1.6 * 0.04 * (high - low) if rows else low, high)
    ax.set_xlim(start, end)
    _label_pitches(ax, low, high)
    ax.set_xlabel("time (s)")
    ax.figure.colorbar(bars, ax=ax, label="velocity", pad=0.09 if rows else 0.02, aspect=18)
    return ax


def _boxes(notes: np.ndarray, half_height: float) -> np.ndarray:
    """``(n, 4, 2)`` corners."""
    left, right, y = notes["onset"], notes["offset"], notes["pitch"].astype(float)
    bottom, top = y - half_height, y + half_height
    return np.stack([np.stack(c, -1) for c in ((left, bottom), (left, top), (right, top), (right, bottom))], axis=1)


def _label_pitches(ax, low: float, high: float) -> None:
    step = 12 if high - low > 30 else 4 if high - low > 12 else 1
    ticks = [p for p in range(int(np.ceil(low)), int(high) + 1) if p % step == 0 and LOWEST_PITCH <= p <= HIGHEST_PITCH]
    ax.set_yticks(ticks, [pitch_name(p) for p in ticks])


def plot_waveform(audio: np.ndarray, *, sample_rate: int = FeatureConfig().sample_rate, start: float = 0.0, ax=None):
    """``(n,)`` samples over seconds; long excerpts as the envelope between the extremes of each pixel."""
    ax = new_axes(ax, size=(10, 1.8))
    if len(audio) > 8_000:
        step = len(audio) // 2_000
        blocks = audio[: len(audio) // step * step].reshape(-1, step)
        times = start + np.arange(len(blocks)) * step / sample_rate
        ax.fill_between(times, blocks.min(axis=1), blocks.max(axis=1), color=BLUE, linewidth=0)
    else:
        ax.plot(start + np.arange(len(audio)) / sample_rate, audio, color=BLUE, linewidth=0.8)
    ax.set(xlim=(start, start + len(audio) / sample_rate), xlabel="time (s)", ylabel="amplitude")
    return ax


def plot_spectrogram(
    values: np.ndarray,
    *,
    frame_seconds: float,
    start: float = 0.0,
    lowest_pitch: float | None = None,
    bins_per_key: int = 4,
    frequencies: np.ndarray | None = None,
    limits: tuple[float, float] | None = None,
    ax=None,
):
    """``(T, bins)`` values as an image over time.

    Args:
        frame_seconds: from one frame's centre to the next.
        start: time of the first frame's centre.
        lowest_pitch: of a spectrogram in pitch: the key (MIDI, may be fractional) on which the first
            ``bins_per_key`` bins are centred; the axis then counts keys, as :func:`overlay_notes` expects.
        frequencies: of any other: ``(bins,)`` centre frequencies in Hz, for the axis' labels.
        limits: values drawn black and white; the 2nd and 99.8th percentile when ``None``.
    """
    ax = new_axes(ax)
    values = np.asarray(values, dtype=np.float32)
    if lowest_pitch is not None:
        bottom = lowest_pitch - 0.5
        top = bottom + values.shape[1] / bins_per_key
    else:
        bottom, top = -0.5, values.shape[1] - 0.5
    low, high = limits or np.quantile(values, [0.02, 0.998])
    half = frame_seconds / 2
    extent = (start - half, start + len(values) * frame_seconds - half, bottom, top)
    ax.imshow(
        values.T, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=low, vmax=high, interpolation="none"
    )
    if lowest_pitch is not None:
        _label_pitches(ax, bottom, top)
    elif frequencies is not None:
        _label_hertz(ax, np.asarray(frequencies))
    ax.set_xlabel("time (s)")
    return ax


def _label_hertz(ax, frequencies: np.ndarray) -> None:
    inside = [h for h in (50, 100, 200, 500, 1000, 2000, 4000, 7000) if frequencies[0] <= h <= frequencies[-1]]
    evenly = np.allclose(np.diff(frequencies), frequencies[1] - frequencies[0])
    marks = np.array(range(0, int(frequencies[-1]) + 1, 1000) if evenly else inside)
    ticks = np.interp(marks, frequencies, np.arange(len(frequencies)))
    apart = np.diff(ticks, prepend=-np.inf) > len(frequencies) / 25  # labels that would overlap are left out
    labels = [f"{h / 1000:g} kHz" if h >= 1000 else f"{h} Hz" for h in marks[apart]]
    ax.set_yticks(ticks[apart], labels)


def overlay_notes(notes: np.ndarray, *, ax, harmonic: float = 1.0, colour: str = SKY):
    """Notes on a spectrogram in pitch: a triangle where each begins, a bar where it ends, a line between.

    Args:
        harmonic: draws them where this multiple of their fundamental lies.
    """
    y = notes["pitch"] + 12 * np.log2(harmonic)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    ax.hlines(y, notes["onset"], notes["offset"], color=colour, linewidth=1.2)
    ax.plot(notes["offset"], y, "|", color=colour, markersize=7, markeredgewidth=1.4)
    ax.plot(notes["onset"], y, ">", color=colour, markersize=5.5, markeredgecolor="white", markeredgewidth=0.6)
    ax.set(xlim=(left, right), ylim=(bottom, top))
    return ax


def overlay_labels(rolls: dict[str, np.ndarray], *, frame_seconds: float, start: float = 0.0, ax):
    """Label rolls ``(T, 88)`` on a spectrogram in pitch: frames as outlines, onsets and offsets as filled cells.

    Soft labels show as cells that fade in and out; grid labels as single cells.
    """
    from matplotlib.colors import to_rgba

    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    half = frame_seconds / 2
    for name, colour in (("offset", ORANGE), ("onset", SKY)):  # a key struck again is both: the onset on top
        roll = np.asarray(rolls[name], dtype=np.float32)
        picture = np.zeros((*roll.T.shape, 4), np.float32)
        picture[...] = to_rgba(colour)
        picture[..., 3] = np.clip(roll.T, 0, 1) * 0.95
        extent = (start - half, start + len(roll) * frame_seconds - half, LOWEST_PITCH - 0.5, HIGHEST_PITCH + 0.5)
        ax.imshow(picture, origin="lower", aspect="auto", extent=extent, interpolation="none", zorder=3)
    frame = np.pad((np.asarray(rolls["frame"]) > 0.5).astype(np.int8), ((1, 1), (0, 0)))
    for key in np.flatnonzero(frame.any(axis=0)):
        edges = np.flatnonzero(np.diff(frame[:, key]))
        for begin, end in edges.reshape(-1, 2):
            box = [start + begin * frame_seconds - half, start + end * frame_seconds - half]
            pitch = LOWEST_PITCH + key
            ax.plot(
                [box[0], box[1], box[1], box[0], box[0]],
                np.array([-0.5, -0.5, 0.5, 0.5, -0.5]) + pitch,
                color="white", linewidth=0.7, zorder=4,
            )  # fmt: skip
    ax.set(xlim=(left, right), ylim=(bottom, top))
    _note_key(ax, (("onset", SKY, "s"), ("offset", ORANGE, "s"), ("frame", "white", "s")))
    return ax


def _note_key(ax, entries: Sequence[tuple[str, str, str]]) -> None:
    handles = [
        ax.plot([], [], marker, color="none", markerfacecolor="none" if c == "white" else c,
                markeredgecolor="grey" if c == "white" else c, label=name)[0]
        for name, c, marker in entries
    ]  # fmt: skip
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(entries), frameon=False, fontsize=8)

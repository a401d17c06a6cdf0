"""Figures of notebook 05, from the tables of :mod:`amt_utils.evaluation.mistakes`. All return the axes they drew on.

Systems differ by colour, marker and line style or hatch; fates likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..audio.reading import load_audio
from ..config import FeatureConfig
from ..data.library import Recording
from ..evaluation.metrics import score_performance
from ..evaluation.mistakes import SystemTranscription, sweep_thresholds
from ..music.notes import PEDAL_NAMES
from ..transcription.transcriber import Transcriber
from ..widget.piano_roll import PianoRoll
from .plots import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, new_axes, pitch_name

RATE = FeatureConfig().sample_rate
_LOOKS = ((BLUE, "o", "-", ""), (ORANGE, "s", "--", "///"), (GREEN, "^", ":", "..."), (PURPLE, "D", "-.", "xx"))
_MEASURES = {
    "note": "note_f1",
    "+offset": "note_offset_f1",
    "+offset\n+velocity": "note_offset_velocity_f1",
    "frame": "frame_f1",
    "pedal": "pedal_sustain_f1",
}
THRESHOLDS = tuple(np.arange(0.05, 1.0, 0.1))
CAUSES = {
    "missed": ("timing", "octave", "repeat", "soft", "buried", "other"),
    "extra": ("timing", "octave", "repeat", "ghost"),
}


def _look(number: int) -> tuple[str, str, str, str]:
    return _LOOKS[number % len(_LOOKS)]


def _several(columns: int, size: tuple[float, float], **options: Any) -> np.ndarray:
    _, axes = plt.subplots(1, columns, figsize=size, layout="constrained", squeeze=False, **options)
    for ax in axes[0]:
        new_axes(ax)
    return axes[0]


def plot_systems(scores: pd.DataFrame, *, ax=None):
    """Mean F1 of each system as bars, each recording as a dot."""
    ax = new_axes(ax, size=(9, 3.6))
    systems = list(dict.fromkeys(scores.system))
    width = 0.8 / len(systems)
    for i, system in enumerate(systems):
        colour, marker, _, hatch = _look(i)
        own = scores[scores.system == system]
        x = np.arange(len(_MEASURES)) + (i - (len(systems) - 1) / 2) * width
        means = [own[m].mean() if m in own else np.nan for m in _MEASURES.values()]
        ax.bar(x, means, 0.92 * width, color=colour, hatch=hatch, edgecolor="white", alpha=0.85, label=system)
        for place, mean in zip(x, means, strict=True):
            word = f"{mean:.0f}" if np.isfinite(mean) else "–"
            ax.text(place, 3, word, ha="center", fontsize=8, bbox={"facecolor": "white", "pad": 1, "linewidth": 0})
        for place, measure in zip(x, _MEASURES.values(), strict=True):
            if measure in own:
                ax.plot(np.full(len(own), place), own[measure], marker, color="black", alpha=0.45, markersize=3)
    ax.set_xticks(np.arange(len(_MEASURES)), list(_MEASURES))
    ax.set(ylim=(0, 102), ylabel="F1 in %")
    ax.legend(frameon=False, ncols=len(systems), loc="lower left", bbox_to_anchor=(0, 1))
    return ax


def plot_thresholds(
    transcriber: Transcriber, recordings: Sequence[Recording], thresholds: Sequence[float] = THRESHOLDS
) -> Sequence[Axes]:
    """Precision, recall and F1 over the onset threshold, and precision against recall; two Axes.

    Each recording passes the network once; a vertical line marks the transcriber's own threshold.
    """
    sweep, chosen = sweep_thresholds(transcriber, recordings, thresholds), transcriber.config.decode.onset_threshold
    left, right = _several(2, (11, 3.6))
    for i, name in enumerate(("precision", "recall", "f1")):
        colour, marker, line, _ = _look(i)
        label = "F1" if name == "f1" else name
        left.plot(sweep.index, sweep[name], line, marker=marker, color=colour, markersize=4, label=label)
    right.plot(sweep.recall, sweep.precision, "-o", color=BLUE, markersize=4)
    for threshold in sweep.index[:: max(1, len(sweep) // 6)]:
        point = sweep.loc[threshold]
        right.annotate(
            f"{threshold:.2f}", (point.recall, point.precision), (4, 5), textcoords="offset points", fontsize=8
        )
    left.axvline(chosen, color="grey", linewidth=1)
    left.text(chosen, 1, " in use", fontsize=8, color="grey", va="bottom")
    left.set(xlabel="onset threshold", ylabel="%", ylim=(0, 101))
    right.set(xlabel="recall in %", ylabel="precision in %")
    left.legend(frameon=False)
    return left, right


def plot_causes(errors: pd.DataFrame):
    """Missed and extra notes per hundred notes played, by cause. ``(2,)`` axes, one bar per system."""
    axes = _several(2, (11, 3.4), sharex=True)
    systems = list(dict.fromkeys(errors.system))
    height = 0.8 / len(systems)
    for ax, (fate, causes) in zip(axes, CAUSES.items(), strict=True):
        for i, system in enumerate(systems):
            own = errors[errors.system == system]
            played = max(1, int((own.fate != "extra").sum()))
            share = [100 * ((own.fate == fate) & (own.cause == cause)).sum() / played for cause in causes]
            colour, _, _, hatch = _look(i)
            y = np.arange(len(causes)) + (i - (len(systems) - 1) / 2) * height
            bars = ax.barh(y, share, 0.92 * height, color=colour, hatch=hatch, edgecolor="white", label=system)
            ax.bar_label(bars, [f"{v:.1f}" for v in share], fontsize=8, padding=2)
        ax.set_yticks(np.arange(len(causes)), causes)
        ax.invert_yaxis()
        ax.set_title(f"{fate} notes", loc="left", fontsize=10)
        ax.set_xlabel("per 100 notes played")
    axes[1].legend(frameon=False, loc="lower right")
    return axes


def plot_recall_by(errors: pd.DataFrame):
    """Share of played notes that were found, over pitch, velocity, density and duration. ``(4,)`` axes."""
    axes = _several(4, (15, 3.2), sharey=True)
    bins = {
        "pitch": np.arange(21, 118, 12),
        "velocity": np.arange(0, 129, 16),
        "density": np.array([0, 2, 4, 6, 9, 13, 20, 100]),
        "duration": np.array([0, 0.1, 0.2, 0.4, 0.8, 1.6, 60.0]),
    }
    labels = {"density": "other onsets within 0.5 s", "duration": "sounding duration in s", "pitch": "key"}
    played = errors[errors.fate != "extra"]
    for ax, (column, edges) in zip(axes, bins.items(), strict=True):
        names = [pitch_name(int(e)) if column == "pitch" else f"{e:g}" for e in edges[:-1]]
        for i, (system, own) in enumerate(played.groupby("system", sort=False)):
            which = np.digitize(own[column], edges) - 1
            count = np.bincount(which.clip(0, len(edges) - 2), minlength=len(edges) - 1)
            found = np.bincount(which.clip(0, len(edges) - 2), own.fate == "hit", minlength=len(edges) - 1)
            recall = np.where(count >= 5, 100 * found / np.maximum(count, 1), np.nan)  # too few notes
            colour, marker, line, _ = _look(i)
            ax.plot(np.arange(len(names)), recall, line, marker=marker, color=colour, markersize=5, label=system)
        ax.set_xticks(np.arange(len(names)), names)
        ax.set(ylim=(0, 102), xlabel=f"{labels.get(column, column)}, from")
    axes[0].set_ylabel("notes found in %")
    axes[0].legend(frameon=False, loc="lower right")
    return axes


def plot_timing(errors: pd.DataFrame, *, ax=None):
    """How much later than the reference the found notes begin."""
    ax = new_axes(ax, size=(8, 3))
    edges = np.arange(-50, 51, 2.5)
    for i, (system, own) in enumerate(errors[errors.fate == "hit"].groupby("system", sort=False)):
        late = 1000 * own.late
        colour, _, line, _ = _look(i)
        label = (
            f"{system}: median {late.median():+.0f} ms, middle half {late.quantile(0.75) - late.quantile(0.25):.0f} ms"
        )
        weights = np.full(len(late), 100 / max(1, len(late)))
        ax.hist(late, edges, weights=weights, histtype="step", color=colour, linestyle=line, linewidth=1.6, label=label)
    ax.axvline(0, color="grey", linewidth=0.8)
    ax.set(xlabel="onset later than the reference (ms)", ylabel="% of found notes")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    return ax


def plot_velocity(errors: pd.DataFrame):
    """Velocity transcribed against velocity played, every found note; one axes per system."""
    hits = errors[errors.fate == "hit"]
    systems = list(dict.fromkeys(hits.system))
    axes = _several(len(systems), (4.2 * len(systems), 3.8), sharey=True)
    for ax, system in zip(axes, systems, strict=True):
        own = hits[hits.system == system]
        ax.plot([1, 127], [1, 127], color="grey", linewidth=0.8)
        estimated = own.estimated_velocity
        ax.plot(own.velocity, estimated, ".", color=BLUE, alpha=min(0.5, 60 / len(own) ** 0.7), markersize=4)
        middle = own.groupby(own.velocity // 8 * 8 + 4).estimated_velocity.agg(["median", "size"]).query("size >= 5")
        ax.plot(middle.index, middle["median"], "-D", color=VERMILION, markersize=4, label="median")
        related = own.estimated_velocity.std() > 0 and own.velocity.std() > 0
        r = own.velocity.corr(own.estimated_velocity) if related else np.nan
        ax.set_title(f"{system}, r = {r:.2f}" if related else f"{system}: tells no velocities", loc="left", fontsize=10)
        ax.set(xlim=(0, 128), ylim=(0, 128), xlabel="velocity played")
    axes[0].set_ylabel("velocity transcribed")
    axes[0].legend(frameon=False)
    return axes


def plot_pedal(one: SystemTranscription, *, start: float = 0.0, seconds: float = 30.0, ax=None):
    """The sustain pedal as played and as transcribed, one stripe each; the title gives the F1 of its presses."""
    ax = new_axes(ax, size=(10, 1.6))
    rows = (("played", one.recording.performance, BLUE, ""), ("transcribed", one.estimate, ORANGE, "///"))
    for y, (_, performance, colour, hatch) in enumerate(rows):
        own = performance.pedals[performance.pedals["kind"] == 0]
        spans = np.stack([own["onset"], own["offset"] - own["onset"]], axis=1)
        ax.broken_barh(spans, (y - 0.35, 0.7), color=colour, hatch=hatch, edgecolor="white")
    metrics = score_performance(one.recording.performance, one.estimate)
    found = metrics.get("pedal_sustain_f1")
    ax.set_yticks([0, 1], [row[0] for row in rows])
    ax.set(xlim=(start, start + seconds), ylim=(1.6, -0.6), xlabel="time (s)")
    word = "the reference has no pedal" if found is None else f"presses found: F1 {100 * found:.0f} %"
    ax.set_title(f"{PEDAL_NAMES[0]} pedal, {one.system}, {word}", loc="left", fontsize=10)
    return ax


def plot_errors(one: SystemTranscription, errors: pd.DataFrame, start: float, *, seconds: float = 10.0, ax=None):
    """An excerpt as a roll: found notes filled, missed ones hollow, extra ones crossed."""
    ax = new_axes(ax, size=(12, 4.2))
    own = errors[(errors.system == one.system) & (errors.recording == one.recording.name)]
    own = own[(own.onset < start + seconds) & (own.onset + own.duration > start)]
    looks: dict[str, dict[str, Any]] = {
        "hit": {"color": SKY, "edgecolor": SKY},
        "missed": {"facecolor": "none", "edgecolor": VERMILION, "linewidth": 1.4},
        "extra": {"facecolor": "none", "edgecolor": "black", "hatch": "xxxx", "linewidth": 0.8},
    }
    for fate, style in looks.items():
        some = own[own.fate == fate]
        ax.barh(
            some.pitch,
            some.duration.clip(upper=3.0),
            left=some.onset,
            height=0.8,
            label=f"{fate} ({len(some)})",
            **style,
        )
    if len(own):
        low, high = int(own.pitch.min()), int(own.pitch.max())
        ticks = [p for p in range(low, high + 1) if p % 12 == 0]
        ax.set_yticks(ticks, [pitch_name(p) for p in ticks])
        ax.set_ylim(low - 2, high + 2)
    ax.set(xlim=(start, start + seconds), xlabel="time (s)")
    ax.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return ax


def show_errors(one: SystemTranscription, start: float, *, seconds: float = 10.0):
    """The listening widget for an excerpt: recording, transcription over reference, errors marked."""
    audio = load_audio(one.recording.audio, sample_rate=RATE, start=start, duration=seconds)
    end = start + len(audio) / RATE
    title = f"{one.recording.name}, {start:.0f} to {end:.0f} s, {one.system}"
    return PianoRoll(
        one.estimate.window(start, end), audio, reference=one.recording.performance.window(start, end), title=title
    )

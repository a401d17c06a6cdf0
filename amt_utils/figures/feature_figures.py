"""Time-frequency pictures (notebook 02): an excerpt as waveform, STFT, mel, CQT and HCQT, with its notes over it.

Every function takes an :class:`~.excerpts.Excerpt` and returns the axes it drew on. :func:`explore` puts them
behind sliders.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import ipywidgets
import librosa
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Audio, display
from matplotlib.axes import Axes

from ..audio.reading import audio_duration
from ..config import FeatureConfig
from ..data.library import Recording
from ..music.notes import LOWEST_PITCH
from .excerpts import Excerpt, load_excerpt
from .plots import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    new_axes,
    overlay_notes,
    pitch_name,
    plot_spectrogram,
    plot_waveform,
)

SHOWN = 0.5  # of the feature's range, 50 dB, below the loudest of an excerpt


def plot_views(excerpt: Excerpt):
    """Waveform, STFT, mel and CQT of the same seconds, one above the other; the CQT with its notes. ``(4,)`` axes."""
    rows = {"height_ratios": (1, 2, 2, 3)}
    _, axes = plt.subplots(4, 1, figsize=(10, 10), sharex=True, layout="constrained", gridspec_kw=rows)
    plot_waveform(excerpt.samples, sample_rate=excerpt.sample_rate, start=excerpt.start, ax=axes[0])
    spectrum, frequencies, frame = _stft(excerpt)
    plot_spectrogram(spectrum, frame_seconds=frame, start=excerpt.start, frequencies=frequencies, ax=axes[1])
    mel = FeatureConfig(kind="logmel")
    plot_spectrogram(
        excerpt.feature(mel)[0], frame_seconds=mel.frame_seconds, start=excerpt.start,
        frequencies=_mel_frequencies(mel), ax=axes[2],
    )  # fmt: skip
    plot_channel(excerpt, 1.0, ax=axes[3])
    for ax, title in zip(axes, ("waveform", "STFT: even in Hz", "mel: dense below", "CQT: even in keys, with notes")):
        ax.set_title(title, loc="left", fontsize=10)
        ax.label_outer()
    return axes


def _stft(excerpt: Excerpt, *, n_fft: int = 2048, hop: int = 320):
    """(T, bins) in dB, their frequencies up to 5 kHz, seconds per frame."""
    rate = excerpt.sample_rate
    first = round(excerpt.lead * rate) // hop
    audio = torch.from_numpy(excerpt.audio[round(excerpt.lead * rate) - first * hop :])
    spectrum = torch.stft(audio, n_fft, hop, window=torch.hann_window(n_fft), return_complex=True).abs().T.numpy()
    keep = int(5_000 / rate * n_fft)
    frames = round(excerpt.seconds * rate / hop)
    values = 20 * np.log10(spectrum[first : first + frames, :keep] + 1e-4)
    return values, np.arange(keep) * rate / n_fft, hop / rate


def _mel_frequencies(config: FeatureConfig) -> np.ndarray:
    return librosa.mel_frequencies(config.n_mels + 2, fmin=30.0, fmax=config.sample_rate / 2, htk=True)[1:-1]


def plot_channel(excerpt: Excerpt, harmonic: float = 1.0, *, notes: bool = True, ax=None):
    """One HCQT channel; row ``k`` shows ``harmonic`` times the frequency of key ``k``."""
    config = FeatureConfig(kind="hcqt", harmonics=(harmonic,))
    values = excerpt.feature(config)[0]
    ax = plot_spectrogram(
        values,
        frame_seconds=config.frame_seconds,
        start=excerpt.start,
        lowest_pitch=LOWEST_PITCH,
        bins_per_key=config.bins_per_key,
        limits=(values.max() - SHOWN, values.max()),
        ax=ax,
    )
    if notes:
        overlay_notes(excerpt.notes, ax=ax)
    return ax


def plot_hcqt(
    recording: Recording | str | os.PathLike,
    *,
    start: float = 0.0,
    seconds: float = 10.0,
    harmonic: float = 1.0,
    ax: Axes | None = None,
) -> Axes:
    """One channel of a recording's HCQT, with its notes where it has MIDI.

    Args:
        recording: an audio file, or one of :func:`amt_utils.data.library.find_recordings`.
        start, seconds: which part.
        harmonic: the channel; row ``k`` shows ``harmonic`` times the frequency of key ``k``.
        ax: Axes to draw on; a new figure unless given.
    """
    return plot_channel(load_excerpt(recording, start, seconds), harmonic, ax=ax)


def plot_channels(excerpt: Excerpt, harmonics: Sequence[float] = (0.5, 1.0, 2.0)):
    """The HCQT's channels side by side with the same notes over each. ``(len(harmonics),)`` axes."""
    _, axes = plt.subplots(1, len(harmonics), figsize=(13, 5), sharey=True, layout="constrained")
    for ax, harmonic in zip(axes, harmonics):
        plot_channel(excerpt, harmonic, ax=ax)
        ax.set_title(f"harmonic {harmonic:g}: each row one octave {('lower', 'itself', 'higher')[_sign(harmonic)]}"
                     if harmonic != 1 else "harmonic 1: the CQT itself", fontsize=10)  # fmt: skip
        ax.label_outer()
    return axes


def _sign(harmonic: float) -> int:
    return int(np.sign(np.log2(harmonic))) + 1


def plot_note(excerpt: Excerpt, note: np.void, *, partials: int = 4, ax=None):
    """One note's attack and release: level of its first partials over time, with the MIDI's onset and end."""
    ax = new_axes(ax, size=(10, 3.4))
    config = FeatureConfig(kind="cqt", hop_length=80)
    values = excerpt.feature(config)[0]
    times = excerpt.start + np.arange(len(values)) * config.frame_seconds
    bin_of_key = (int(note["pitch"]) - LOWEST_PITCH) * config.bins_per_key
    looks = zip((BLUE, VERMILION, GREEN, PURPLE), ("-", "--", "-.", ":"))
    for k, (colour, style) in zip(range(1, partials + 1), looks):
        first = bin_of_key + round(config.bins_per_octave * np.log2(k))
        if first + config.bins_per_key > values.shape[1]:
            break
        level = 100 * (values[:, first : first + config.bins_per_key].max(axis=1) - 1)
        ax.plot(times, level, style, color=colour, label=f"partial {k}" if k > 1 else "fundamental")
    for when, name, colour in ((note["onset"], "note on", "black"), (note["offset"], "end", ORANGE)):
        ax.axvline(when, color=colour, linewidth=1.2)
        ax.text(when, 1.0, f" {name}", transform=ax.get_xaxis_transform(), va="top", fontsize=9, color=colour)
    left, right = max(excerpt.start, note["onset"] - 0.3), min(times[-1], note["offset"] + 0.5)
    ax.set(xlim=(left, right), xlabel="time (s)", ylabel="level (dB)")
    ax.set_title(f"{pitch_name(int(note['pitch']))}, velocity {note['velocity']}", loc="left", fontsize=10)
    ax.legend(frameon=False, fontsize=8, ncols=partials, loc="lower left", bbox_to_anchor=(0.3, 1))
    return ax


def plot_harmonic_stack(excerpt: Excerpt, note: np.void, *, after: float = 0.08):
    """Why harmonic channels help: the spectrum of a note, and the three channels at the note and at its octaves.

    Left: the CQT ``after`` seconds into the note; its partials lie at the same distances for every key. Right: the
    three channels at the true key and at the keys an octave below and above. Only the true key has the pattern
    *little below, much here, much above*, in one column that a 1 × 1 convolution can read.
    """
    config = FeatureConfig()
    values = excerpt.feature(config)
    frame = min(round((note["onset"] + after - excerpt.start) / config.frame_seconds), values.shape[1] - 1)
    columns = values[:, frame]  # (3, 352)
    _, axes = plt.subplots(1, 2, figsize=(13, 3.8), layout="constrained", width_ratios=(3, 2))
    pitches = LOWEST_PITCH + (np.arange(config.n_bins) - (config.bins_per_key - 1) / 2) / config.bins_per_key
    new_axes(axes[0]).plot(pitches, 100 * (columns[1] - 1), color=BLUE, linewidth=0.9)
    key = int(note["pitch"])
    for k in range(1, 9):
        at = key + 12 * np.log2(k)
        if at < pitches[-1]:
            axes[0].axvline(at, color=VERMILION, linestyle=":", linewidth=1)
            axes[0].text(
                at, 1, f"{k}", transform=axes[0].get_xaxis_transform(), color=VERMILION, ha="center", va="bottom"
            )
    ticks = list(range(24, 109, 12))
    axes[0].set_xticks(ticks, [pitch_name(p) for p in ticks])
    axes[0].set(xlabel="key", ylabel="level (dB)", xlim=(pitches[0], pitches[-1]), ylim=(-80, None))
    axes[0].set_title(f"spectrum of {pitch_name(key)}, partials 1 to 8", loc="left", fontsize=10, pad=16)
    new_axes(axes[1])
    looks = zip(
        ("one octave below", "the note itself", "one octave above"), (key - 12, key, key + 12), (SKY, BLUE, GREEN)
    )
    for i, (name, pitch, colour) in enumerate(looks):
        first = (pitch - LOWEST_PITCH) * config.bins_per_key
        if 0 <= first <= config.n_bins - config.bins_per_key:
            heights = np.maximum(100 * (columns[:, first : first + config.bins_per_key].max(axis=1) - 1), -80)
            hatch = ("//", "", "..")[i]
            x = np.arange(3) + 0.27 * (i - 1)
            axes[1].bar(x, heights + 80, 0.26, bottom=-80, color=colour, hatch=hatch, edgecolor="white", label=name)
    axes[1].set_xticks(range(3), [f"channel {h:g}" for h in config.harmonics])
    axes[1].set(ylabel="level (dB)")
    axes[1].set_title("what the three channels see at ...", loc="left", fontsize=10, pad=16)
    axes[1].legend(frameon=False, fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.1))
    return axes


def plot_resolutions(excerpt: Excerpt, *, hops: Sequence[int] = (160, 320, 1024), bins: Sequence[int] = (12, 24, 48)):
    """The same seconds with different hops (columns) and bins per octave (rows). ``(rows, columns)`` axes."""
    shape = (len(bins), len(hops))
    _, axes = plt.subplots(*shape, figsize=(13, 3 * len(bins)), sharex=True, sharey=True, layout="constrained")
    pitches = excerpt.notes["pitch"]
    low, high = (int(pitches.min()) - 4, int(pitches.max()) + 16) if len(pitches) else (36, 96)
    for i, per_octave in enumerate(bins):
        for j, hop in enumerate(hops):
            config = FeatureConfig(kind="cqt", hop_length=hop, bins_per_octave=per_octave)
            values = excerpt.feature(config)[0]
            plot_spectrogram(
                values, frame_seconds=config.frame_seconds, start=excerpt.start, lowest_pitch=LOWEST_PITCH,
                bins_per_key=config.bins_per_key, limits=(values.max() - SHOWN, values.max()), ax=axes[i, j],
            )  # fmt: skip
            title = f"{per_octave} bins per octave, hop {1000 * config.frame_seconds:g} ms"
            axes[i, j].set_title(title, fontsize=9)
            axes[i, j].set_ylim(max(low, 20.5), min(high, 108.5))
            axes[i, j].xaxis.get_major_locator().set_params(nbins=5)
            axes[i, j].label_outer()
    return axes


def explore(recordings: Sequence[Recording]):
    """Sliders for recording, start, zoom and harmonic; the picture and the sound follow. An ipywidgets box."""
    slider = {"continuous_update": False, "layout": ipywidgets.Layout(width="420px")}
    which = ipywidgets.Dropdown(options=[(t.name, t) for t in recordings], description="recording")
    start = ipywidgets.FloatSlider(
        0.0, min=0.0, max=audio_duration(recordings[0].audio), step=0.5, description="start (s)", **slider
    )
    zoom = ipywidgets.FloatLogSlider(4.0, base=2, min=-1, max=5, step=0.5, description="zoom (s)", **slider)
    harmonic = ipywidgets.ToggleButtons(options=[("½", 0.5), ("1", 1.0), ("2", 2.0)], value=1.0, description="harmonic")
    notes = ipywidgets.Checkbox(True, description="draw the notes")

    def follow(change) -> None:
        start.value, start.max = 0.0, max(0.5, audio_duration(change["new"].audio) - 0.5)

    def draw(which: Recording, start: float, zoom: float, harmonic: float, notes: bool) -> None:
        excerpt = load_excerpt(which, start, zoom)
        figure, axes = plt.subplots(2, 1, figsize=(11, 6), sharex=True, layout="constrained", height_ratios=(1, 4))
        rate = excerpt.sample_rate
        plot_waveform(excerpt.samples, sample_rate=rate, start=excerpt.start, ax=axes[0]).set_xlabel("")
        plot_channel(excerpt, harmonic, notes=notes, ax=axes[1])
        plt.show()
        plt.close(figure)
        display(Audio(excerpt.samples, rate=rate, normalize=True))

    which.observe(follow, "value")
    controls = {"which": which, "start": start, "zoom": zoom, "harmonic": harmonic, "notes": notes}
    picture = ipywidgets.interactive_output(draw, controls)
    return ipywidgets.VBox([which, ipywidgets.HBox([start, zoom]), ipywidgets.HBox([harmonic, notes]), picture])

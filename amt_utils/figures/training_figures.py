"""Figures of notebook 04: time per step, GPU memory, epochs, targets."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython import get_ipython
from IPython.display import HTML, Audio, clear_output, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..audio.reading import load_audio
from ..config import Config
from ..data.library import find_recordings
from ..data.pianos import simple_tone_piano
from ..data.synth import render
from ..music.notes import HIGHEST_PITCH, LOWEST_PITCH, Performance
from ..system.paths import platform
from ..training.curves import plot_curves
from ..training.run_log import read_table
from ..training.sizes import choose_size, fit_to_memory
from ..training.step_times import time_parts
from ..training.trainer import Trainer
from ..training.windows import WindowDataset
from ..transcription.transcriber import Transcriber
from .plots import BLUE, new_axes


class LiveView:
    """Given to ``train`` as ``on_epoch``: after each epoch the curves, and an excerpt to look at and to listen to.

    Args:
        config: of the run; the excerpt is the middle of its first validation recording.
        seconds: length of the excerpt.
    """

    def __init__(self, config: Config, *, seconds: float = 8.0):
        recording = find_recordings(config.data.validation[0], split="validation")[0]
        rate = config.feature.sample_rate
        whole = load_audio(recording.audio, sample_rate=rate)
        begin = max(0.0, (len(whole) / rate - seconds) / 2)
        self.audio = whole[round(begin * rate) : round((begin + seconds) * rate)]
        self.reference = recording.performance.window(begin, begin + seconds)
        self.rate, self.seconds, self.name = rate, len(self.audio) / rate, recording.audio.stem

    def __call__(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """Redraw. Called by the trainer with itself and the epoch's row."""
        estimate = Transcriber.from_model(trainer.averaged_model(), trainer.config).transcribe(self.audio)
        figure = self.draw(trainer, row, estimate)
        clear_output(wait=True)
        display(figure)
        display(Audio(self.audio, rate=self.rate))
        if len(estimate.notes):
            played = render(estimate, simple_tone_piano(sample_rate=self.rate), duration=self.seconds)
            display(Audio(played, rate=self.rate))
        else:
            print("no note is over the threshold yet")

    def draw(self, trainer: Trainer, row: dict[str, Any], estimate: Performance) -> Figure:
        """Curves above, the excerpt's reference (outlines) and transcription (filled) below; the figure."""
        figure = Figure(figsize=(10, 6), layout="constrained")
        top, bottom = figure.subplots(2, 1)
        plot_curves(read_table(trainer.log.steps), trainer.history, ax=top)
        found, reference = estimate.with_ends("sounding"), self.reference.with_ends("sounding")
        bottom.barh(
            found["pitch"], found["offset"] - found["onset"], left=found["onset"], height=0.8, color="#56B4E9",
            label=f"transcribed ({len(found)})",
        )  # fmt: skip
        bottom.barh(
            reference["pitch"], reference["offset"] - reference["onset"], left=reference["onset"], height=0.8,
            fill=False, edgecolor="black", linewidth=0.8, label=f"played ({len(reference)})",
        )  # fmt: skip
        bottom.set(xlim=(0, self.seconds), xlabel="time (s)", ylabel="key (MIDI)", title=self.name)
        bottom.legend(loc="upper right", fontsize=8)
        top.set_title(f"epoch {row['epoch']}: note F1 {100 * row.get('note_f1', 0.0):.1f} %")
        return figure


def plot_times(config: Config, *, steps: int = 4, ax: Axes | None = None) -> Axes:
    """Runs ``steps`` training steps and draws one bar per part of a step, with its share."""
    spent = time_parts(config, steps=steps)
    ax = new_axes(ax, size=(7, 2.4))
    names, total = list(spent), sum(spent.values())
    bars = ax.barh(names[::-1], [1000 * spent[n] for n in names[::-1]], color=BLUE)
    ax.bar_label(bars, [f" {100 * spent[n] / total:.0f} %" for n in names[::-1]])
    ax.set_xlabel(f"milliseconds per step ({1000 * total:.0f} in all)")
    ax.margins(x=0.12)
    return ax


def memory_table(config: Config, memories: Sequence[int] = (8, 16, 24, 40, 80)) -> pd.DataFrame:
    """Network, batch and accumulation for GPUs of ``memories`` GB; the effective batch is the same on each."""
    rows = []
    for memory in memories:
        size = choose_size(memory)
        train = fit_to_memory(config.replace(model={"size": size}), memory).train
        row = {"GPU memory (GB)": memory, "network": size, "batch": train.batch_size, "accumulate": train.accumulate}
        rows.append(row | {"effective batch": train.batch_size * train.accumulate})
    return pd.DataFrame(rows).set_index("GPU memory (GB)")


def settings_table(config: Config) -> pd.DataFrame:
    """The fields most often changed in a configuration, one per row."""
    shown = {
        "model": ("name", "size"),
        "data": ("recordings", "midi", "validation", "window_seconds", "augment", "workers"),
        "target": ("mode",),
        "train": ("batch_size", "accumulate", "steps_per_epoch", "epochs", "optimizer", "learning_rate", "precision"),
    }
    rows = {f"{part}.{name}": getattr(getattr(config, part), name) for part, names in shown.items() for name in names}
    cells = [", ".join(value) or "–" if isinstance(value, tuple) else _short(value) for value in rows.values()]
    return pd.DataFrame({"value": cells}, index=pd.Index(list(rows), name="field"))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def run_table(folder: str | os.PathLike) -> pd.DataFrame:
    """The files of a run's folder and their sizes."""
    files = [f for f in sorted(Path(folder).rglob("*")) if f.is_file() and not f.name.startswith(".")]
    names = [f.relative_to(folder).as_posix() for f in files]
    return pd.DataFrame({"file": names, "MB": [f.stat().st_size / 1e6 for f in files]}).round(2)


def plot_targets(config: Config, *, index: int = 0) -> np.ndarray:
    """The onset roll of one training window as ``soft`` and as ``grid`` targets, around its first note; two Axes."""
    axes = plt.subplots(1, 2, figsize=(10, 2.8), layout="constrained", sharey=True)[1]
    for ax, mode in zip(axes, ("soft", "grid"), strict=True):
        onset = WindowDataset(config.replace(target={"mode": mode}))[index]["onset"].numpy()
        ax.imshow(onset.T, origin="lower", aspect="auto", cmap="cividis", interpolation="nearest",
                  extent=(-0.5, len(onset) - 0.5, LOWEST_PITCH - 0.5, HIGHEST_PITCH + 0.5))  # fmt: skip
        struck = np.argwhere(onset > 0.5)
        if len(struck):
            ax.set(xlim=(struck[0, 0] - 5, struck[0, 0] + 55),
                   ylim=(LOWEST_PITCH + struck[:, 1].min() - 3, LOWEST_PITCH + struck[:, 1].max() + 3))  # fmt: skip
        ax.set(title=f"{mode}: onset roll", xlabel="frame", ylabel="key (MIDI)")
    return axes


def plot_training_window(config: Config, *, index: int = 0, ax: Axes | None = None) -> Axes:
    """The frame targets of one training window, its onsets brighter."""
    ax = new_axes(ax, size=(10, 3))
    window = WindowDataset(config)[index]
    seconds = len(window["onset"]) * config.feature.frame_seconds
    extent = (0.0, seconds, LOWEST_PITCH, HIGHEST_PITCH + 1)
    ax.imshow((window["frame"] + window["onset"]).T, origin="lower", aspect="auto", extent=extent)
    ax.set(xlabel="time (s)", ylabel="key (MIDI)", title="frames, and the onsets brighter")
    return ax


def show_tensorboard(folder: str | os.PathLike) -> HTML | None:
    """TensorBoard over the runs in ``folder``, where a notebook is running and TensorBoard can be started.

    Colab, JupyterLab and VS Code show it below the cell. Elsewhere its curves are drawn, and a line says how to start
    it by hand.
    """
    shell = get_ipython()
    if shell is None or os.environ.get("AMT_MINI") == "1" or platform() == "kaggle":  # Kaggle shows no other port
        display(plot_events(folder)[0].figure)
        plt.close()
        return HTML(f"<p>TensorBoard itself, on a machine of your own: <code>tensorboard --logdir {folder}</code></p>")
    shell.run_line_magic("load_ext", "tensorboard")
    shell.run_line_magic("tensorboard", f"--logdir {shlex.quote(str(folder))}")
    return None


def plot_events(folder: str | os.PathLike, group: str = "train") -> np.ndarray:
    """Everything of ``group`` ("train" or "validation") in the runs' event files against the step; Axes."""
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer  # slow to import

    events = EventMultiplexer().AddRunsFromDirectory(str(folder))
    events.Reload()
    runs = {run: [tag for tag in tags["scalars"] if tag.startswith(group)] for run, tags in events.Runs().items()}
    tags = sorted(set().union(*runs.values()))
    rows = max(1, -(-len(tags) // 4))
    axes = plt.subplots(rows, 4, figsize=(11, 2.1 * rows), layout="constrained", squeeze=False)[1].ravel()
    for ax, tag in itertools.zip_longest(axes, tags):
        ax.set_axis_off() if tag is None else ax.set_title(tag, fontsize=9)
        for run, own in runs.items():
            if tag in own:
                points = events.Scalars(run, tag)
                name = run.removesuffix("/tensorboard")
                ax.plot([p.step for p in points], [p.value for p in points], ".-", linewidth=1, label=name)
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return axes

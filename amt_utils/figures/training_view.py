"""What notebook 04 shows of a training: a size that fits the GPU, where the time goes, epochs seen and heard."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import torch

from ..config import Config, load_config
from ..data.library import find_recordings
from ..training.curves import plot_curves
from ..training.gpu_memory import choose_size, fit_to_memory, gpu_memory_gb
from ..training.run_log import read_table
from ..training.trainer import Trainer

DATA = {  # what a notebook offers; rendered audio needs no download of recordings
    "miniature": {"recordings": ("miniature",), "validation": ("miniature",)},
    "maestro": {"recordings": ("maestro",), "validation": ("maestro",)},
    "rendered": {"midi": ("maestro",), "validation": ("maestro",)},
}


def make_notebook_config(data: str = "miniature", *, memory_gb: float | None = None) -> Config:
    """A configuration for the machine at hand; a very small one where ``AMT_MINI`` is set or there is no GPU."""
    memory_gb = gpu_memory_gb() if memory_gb is None else memory_gb
    if os.environ.get("AMT_MINI") == "1" or memory_gb == 0:
        small = {"window_seconds": 2.0, "validation_limit": 1, "augment": True}
        steps = {"batch_size": 2, "steps_per_epoch": 6, "epochs": 2, "warmup_steps": 4, "checkpoint_every_steps": 4}
        return load_config("tiny").replace(data=DATA[data] | small, train=steps)
    size = choose_size(memory_gb)
    workers = min(8, os.cpu_count() or 1)
    config = load_config(size).replace(data=DATA[data] | {"workers": workers, "validation_limit": 4})
    return fit_to_memory(config.replace(train={"batch_size": 16}), memory_gb)


class LiveView:
    """Given to ``train`` as ``on_epoch``: after each epoch the curves, and an excerpt that is seen and heard.

    Args:
        config: of the run; the excerpt is the middle of its first validation recording.
        seconds: length of the excerpt.
    """

    def __init__(self, config: Config, *, seconds: float = 8.0):
        from ..audio.reading import load_audio

        recording = find_recordings(config.data.validation[0], split="validation")[0]
        rate = config.feature.sample_rate
        whole = load_audio(recording.audio, sample_rate=rate)
        begin = max(0.0, (len(whole) / rate - seconds) / 2)
        self.audio = whole[round(begin * rate) : round((begin + seconds) * rate)]
        self.reference = recording.performance.window(begin, begin + seconds)
        self.rate, self.seconds, self.name = rate, len(self.audio) / rate, recording.audio.stem

    def __call__(self, trainer: Trainer, row: dict) -> None:
        """Redraw. Called by the trainer with itself and the epoch's row."""
        from IPython.display import Audio, clear_output, display

        from ..data.synth import render, simple_tone_piano
        from ..transcription.transcriber import Transcriber

        estimate = Transcriber.from_model(trainer.averaged_model(), trainer.config).transcribe(self.audio)
        figure = self.draw(trainer, row, estimate)
        clear_output(wait=True)
        display(figure)
        display(Audio(self.audio, rate=self.rate))
        if len(estimate.notes):
            played = render(estimate, simple_tone_piano(), duration=self.seconds)
            display(Audio(played, rate=self.rate))
        else:
            print("no note is over the threshold yet")

    def draw(self, trainer: Trainer, row: dict, estimate):
        """Curves above, the excerpt's reference (outlines) and transcription (filled) below; the figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 6), layout="constrained")
        top, bottom = figure.subplots(2, 1)
        plot_curves(read_table(trainer.log.steps), trainer.history, ax=top)
        found, wanted = estimate.with_ends("sounding"), self.reference.with_ends("sounding")
        bottom.barh(
            found["pitch"], found["offset"] - found["onset"], left=found["onset"], height=0.8, color="#56B4E9",
            label=f"heard ({len(found)})",
        )  # fmt: skip
        bottom.barh(
            wanted["pitch"], wanted["offset"] - wanted["onset"], left=wanted["onset"], height=0.8, fill=False,
            edgecolor="black", linewidth=0.8, label=f"played ({len(wanted)})",
        )  # fmt: skip
        bottom.set(xlim=(0, self.seconds), xlabel="time (s)", ylabel="key (MIDI)", title=self.name)
        bottom.legend(loc="upper right", fontsize=8)
        top.set_title(f"epoch {row['epoch']}: note F1 {100 * row.get('note_f1', 0.0):.1f} %")
        return figure


def time_parts(config: Config, *, steps: int = 5) -> dict[str, float]:
    """Seconds per training step spent on data, features, forward, backward and update, the first step not counted."""
    import tempfile

    from ..training.losses import compute_losses, total_loss

    def now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    names = ("data", "features", "forward", "backward", "update")
    spent = dict.fromkeys(names, 0.0)
    with tempfile.TemporaryDirectory(prefix="amt-times-") as folder:
        trainer = Trainer(config, folder, devices=1, progress=False)
        trainer.prepare(resume=False)
        model, fabric = trainer.model.module, trainer.fabric
        batches = iter(trainer.loader)
        for step in range(min(steps + 1, config.train.steps_per_epoch)):
            marks = [now()]
            batch = {k: v.to(fabric.device) for k, v in next(batches).items()}
            marks.append(now())
            with fabric.autocast():
                with torch.no_grad():
                    features = model.feature(batch["audio"])
                marks.append(now())
                loss = total_loss(compute_losses(model.read(features), batch, config.loss), config.loss)
            marks.append(now())
            fabric.backward(loss)
            marks.append(now())
            trainer.optimizer.step()
            trainer.optimizer.zero_grad(set_to_none=True)
            marks.append(now())
            if step:
                for name, seconds in zip(names, np.diff(marks), strict=True):
                    spent[name] += seconds
        del batches
    counted = max(1, min(steps, config.train.steps_per_epoch - 1))
    return {name: seconds / counted for name, seconds in spent.items()}


def plot_times(spent: dict[str, float], *, ax=None):
    """One bar per part of a step, with its share."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=(7, 2.4), layout="constrained")[1]
    names, total = list(spent), sum(spent.values())
    bars = ax.barh(names[::-1], [1000 * spent[n] for n in names[::-1]], color="#0072B2")
    ax.bar_label(bars, [f" {100 * spent[n] / total:.0f} %" for n in names[::-1]])
    ax.set_xlabel(f"milliseconds per step ({1000 * total:.0f} in all)")
    ax.margins(x=0.12)
    return ax


SWITCHES = {
    "as it is": {},
    "grid targets": {"target": {"mode": "grid"}},
    "no residual": {"model": {"residual": False}},
    "not detached": {"model": {"detach_onset": False}},
    "CQT, one channel": {"feature": {"kind": "cqt"}},
}


def compare_switches(config: Config, folder: str | os.PathLike, *, switches: dict | None = None, progress=False):
    """The same short training with one thing changed at a time; for each the rows of its steps and its epochs.

    Runs that are there already are not repeated: delete the folder to begin anew.
    """
    results = {}
    for name, changes in (SWITCHES if switches is None else switches).items():
        run = Path(folder) / name.replace(" ", "_").replace(",", "")
        trainer = Trainer(config.replace(**changes), run, devices=1, progress=progress)
        trainer.run(resume=True)
        results[name] = {"steps": read_table(trainer.log.steps), "epochs": trainer.history}
    return results


def plot_comparison(results: dict, *, axes=None):
    """Loss against steps and note F1 against epochs, one line per run; returns the two Axes."""
    import matplotlib.pyplot as plt

    left, right = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")[1] if axes is None else axes
    for (name, result), style in zip(results.items(), ("-", "--", "-.", ":", (0, (5, 1, 1, 1))), strict=False):
        left.plot([int(r["step"]) for r in result["steps"]], [float(r["loss"]) for r in result["steps"]], ls=style)
        f1 = [100 * r.get("note_f1", 0.0) for r in result["epochs"]]
        right.plot([r["epoch"] for r in result["epochs"]], f1, ls=style, marker="o", label=name)
    left.set(xlabel="step", ylabel="training loss")
    right.set(xlabel="epoch", ylabel="validation note F1 (%)", ylim=(0, max(1.0, right.get_ylim()[1])))
    right.xaxis.get_major_locator().set_params(integer=True)
    right.legend(fontsize=8)
    return left, right


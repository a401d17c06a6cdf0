"""A training that is killed again and again, in processes forked from one that has everything imported.

    python tests/helpers_resume.py FOLDER KILLS SEED

prints one JSON object per attempt and leaves ``FOLDER/whole`` (never interrupted) and ``FOLDER/killed``.
"""

import errno
import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

import torch
from matplotlib.figure import Figure

from amt_utils.audio.reading import save_audio
from amt_utils.checkpoints import checkpoint as checkpoints
from amt_utils.config import Config
from amt_utils.data.pianos import simple_tone_piano
from amt_utils.data.pieces import perform_piece
from amt_utils.data.synth import render
from amt_utils.music.midi import write_midi
from amt_utils.training import curves
from amt_utils.training import trainer as train

STEPS_PER_EPOCH, EPOCHS, INTERVAL = 8, 3, 3


def make_data(folder: Path) -> None:
    """Two recordings of three seconds."""
    folder.mkdir(parents=True)
    for form, seed in (("prelude", 0), ("waltz", 1)):
        performance = perform_piece(form, seed=seed).window(0.0, 3.0)
        save_audio(folder / f"{form}.wav", render(performance, simple_tone_piano(), duration=3.0))
        write_midi(folder / f"{form}.mid", performance)


def make_config(data: Path) -> Config:
    return Config().replace(
        model={"size": "micro", "dropout": 0.1},
        data={"recordings": (str(data),), "validation": (str(data),), "window_seconds": 0.6},
        train={
            "batch_size": 2,
            "steps_per_epoch": STEPS_PER_EPOCH,
            "epochs": EPOCHS,
            "warmup_steps": 4,
            "checkpoint_every_steps": INTERVAL,
            "precision": "32",
        },
    )


def train_in_child(config: Config, folder: Path, steps: Path, trap=None) -> int:
    """Fork, train (resuming what is there), note every step in ``steps``; the child's process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        torch.set_num_threads(1)
        sys.stdout = open(os.devnull, "w")
        real = train.Trainer._step

        def noted(self, batches):
            with steps.open("a") as file:
                file.write(f"{self.step}\n")
            return real(self, batches)

        train.Trainer._step = noted
        curves.plot_curves = lambda steps, epochs: Figure().subplots()  # drawing takes longer than training
        if trap:
            trap()
        train.train(config, folder, resume=True, devices=1, accelerator="cpu", progress=False)
        status = 0
    except BaseException:
        steps.with_suffix(".error").write_text(traceback.format_exc())
    finally:
        os._exit(status)


def kill_at_write(number: int):
    """A trap: kill -9 at the ``number``-th moment of the checkpoint's writing (half written, before, between and
    after the renames)."""
    seen = [0]

    def moment():
        seen[0] += 1
        if seen[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def trap():
        replace, save = os.replace, torch.save

        def slow_replace(source, target):
            moment()
            replace(source, target)
            moment()

        def half_save(state, file):
            save(state, file)
            file.flush()
            os.ftruncate(file.fileno(), file.tell() // 2)
            moment()
            file.seek(0)
            save(state, file)

        os.replace, torch.save = slow_replace, half_save

    return trap


def full_disk():
    """A trap: files may not grow beyond 20 kB, and tell it as a full disk does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    real = checkpoints.torch.save

    def save(state, file):
        try:
            real(state, file)
        except OSError as error:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error

    checkpoints.torch.save = save


def main() -> None:
    folder, kills, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    make_data(folder / "data")
    config = make_config(folder / "data")
    begin = time.monotonic()
    _, status = os.waitpid(train_in_child(config, folder / "whole", folder / "whole_steps"), 0)
    whole = time.monotonic() - begin
    if status:
        sys.exit((folder / "whole_steps.error").read_text())
    kinds = ["full disk", *(f"write {n}" for n in rng.sample(range(2, 24), max(1, kills // 2 - 1)))]
    kinds += ["moment"] * (kills - len(kinds))
    rng.shuffle(kinds)
    for kind in [*kinds, "to the end"]:
        steps = folder / "killed_steps"
        steps.write_text("")
        trap = full_disk if kind == "full disk" else None
        if kind.startswith("write"):
            trap = kill_at_write(int(kind.split()[1]))
        child = train_in_child(config, folder / "killed", steps, trap)
        if kind == "moment":
            time.sleep(rng.uniform(0.3, 0.6 * whole))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        done = [int(line) for line in steps.read_text().split()]
        print(json.dumps({"kind": kind, "status": status, "steps": done, "whole": whole}), flush=True)


if __name__ == "__main__":
    main()

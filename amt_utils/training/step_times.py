"""Where the time of a training step goes: data, features, forward, backward, update."""

from __future__ import annotations

import tempfile
import time

import numpy as np
import torch

from ..config import Config
from .losses import compute_losses, total_loss
from .trainer import Trainer

PARTS = ("data", "features", "forward", "backward", "update")


def time_parts(config: Config, *, steps: int = 5, accelerator: str = "auto") -> dict[str, float]:
    """Seconds per training step and part, the mean over ``steps``; a first step is run and not counted."""

    def now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    counted = max(1, min(steps, config.train.steps_per_epoch - 1))
    spent = dict.fromkeys(PARTS, 0.0)
    with tempfile.TemporaryDirectory(prefix="amt-times-") as folder:
        trainer = Trainer(config, folder, devices=1, accelerator=accelerator, progress=False)
        trainer.prepare(resume=False)
        model, fabric = trainer.model.module, trainer.fabric
        batches = iter(trainer.loader)
        for step in range(counted + 1):
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
                for name, seconds in zip(PARTS, np.diff(marks), strict=True):
                    spent[name] += float(seconds)
        del batches
    return {name: seconds / counted for name, seconds in spent.items()}

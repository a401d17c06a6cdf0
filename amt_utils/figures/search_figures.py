"""Figures of a hyper-parameter search (notebook 07)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from optuna import Study
from optuna.trial import FrozenTrial

from ..training.search.study import SPACE


def space_table(space: dict[str, list] | None = None, *, leave_out: Iterable[str] = ()) -> pd.DataFrame:
    """What a search varies, one field of the configuration a row; :data:`SPACE` unless given."""
    fixed, rows = set(leave_out), {}
    for name, (kind, *values) in (space or SPACE).items():
        if name not in fixed:
            between = ", ".join(map(str, values[0])) if kind == "choice" else f"{values[0]:g} to {values[1]:g}"
            rows[name] = {"scale": kind, "values": between}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("field")


def plot_search(study: Study, *, measure: str = "note F1 (%)", axes: Sequence[Axes] = ()) -> Sequence[Axes]:
    """A study's history: every trial's F1 in order, and against each searched value.

    Args:
        study: an Optuna study.
        measure: what it is ranked by, for the axis.
        axes: one Axes for the history and one for each parameter; new ones unless given.

    Returns:
        The Axes. Completed trials are filled circles, pruned ones are crosses at their last figure.
    """
    trials = [t for t in study.get_trials(deepcopy=False) if t.state.name in ("COMPLETE", "PRUNED")]
    names = sorted({name for t in trials for name in t.params})
    if not axes:
        columns = min(3, 1 + len(names))
        rows = -(-(1 + len(names)) // columns)
        size = (4 * columns, 2.8 * rows)
        grid = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)[1]
        for spare in grid.ravel()[1 + len(names) :]:
            spare.remove()
        axes = list(grid.ravel()[: 1 + len(names)])
    styles = (("COMPLETE", "o", "#0072B2"), ("PRUNED", "x", "#D55E00"))
    for state, marker, colour in styles:
        chosen = [t for t in trials if t.state.name == state]
        values = [100 * _last_value(t) for t in chosen]
        axes[0].scatter([t.number for t in chosen], values, marker=marker, color=colour, label=state.lower())
        for ax, name in zip(axes[1:], names, strict=False):
            ax.scatter([t.params.get(name, np.nan) for t in chosen], values, marker=marker, color=colour)
    complete = [t for t in trials if t.state.name == "COMPLETE"]
    if complete:
        best = np.maximum.accumulate([100 * (t.value or 0.0) for t in complete])
        axes[0].step([t.number for t in complete], best, where="post", color="black", label="best so far")
    axes[0].set(xlabel="trial", ylabel=measure)
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].legend(fontsize=8)
    low, high = axes[0].get_ylim()
    for ax in axes[: 1 + len(names)]:
        ax.set_ylim(max(low, 0.0), max(high, 1.0))
    for ax, name in zip(axes[1:], names, strict=False):
        ax.set(xlabel=name)
        if any(getattr(t.distributions.get(name), "log", False) for t in trials):
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
    return axes


def _last_value(trial: FrozenTrial) -> float:
    if trial.value is not None:
        return trial.value
    steps = trial.intermediate_values
    return steps[max(steps)] if steps else float("nan")

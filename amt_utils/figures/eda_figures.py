"""The figures of notebook 01, from :class:`.eda.Eda`; each draws on ``ax`` (or a new one) and returns it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..data.maestro.catalogue import SPLITS
from ..music.notes import LOWEST_PITCH, N_KEYS, PEDAL_NAMES
from .eda import ERAS, Eda, balance_table, choose_unit, composers_table, find_outliers
from .plots import BLUE, GREEN, ORANGE, PEDAL_COLOURS, SKY, SPLIT_COLOURS, VERMILION, new_axes, pitch_name

_HATCHES = {"train": "", "validation": "///", "test": "..."}


def plot_composers(eda: Eda, *, most: int = 20, ax=None):
    """Hours per composer, by split; performances and works in numbers."""
    table = composers_table(eda)
    shown, (unit, scale) = table.head(most), choose_unit(table.hours.max())
    ax = new_axes(ax, size=(10, 0.27 * len(shown) + 1.2))
    y, left = np.arange(len(shown)), np.zeros(len(shown))
    for split in SPLITS:
        hours = shown[f"{split} h"].to_numpy() * scale
        ax.barh(y, hours, left=left, color=SPLIT_COLOURS[split], hatch=_HATCHES[split], edgecolor="white", label=split)
        left += hours
    for i, row in enumerate(shown.itertuples()):
        words = f" {_count(row.performances, 'performance')}, {_count(row.works, 'work')}"
        ax.text(left[i], i, words, va="center", fontsize=8, color="dimgrey")
    ax.set_yticks(y, shown.composer)
    ax.set(xlabel=unit, xlim=(0, 1.25 * left.max()), ylim=(len(shown) - 0.4, -0.6))
    rest = table.iloc[most:]
    if len(rest):
        title = f"{len(rest)} more composers, {rest.hours.sum():.1f} h"
        ax.text(0.99, 0.05, title, transform=ax.transAxes, ha="right", fontsize=9, style="italic")
    ax.legend(frameon=False, loc="center right", title="split")
    return ax


def plot_eras(eda: Eda, *, ax=None):
    """Share of each split's hours by era, so that the splits can be compared."""
    ax = new_axes(ax, size=(5, 3.2))
    eras = [era for era in (*ERAS, "unknown") if (eda.table.era == era).any()]
    width = 0.27
    for i, split in enumerate(SPLITS):
        own = eda.table[eda.table.split == split]
        share = [100 * own.seconds[own.era == era].sum() / max(own.seconds.sum(), 1e-9) for era in eras]
        x = np.arange(len(eras)) + (i - 1) * width
        ax.bar(x, share, width, color=SPLIT_COLOURS[split], hatch=_HATCHES[split], edgecolor="white", label=split)
    ax.set_xticks(np.arange(len(eras)), [era.replace(" of the", "\nof the") for era in eras])
    ax.set_ylabel("% of the split's hours")
    ax.legend(frameon=False)
    return ax


def plot_years(eda: Eda, *, ax=None):
    """Hours per year of the competition, by split."""
    ax = new_axes(ax, size=(5, 3.2))
    years = np.sort(eda.table.year.unique())
    unit, scale = choose_unit(eda.table.groupby("year").seconds.sum().max() / 3600)
    bottom = np.zeros(len(years))
    for split in SPLITS:
        own = eda.table[eda.table.split == split].groupby("year").seconds.sum() * scale / 3600
        hours = own.reindex(years, fill_value=0.0).to_numpy()
        x = np.arange(len(years))
        look = {"color": SPLIT_COLOURS[split], "hatch": _HATCHES[split], "edgecolor": "white"}
        ax.bar(x, hours, bottom=bottom, label=split, **look)
        bottom += hours
    ax.set_xticks(np.arange(len(years)), years, rotation=45)
    ax.set_ylabel(unit)
    ax.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    return ax


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}" + ("" if n == 1 else "s")


def plot_durations(eda: Eda, *, ax=None):
    """Durations on a logarithmic axis, one box per split over all its performances; outliers are named."""
    ax = new_axes(ax, size=(10, 2.8))
    rng = np.random.default_rng(0)
    for i, split in enumerate(SPLITS):
        minutes = eda.table.seconds[eda.table.split == split].to_numpy() / 60
        ax.plot(minutes, i + rng.uniform(-0.3, 0.3, len(minutes)), ".", color=SPLIT_COLOURS[split], markersize=3)
        if len(minutes):
            ax.boxplot(minutes, positions=[i], orientation="horizontal", widths=0.7, showfliers=False,
                       medianprops={"color": "black", "linewidth": 2}, manage_ticks=False)  # fmt: skip
    ends = (eda.table.seconds.idxmin(), eda.table.seconds.idxmax())
    far = [*find_outliers(eda).index[:1], *ends]
    for index in dict.fromkeys(far):
        row = eda.table.loc[index]
        y = SPLITS.index(row.split)
        title = row.title if len(row.title) < 42 else row.title[:40] + "…"
        ax.annotate(
            f"{row.composer.split()[-1]}: {title}", (row.seconds / 60, y), (0, 24), textcoords="offset points",
            fontsize=7, ha="left" if index == ends[0] else "right", arrowprops={"arrowstyle": "-", "color": "grey"},
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8},
        )  # fmt: skip
    ax.set(xscale="log", xlabel="minutes", ylim=(2.6, -0.9))
    low, high = eda.table.seconds.min() / 63, eda.table.seconds.max() / 57
    ticks = [m for m in (0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1, 2, 5, 10, 20, 40) if low < m < high]
    ax.set_xticks(ticks, [f"{m:g}" for m in ticks])
    ax.minorticks_off()
    ax.set_yticks(range(len(SPLITS)), SPLITS)
    return ax


def plot_density(eda: Eda, *, ax=None):
    """Notes per second against mean velocity; one point per performance, the era by colour and shape."""
    ax = new_axes(ax, size=(5, 3.6))
    markers = dict(zip(ERAS, zip((SKY, GREEN, ORANGE, BLUE, VERMILION), "vos^D")))
    for era, (colour, marker) in markers.items():
        own = eda.table[eda.table.era == era]
        if len(own):
            ax.scatter(own.notes_per_second, own.velocity_mean, s=9, c=colour, marker=marker, alpha=0.6, label=era)
    ax.set(xlabel="notes per second", ylabel="mean velocity")
    ax.legend(frameon=False, fontsize=7, markerscale=1.6)
    return ax


def plot_pitches(eda: Eda, *, ax=None):
    """Share of the notes per key, in percent."""
    ax = new_axes(ax, size=(10, 2.6))
    pitches = LOWEST_PITCH + np.arange(N_KEYS)
    share = 100 * eda.pitch.sum(axis=0) / max(eda.pitch.sum(), 1)
    black = np.isin(pitches % 12, (1, 3, 6, 8, 10))
    ax.bar(pitches[~black], share[~black], 0.9, color=SKY, label="white keys")
    ax.bar(pitches[black], share[black], 0.9, color="black", label="black keys")
    ticks = pitches[pitches % 12 == 0]
    ax.set_xticks(ticks, [pitch_name(p) for p in ticks])
    ax.set(ylabel="% of the notes", xlim=(pitches[0] - 1, pitches[-1] + 1))
    ax.legend(frameon=False)
    return ax


def plot_velocities(eda: Eda, *, ax=None):
    """Share of the notes per velocity, in percent, one line per split."""
    ax = new_axes(ax, size=(5, 3))
    for split, style in zip(SPLITS, ("-", "--", ":")):
        counts = eda.velocity[(eda.table.split == split).to_numpy()].sum(axis=0)
        ax.plot(100 * counts / max(counts.sum(), 1), style, color=SPLIT_COLOURS[split], label=split)
    ax.set(xlabel="velocity", ylabel="% of the notes", xlim=(0, 127), ylim=(0, None))
    ax.legend(frameon=False)
    return ax


def plot_polyphony(eda: Eda, *, ax=None):
    """Share of the time with so many notes sounding at once (sounding ends: the pedal counts)."""
    ax = new_axes(ax, size=(5, 3))
    seconds = eda.voices.sum(axis=0)
    share = 100 * seconds / max(seconds.sum(), 1e-9)
    last = int(np.searchsorted(np.cumsum(share), 99.0)) + 1
    ax.bar(np.arange(last + 1), share[: last + 1], color=BLUE)
    mean = float((np.arange(len(share)) * share).sum() / 100)
    ax.axvline(mean, color=VERMILION, linestyle="--")
    ax.text(mean, ax.get_ylim()[1] * 0.95, f" mean {mean:.1f}", color=VERMILION, va="top")
    ax.xaxis.get_major_locator().set_params(integer=True)
    beyond = 100 - share[: last + 1].sum()
    ax.set(xlabel=f"notes sounding at once ({beyond:.1f} % of the time more)", ylabel="% of the time")
    return ax


def plot_pedals(eda: Eda, *, ax=None):
    """How the performances use each pedal: share of the time it is down, as a distribution over performances."""
    ax = new_axes(ax, size=(5, 3))
    edges = np.linspace(0, 100, 21)
    for kind, name in enumerate(PEDAL_NAMES):
        shares = np.clip(100 * eda.table[f"{name}_share"].to_numpy(), 0, 100)
        used = (eda.table[f"{name}_presses"] > 0).mean()
        counts, _ = np.histogram(shares, edges)
        label = f"{name}: in {100 * used:.0f} % of performances"
        ax.stairs(100 * counts / len(shares), edges, color=PEDAL_COLOURS[kind], linewidth=1.8,
                  linestyle=("-", ":", "--")[kind], label=label)  # fmt: skip
    ax.set(xlabel="% of the time down", ylabel="% of performances", yscale="symlog", xlim=(0, 100), ylim=(0, 110))
    ax.set_yticks((0, 1, 3, 10, 30, 100), ("0", "1", "3", "10", "30", "100"))
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_balance(eda: Eda, *, ax=None):
    """Share of ones per target roll on a logarithmic axis, with the number of zeros per one."""
    table = balance_table(eda)
    ax = new_axes(ax, size=(8, 2.8))
    y, shares = np.arange(len(table)), 100 * table["share of ones"].to_numpy()
    lowest = max(shares[shares > 0].min() / 3, 1e-3) if (shares > 0).any() else 1e-3
    ax.hlines(y, lowest, np.maximum(shares, lowest), color="lightgrey", linewidth=6)
    ax.plot(np.maximum(shares, lowest), y, "o", color=VERMILION, markersize=8)
    for i, (share, ratio) in enumerate(zip(shares, table["zeros per one"])):
        words = f"  {share:.3g} %, {ratio:.3g} zeros per one" if share > 0 else "  never"
        ax.text(max(share, lowest), i, words, va="center", fontsize=9)
    ax.set_yticks(y, table.index)
    ax.invert_yaxis()
    ax.set(xscale="log", xlabel="% of the cells that are one", xlim=(lowest, 2000))
    ax.set_xticks([t for t in (0.001, 0.01, 0.1, 1, 10, 100) if t >= lowest], None)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.minorticks_off()
    return ax


FIGURES = {
    "composers": plot_composers,
    "eras": plot_eras,
    "years": plot_years,
    "durations": plot_durations,
    "density": plot_density,
    "pitches": plot_pitches,
    "velocities": plot_velocities,
    "polyphony": plot_polyphony,
    "pedals": plot_pedals,
    "balance": plot_balance,
}


def save_report(eda: Eda, folder: str | os.PathLike) -> list[Path]:
    """All figures as PNG and the tables as CSV in ``folder``; returns what was written."""
    import matplotlib.pyplot as plt

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in FIGURES.items():
        figure = draw(eda).figure
        figure.savefig(folder / f"{name}.png", dpi=130)
        plt.close(figure)
        written.append(folder / f"{name}.png")
    tables = {"performances": eda.table, "composers": composers_table(eda), "target_balance": balance_table(eda)}
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=name == "target_balance")
        written.append(folder / f"{name}.csv")
    return written

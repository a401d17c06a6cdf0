"""Statistics of a data set: counts are what they should be."""


import numpy as np
import pytest

from amt_utils.__main__ import build_parser
from amt_utils.data.maestro.catalogue import open_maestro
from amt_utils.data.maestro.miniature import make_miniature
from amt_utils.figures.eda import analyse, balance_table, composers_table, describe, era_of, find_outliers
from amt_utils.figures.eda_figures import FIGURES
from amt_utils.music.midi import read_midi
from amt_utils.music.notes import SUSTAIN, Performance, make_notes, make_pedals


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    return open_maestro(make_miniature(tmp_path_factory.mktemp("mini"), sample_rate=16_000, stereo=False))


@pytest.fixture(scope="module")
def eda(mini, tmp_path_factory):
    return analyse(mini, cache=tmp_path_factory.mktemp("cache"))


def test_counts_of_a_bar_known_by_heart():
    notes = make_notes([0.0, 1.0, 1.0], [0.5, 2.0, 3.0], [60, 64, 67], [10, 20, 30])
    row, pitch, velocity, voices = describe(
        Performance(notes, make_pedals([0.4], [1.4], [SUSTAIN])), duration=4.0, frame_seconds=0.02
    )
    assert row["frames"] == 201 and row["notes_per_second"] == 0.75
    assert (row["onset_cells"], row["offset_cells"], row["frame_cells"]) == (3, 3, 70 + 50 + 100)  # the C rings on
    assert (row["sustain_share"], row["sustain_presses"], row["soft_presses"]) == (pytest.approx(0.25), 1, 0)
    assert voices[:4] == pytest.approx([0, 2.0, 0.6, 0.4])
    assert pitch[60 - 21] == pitch[64 - 21] == 1 and pitch.sum() == 3 and velocity[30] == 1


def test_balance_equals_the_rolls_own_share_of_ones(mini, eda):
    targets = pytest.importorskip("amt_utils.training.targets")
    from amt_utils.config import Config

    row = eda.table.iloc[0]
    performance = read_midi(mini.midi_path(mini.pieces[0]))
    rolls = targets.make_rolls(performance, int(row.frames), Config().replace(target={"mode": "grid"}))
    for name in ("onset", "frame"):
        assert row[f"{name}_cells"] == pytest.approx((np.asarray(rolls[name]) > 0.5).sum(), rel=0.03)
    share = balance_table(eda)
    assert share.loc["onset", "share of ones"] == pytest.approx(
        eda.table.onset_cells.sum() / (88 * eda.table.frames.sum())
    )
    assert share.loc["onset", "zeros per one"] > 100


def test_cache_returns_the_same_and_changes_with_the_files(mini, eda, tmp_path, monkeypatch):
    first = analyse(mini, cache=tmp_path)
    monkeypatch.setattr("amt_utils.figures.eda.read_midi", None)  # a second reading would now fail
    again = analyse(mini, cache=tmp_path)
    assert again.table.equals(first.table) and np.array_equal(again.voices, first.voices)
    assert first.table.notes.tolist() == eda.table.notes.tolist()
    with pytest.raises(TypeError):
        analyse(mini, pieces=mini.pieces[:5], cache=tmp_path)


def test_tables(eda):
    table = composers_table(eda)
    assert table.performances.sum() == 12 and table.hours.is_monotonic_decreasing
    assert table.hours.sum() == pytest.approx(eda.table.seconds.sum() / 3600)
    assert era_of("Franz Schubert / Franz Liszt") == "Romantic" and era_of("Nobody at all") == "unknown"
    assert "unknown" not in set(eda.table.era)
    longer = eda.table.copy()
    longer.loc[3, "seconds"] = 4000.0
    found = find_outliers(type(eda)(longer, eda.pitch, eda.velocity, eda.voices, 0.02))
    assert found.index[0] == 3


def test_every_figure_draws_on_given_axes_and_without(eda):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    for draw in FIGURES.values():
        _, ax = plt.subplots()
        assert draw(eda, ax=ax) is ax and ax.has_data()
        assert draw(eda).has_data()
    plt.close("all")


def test_command_writes_figures_and_tables(mini, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("AMT_DATA", str(tmp_path / "data"))
    args = build_parser().parse_args(["eda", str(mini.root), "--output", str(tmp_path / "out")])
    assert args.run(args) == 0
    assert "12 performances" in capsys.readouterr().out
    assert len(list((tmp_path / "out").glob("*.png"))) == len(FIGURES)
    assert (tmp_path / "out" / "target_balance.csv").read_text().startswith("target,")

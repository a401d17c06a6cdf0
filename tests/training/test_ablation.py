"""Rows are trained side by side, the same steps each; a second call does nothing twice."""

import pytest

from amt_utils.__main__ import main
from amt_utils.config import change_config, load_config, save_config
from amt_utils.system.errors import AmtError
from amt_utils.training.ablation import ROWS, make_table, read_row


def test_every_row_is_a_configuration():
    from amt_utils.models import build_model

    shapes = set()
    for settings in ROWS.values():
        config = change_config(load_config("tiny"), list(settings))
        parameters = sum(p.numel() for p in build_model(config).parameters())
        shapes.add((parameters, config.target, config.loss, config.model, config.decode))
    assert len(shapes) == len(ROWS)  # no row is another one in disguise


def test_two_rows(tmp_path, capfd):
    config = load_config("tiny").replace(
        model={"size": "micro"},
        data={"recordings": ("miniature",), "midi": (), "validation": ("miniature",), "validation_limit": 1,
              "window_seconds": 1.0, "augment": False},
        train={"batch_size": 1, "steps_per_epoch": 2, "epochs": 2, "total_steps": None, "warmup_steps": 1},
    )  # fmt: skip
    save_config(config, tmp_path / "config.json")
    words = ["ablation", "--config", str(tmp_path / "config.json"), "--out", str(tmp_path / "rows"), "--accelerator",
             "cpu", "--devices", "1", "--rows", "ours", "without-hcqt"]  # fmt: skip
    with pytest.raises(AmtError, match="call again"):
        make_table(tmp_path / "rows", ["ours"])
    assert main([*words, "--epochs", "1"]) == 0
    assert main(words) == 0
    table = (tmp_path / "rows" / "table.md").read_text().splitlines()
    assert len(table) == 4
    assert [line.split(" | ")[2] for line in table[2:]] == ["4", "4"]
    assert (tmp_path / "rows" / "curves.png").stat().st_size > 5000
    row = read_row(tmp_path / "rows" / "ours")
    assert row["step"] == [2, 4] and 0 < row["minutes"][0] < row["minutes"][1]
    assert "without-hcqt" in capfd.readouterr().out

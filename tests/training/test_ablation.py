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


def test_the_claim_tells_minutes_first_and_f1_after_each_epoch(tmp_path, capsys):
    asked = load_config("hcqt_hppnet")
    assert asked.feature.harmonics == (0.5, 1.0, 2.0) and asked.model.hdconv_harmonics == (1, 2, 3, 4)
    assert asked.model.residual and asked.model.detach_onset and not asked.model.register
    words = ["ablation", "--claim", "--out", str(tmp_path), "--accelerator", "cpu", "--rows", "ours", "--epochs", "2"]
    for setting in ("model.size=micro", 'data.recordings=["miniature"]', 'data.validation=["miniature"]',
                    "data.validation_limit=1", "data.window_seconds=1.0", "data.augment=false", "train.batch_size=1",
                    "train.steps_per_epoch=2", "train.warmup_steps=1"):  # fmt: skip
        words += ["--set", setting]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert printed.index("minutes in all") < printed.index("note F1 in %")
    assert "epoch 1" in printed and "epoch 2" in printed
    with pytest.raises(SystemExit):
        main(["ablation", "--claim"])  # no --out


def test_ablation_needs_a_configuration(tmp_path, capsys):
    assert main(["ablation", "--out", str(tmp_path)]) == 1
    assert "--config" in capsys.readouterr().err

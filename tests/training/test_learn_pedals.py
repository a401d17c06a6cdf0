"""The pedals' part learns alone, from performances and from what its network hears, and the rest stays as it is."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from amt_utils.__main__ import main
from amt_utils.checkpoints.weights import load_weights, save_weights
from amt_utils.config import Config, save_config
from amt_utils.models import build_model
from amt_utils.models.residual import PEDAL_ROLLS
from amt_utils.music.midi import write_midi
from amt_utils.music.notes import SUSTAIN, Performance, make_notes, make_pedals
from amt_utils.system.errors import AmtError
from amt_utils.training import learn_pedals
from amt_utils.training.learn_pedals import Pedals, learn_from_notes
from amt_utils.training.targets import make_rolls

MICRO = Config().replace(model={"size": "micro"})


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for name, value in {"NOTES_SECONDS": 3.0, "NOTES_BATCH": 2, "SOUND_SECONDS": 3.0, "SOUND_CROP": 2.0}.items():
        monkeypatch.setattr(learn_pedals, name, value)


def play_with_pedal(count: int = 60) -> Performance:
    """Short keys, every other bar of four under the pedal."""
    on = np.arange(count) * 0.25
    notes = make_notes(on, on + 0.1, 60 + np.arange(count) % 5, np.full(count, 80))
    begin = np.arange(0, count, 8) * 0.25
    return Performance(notes, make_pedals(begin, begin + 1.0, np.full(len(begin), SUSTAIN)))


def test_learns_from_notes_what_goes_on_while_keys_are_up():
    performance = play_with_pedal()
    torch.manual_seed(0)
    pedals = Pedals(build_model(MICRO).network)
    rolls = make_rolls(performance, 600, MICRO)
    notes = torch.from_numpy(np.concatenate([rolls[name] for name in PEDAL_ROLLS], axis=1))[None]

    def wrong() -> float:
        with torch.inference_mode():
            logits, played = pedals(notes)[0, :, 0], torch.from_numpy(rolls["pedal"][:, 0])
        return float(F.binary_cross_entropy_with_logits(logits, played))

    before = wrong()
    learn_from_notes(pedals, [performance], MICRO, steps=120)
    assert wrong() < 0.3 * before
    with pytest.raises(AmtError, match="no notes to learn from"):
        learn_from_notes(pedals, [Performance(make_notes([], [], [], []))], MICRO, steps=1)


def test_command_changes_the_pedals_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("AMT_WORK", str(tmp_path / "work"))
    write_midi(tmp_path / "midi" / "a.mid", play_with_pedal())
    save_config(MICRO.replace(data={"midi": (str(tmp_path / "midi"),)}), tmp_path / "config.json")
    model = build_model(MICRO)
    mine = save_weights(tmp_path / "mine.safetensors", model.state_dict(), {"config": MICRO.to_dict(), "version": "1"})
    out = tmp_path / "out.safetensors"
    command = ["learn-pedals", "--config", str(tmp_path / "config.json"), "--weights", str(mine), "--out"]
    options = ["--note-steps", "2", "--windows", "2", "--sound-steps", "2"]
    assert main([*command, str(out), *options]) == 0
    assert "tune its thresholds again" in capsys.readouterr().out
    taught, config, card = load_weights(out)
    assert config == MICRO and card["version"] == "1" and card["pedal_steps"] == {"notes": 2, "windows": 2, "sound": 2}
    before, changed = load_weights(mine)[0].state_dict(), set()
    for name, weight in taught.state_dict().items():
        if not torch.equal(weight, before[name]):
            changed.add(name.split(".")[1])
    assert changed == {"pedal_cue", "pedal_head"}
    assert main([*command, str(tmp_path / "x.pt"), *options]) == 1
    assert "ends in .safetensors" in capsys.readouterr().err


def test_other_networks_have_no_such_part(tmp_path, capsys):
    other = MICRO.replace(model={"name": "unet", "size": "base"})
    path = save_weights(tmp_path / "u.safetensors", build_model(other).state_dict(), {"config": other.to_dict()})
    command = ["learn-pedals", "--config", "base", "--weights", str(path), "--out", str(tmp_path / "o.safetensors")]
    assert main(command) == 1
    assert "only residual_hcqt_hppnet" in capsys.readouterr().err

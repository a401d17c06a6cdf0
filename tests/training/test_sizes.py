"""A step that fits: the windows per step stay, only how many are held at once changes."""

import pytest

from amt_utils.__main__ import main
from amt_utils.config import Config
from amt_utils.system.errors import AmtError
from amt_utils.training import sizes
from amt_utils.training.sizes import choose_size, fit_to_memory, windows_that_fit

CONFIG = Config().replace(model={"size": "tiny"}, train={"batch_size": 12, "accumulate": 2})


def test_more_memory_takes_larger_batches_of_the_same_step(monkeypatch):
    monkeypatch.setattr(sizes, "saved_activation_bytes", lambda *_, **__: 0.8 * 2**30)  # a window is 0.8 GiB
    batches = {memory: fit_to_memory(CONFIG, memory).train for memory in (2.6, 5, 8, 24, 100)}
    assert [train.batch_size for train in batches.values()] == [1, 3, 6, 12, 24]  # divisors of 24 alone
    assert {train.batch_size * train.accumulate for train in batches.values()} == {24}
    with pytest.raises(AmtError, match=r"do not hold one window of 10 s"):
        fit_to_memory(CONFIG, 2.0)


def test_windows_that_fit_are_counted_from_the_network():
    assert windows_that_fit(CONFIG, 8.0) > windows_that_fit(CONFIG.replace(data={"window_seconds": 20.0}), 8.0) > 0
    assert [choose_size(memory) for memory in (4, 8, 24)] == ["tiny", "base", "large"]


def test_train_asks_for_sense(capsys, tmp_path):
    assert main(["train", "--config", "tiny", "--out", str(tmp_path), "--gpu-memory", "-3"]) == 1
    assert "--gpu-memory -3: expected gigabytes" in capsys.readouterr().err

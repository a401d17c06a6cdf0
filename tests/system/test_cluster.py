"""Files done side by side: every one once, also when a worker dies; shares that fit together."""

import os
import signal
from pathlib import Path

import pytest

from amt_utils.system.cluster import choose_shard, run_each
from amt_utils.system.errors import AmtError


def work(item):
    """Marks that it began, then dies with its process the first time, or always, where the name says so."""
    name, folder = item
    mark = Path(folder) / f"{name}.began"
    with mark.open("a") as file:
        file.write("x")
    if name == "unreadable":
        raise AmtError("unreadable: no sound in it")
    if name == "fatal" or (name == "fatal once" and len(mark.read_text()) == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return name.upper()


@pytest.fixture
def results(tmp_path):
    def run(names, cluster=None):
        return {item[0]: result for item, result in run_each(work, [(n, tmp_path) for n in names], cluster=cluster)}

    return run


def test_one_after_another_an_error_is_a_result(results):
    found = results(["a", "unreadable", "b"])
    assert found["a"] == "A" and found["b"] == "B" and "no sound" in str(found["unreadable"])


def test_a_killed_worker_repeats_its_own_file_alone(results, tmp_path, capsys):
    pytest.importorskip("distributed")
    found = results(["a", "fatal once", "unreadable", "b", "c"], cluster="local:2")
    assert {name for name, result in found.items() if isinstance(result, AmtError)} == {"unreadable"}
    assert found["fatal once"] == "FATAL ONCE"
    begun = {path.stem: len(path.read_text()) for path in tmp_path.glob("*.began")}
    assert begun.pop("fatal once") == 2 and set(begun.values()) == {1}
    assert "dashboard: http" in capsys.readouterr().err


def test_a_file_that_kills_every_worker_is_given_up(results):
    pytest.importorskip("distributed")
    found = results(["fatal", "a"], cluster="local:2")
    assert found["a"] == "A" and str(found["fatal"]).startswith("fatal: 3 workers died")


@pytest.mark.parametrize("cluster", ["local:0", "local:many", "tcp://127.0.0.1:9"])
def test_no_such_cluster(results, cluster, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("amt_utils.system.cluster.CONNECT_SECONDS", 1.0)
    with pytest.raises(AmtError, match="--cluster"):
        results(["a"], cluster=cluster)


def test_shards_hold_every_item_once():
    items = list(range(11))
    shares = [choose_shard(items, f"{i}/4") for i in (1, 2, 3, 4)]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert choose_shard(items, None) == items
    for wrong in ("0/4", "5/4", "1", "a/b", "1/0"):
        with pytest.raises(AmtError, match="i/n"):
            choose_shard(items, wrong)

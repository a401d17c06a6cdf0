"""Whole processes are measured for what they take themselves, not for what this one does."""

import sys

import pytest

from amt_utils.system.errors import AmtError
from amt_utils.training.processes import _measure

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no wait4")
MEBIBYTE = 1 << 20


def test_memory_is_the_childs_own(tmp_path):
    ballast = bytearray(300 * MEBIBYTE)
    ballast[:: 4096] = b"x" * len(ballast[:: 4096])  # of this process, really there
    _, _, small = _measure("small", [sys.executable, "-c", "pass"], tmp_path / "small")
    code = f"x = bytearray({100 * MEBIBYTE}); x[::4096] = b'x' * len(x[::4096])"
    _, _, large = _measure("large", [sys.executable, "-c", code], tmp_path / "large")
    assert small < 60 * MEBIBYTE
    assert 100 * MEBIBYTE < large < 180 * MEBIBYTE


def test_time_and_failures(tmp_path):
    code = "import time; time.sleep(0.3); sum(range(3_000_000))"
    cpu, wall, _ = _measure("sleeper", [sys.executable, "-c", code], tmp_path / "sleeper")
    assert wall > cpu + 0.25 and cpu > 0
    with pytest.raises(AmtError, match="failed with status 3"):
        _measure("failing", [sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "failing")
    with pytest.raises(AmtError, match="cannot be started"):
        _measure("nothing", [str(tmp_path / "no program")], tmp_path / "nothing")

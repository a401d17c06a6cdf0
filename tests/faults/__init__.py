"""Faults on purpose: what the package does with damaged inputs, full disks, kills and broken replies.

``python -m tests.faults`` runs every kind in full and writes the table of docs/faults.md; ``pytest tests/faults`` runs
a few tries of each. A kind is a function in any module of this folder::

    @kind("MAESTRO CSVs", full=100, few=5)
    def csvs(rng: np.random.Generator, folder: Path) -> None: ...

called once per try with a generator seeded by the kind's name and the try's number, and an empty folder. It does one
harmful thing and checks what comes of it: an :class:`.AmtError` that leaves it counts as *refused*, a normal return as
*right*, an ``AssertionError`` as *wrong*, anything else as a *traceback*, more than :data:`LONGEST` seconds as *hung*.
"""

from __future__ import annotations

import importlib
import pkgutil
import signal
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:  # for the helpers beside this folder, as pytest does
    sys.path.insert(0, str(TESTS))

LONGEST = 60  # seconds that a try may take
OUTCOMES = ("right", "refused", "wrong", "traceback", "hung")


@dataclass(frozen=True)
class Kind:
    """A kind of fault: its name, how often it is tried in full and in the test run, and one try of it."""

    name: str
    full: int
    few: int
    attempt: Callable[[np.random.Generator, Path], None]
    each: int = 1  # faults in one try: twenty kills of one training
    longest: int = LONGEST


@dataclass
class Result:
    """What came of the tries of one kind."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not any(self.outcomes[name] for name in OUTCOMES[2:])


_kinds: dict[str, Kind] = {}


class Hung(BaseException):
    """A try took too long; not an Exception, so that nothing catches it."""


def kind(
    name: str, *, full: int, few: int, each: int = 1, longest: int = LONGEST
) -> Callable[[Callable[[np.random.Generator, Path], None]], Callable[[np.random.Generator, Path], None]]:
    """Registers a function as one try of the kind ``name`` (see the module)."""

    def register(attempt: Callable[[np.random.Generator, Path], None]) -> Callable[[np.random.Generator, Path], None]:
        _kinds[name] = Kind(name, full, few, attempt, each, longest)
        return attempt

    return register


def find_kinds() -> dict[str, Kind]:
    """Every kind in the modules of this folder, by name."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if not module.name.startswith(("test_", "__")):
            importlib.import_module(f"{__name__}.{module.name}")
    return _kinds


def run_kind(chosen: Kind, tries: int, seed: int = 0) -> Result:
    """Tries a kind ``tries`` times, each in a folder of its own; another ``seed``, other faults of the kind."""
    result, begin = Result(), time.monotonic()
    for number in range(tries):
        rng = np.random.default_rng((zlib.crc32(chosen.name.encode()) + seed, number))
        with tempfile.TemporaryDirectory(prefix="amt-fault-", ignore_cleanup_errors=True) as folder:
            outcome, problem = _try_once(chosen, rng, Path(folder))
        result.outcomes[outcome] += chosen.each
        if problem:
            result.problems.append(f"{chosen.name}, try {number}: {outcome}: {problem}")
    result.seconds = time.monotonic() - begin
    return result


def _try_once(chosen: Kind, rng: np.random.Generator, folder: Path) -> tuple[str, str]:
    from amt_utils.system.errors import AmtError

    def too_long(_signal: int, _frame: FrameType | None) -> None:
        raise Hung

    earlier = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(chosen.longest)
    try:
        chosen.attempt(rng, folder)
    except AmtError as error:
        text = str(error)
        return ("refused", "") if 10 < len(text) < 2_000 else ("wrong", f"no message to act on: {text[:300]!r}")
    except AssertionError:
        return "wrong", traceback.format_exc(limit=-3)
    except Hung:
        return "hung", f"more than {chosen.longest} s"
    except Exception:
        return "traceback", traceback.format_exc(limit=-6)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)
    return "right", ""


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """One of: cut off, some bytes changed, a stretch removed, a stretch doubled, zeros in place of a stretch."""
    data = bytearray(content)
    at, length = int(rng.integers(len(data))), int(rng.integers(1, max(2, len(data) // 10)))
    match int(rng.integers(5)):
        case 0:
            del data[at:]
        case 1:
            for place in rng.integers(len(data), size=4):
                data[place] ^= int(rng.integers(1, 256))
        case 2:
            del data[at : at + length]
        case 3:
            data[at:at] = data[at : at + length]
        case _:
            stretch = len(data[at : at + length])
            data[at : at + length] = bytes(stretch)
    return bytes(data)

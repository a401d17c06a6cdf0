"""A few tries of every kind of fault; ``python -m tests.faults`` makes all of them."""

from __future__ import annotations

import pytest

from . import find_kinds, run_kind


@pytest.mark.parametrize("name", sorted(name for name, kind in find_kinds().items() if kind.few))
def test_nothing_is_lost_and_nothing_silently_wrong(name: str) -> None:
    chosen = find_kinds()[name]
    result = run_kind(chosen, chosen.few)
    assert result.good, "\n".join(result.problems)

"""Kinds of notes: what belongs to each, what is found and invented of it, pooled, as a table."""

import numpy as np

from amt_utils.evaluation.kinds import KINDS, Count, count_kinds, kinds_table, pool_kinds
from amt_utils.music.notes import Performance, make_notes


def play(*rows) -> Performance:
    """``(onset, pitch, velocity)`` rows, a tenth of a second each."""
    onset, pitch, velocity = (np.array(column) for column in zip(*rows, strict=True))
    return Performance(make_notes(onset, onset + 0.1, pitch, velocity))


def test_what_belongs_to_a_kind():
    low, high = ((0, 48, 30), (0.01, 60, 80), (0.02, 67, 80)), ((1, 72, 95), (1.2, 72, 95), (1.6, 72, 50), (2, 84, 39))
    notes = play(*low, *high).notes
    assert notes["pitch"][KINDS["octave"](notes)].tolist() == [60, 67]
    assert notes["onset"][KINDS["repetition"](notes)].tolist() == [1.2]
    assert not KINDS["chord"](notes).any()
    assert KINDS["C6 and above"](notes).sum() == 1 and KINDS["velocity below 40"](notes).sum() == 2
    chord = play(*((3 + 0.004 * i, 60 + 2 * i, 60) for i in range(5)), (3.2, 40, 60)).notes
    assert KINDS["chord"](chord).tolist() == [True] * 5 + [False]
    for names in (("below C2", "C2 to B3", "C4 to B5", "C6 and above"), tuple(KINDS)[-4:]):
        assert sum(KINDS[name](notes).sum() for name in names) == len(notes)


def test_found_and_invented():
    played = play((0, 48, 60), (0, 60, 60), (1, 72, 60), (1.2, 72, 60))
    heard = play((0, 48, 60), (1, 72, 60), (2, 50, 60), (2, 62, 60), (1.1, 72, 60))
    counts = count_kinds(played, heard)
    assert counts["all"] == Count(reference=4, found=2, estimated=5, invented=3)
    assert counts["octave"] == Count(reference=1, found=0, estimated=1, invented=1)
    assert counts["repetition"] == Count(reference=1, found=0, estimated=1, invented=1)
    pooled = pool_kinds([counts, counts])
    assert pooled["all"].found == 4 and pooled["octave"].to_dict()["recall"] == 0
    assert pooled["below C2"].to_dict()["recall"] is None
    table = kinds_table("ours", pooled)
    assert "50.0" in table and len(table.splitlines()) == len(KINDS) + 2
    assert kinds_table("ours", pooled, markdown=True).count("\n") == len(KINDS) + 1
    nothing = Performance(played.notes[:0])
    assert count_kinds(nothing, nothing)["all"] == Count()

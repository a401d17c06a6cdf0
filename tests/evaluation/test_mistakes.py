"""Every note of both sides gets the fate and the cause it deserves."""

from pathlib import Path

import numpy as np
import pytest

from amt_utils.audio.reading import save_audio
from amt_utils.data.library import Recording, maps_composer
from amt_utils.evaluation import mistakes
from amt_utils.evaluation.mistakes import SystemTranscription
from amt_utils.figures import mistake_figures
from amt_utils.music.notes import Performance, make_notes, make_pedals

# onset, offset, pitch, velocity
PLAYED = (
    (1.00, 1.50, 60, 70), (2.00, 2.40, 62, 30), (3.00, 3.10, 64, 70), (3.20, 3.60, 64, 70), (4.00, 4.50, 65, 70),
    (5.00, 6.00, 67, 70), (6.00, 6.50, 69, 70),
)  # fmt: skip
ESTIMATED = (
    (1.01, 1.80, 60, 50), (3.00, 3.11, 64, 60), (4.10, 4.50, 65, 70), (5.00, 6.02, 67, 80), (5.01, 5.40, 79, 40),
    (5.50, 5.80, 67, 40), (6.00, 6.40, 57, 70), (9.00, 9.20, 30, 20),
)  # fmt: skip


def known(name, audio, performance):
    """A recording whose notes need no MIDI file."""
    recording = Recording(name, audio, Path(f"{name}.mid"), composer="Nobody")
    recording.__dict__["performance"] = performance
    return recording


def one(played=PLAYED, estimated=ESTIMATED, audio="a.flac"):
    reference, estimate = (Performance(make_notes(*zip(*rows, strict=True))) for rows in (played, estimated))
    return SystemTranscription("net", known("piece", audio, reference), estimate)


def test_fates_and_causes():
    table = mistakes.find_errors([one()], ends="key")
    causes = {(row.fate, row.onset): row.cause for row in table.itertuples() if row.fate != "hit"}
    assert causes == {
        ("missed", 2.0): "soft",
        ("missed", 3.2): "repeat",
        ("missed", 4.0): "timing",
        ("missed", 6.0): "octave",
        ("extra", 4.1): "timing",
        ("extra", 5.01): "octave",
        ("extra", 5.5): "repeat",
        ("extra", 6.0): "octave",
        ("extra", 9.0): "ghost",
    }
    hits = table[table.fate == "hit"].set_index("onset")
    assert hits.late.round(3).tolist() == [0.01, 0.0, 0.0]
    assert hits.end_right.tolist() == [False, True, True]
    assert hits.estimated_velocity.tolist() == [50, 60, 80]
    assert (table.fate != "extra").sum() == len(PLAYED)


def test_nothing_heard_and_nothing_wrong():
    silent = SystemTranscription("net", one().recording, Performance(make_notes([], [], [], [])))
    assert set(mistakes.find_errors([silent]).fate) == {"missed"}
    perfect = mistakes.find_errors([one(estimated=PLAYED)])
    assert set(perfect.fate) == {"hit"} and perfect.end_right.all()
    assert mistakes.find_worst(one(estimated=PLAYED)) == 0.0


def test_scores_by_system_and_composer():
    table = mistakes.score_table([one(), one(estimated=PLAYED)])
    assert table.note_f1.tolist() == pytest.approx([40.0, 100.0])
    assert table.composer.tolist() == ["Nobody"] * 2
    assert maps_composer("MAPS_MUS-schumm-1_ENSTDkCl") == "Schumann"
    assert maps_composer("MAPS_MUS-schu_143_2_AkPnBcht") == "Schubert"
    assert maps_composer("my recording") == ""


def test_the_worst_seconds_hold_the_errors(tmp_path):
    rng = np.random.default_rng(0)
    onset = np.arange(0, 60, 0.5)
    played = list(zip(onset, onset + 0.4, 60 + rng.integers(0, 12, len(onset)), [64] * len(onset), strict=True))
    estimated = [note for note in played if not 40 <= note[0] < 49]
    audio = save_audio(tmp_path / "a.flac", np.zeros(16_000 * 60, np.float32))
    worst = one(played, estimated, audio or tmp_path / "a.flac")
    start = mistakes.find_worst(worst)
    assert 38.9 < start < 40.1
    roll = mistake_figures.show_errors(worst, start)
    assert len(roll.reference.notes) - len(roll.performance.notes) == 18


def test_thresholds_trade_recall_for_precision():
    class Stub:
        """Three peaks of different height; the lowest is a ghost."""

        def __init__(self):
            from amt_utils.config import Config

            self.config = Config()

        def activations(self, _):
            rolls = {name: np.zeros((200, 88), np.float32) for name in ("onset", "offset", "key_offset", "frame")}
            rolls |= {"velocity": np.full((200, 88), 0.5, np.float32), "pedal": np.zeros((200, 3), np.float32)}
            for frame, key, height in ((20, 30, 0.9), (60, 32, 0.6), (100, 40, 0.3)):
                rolls["onset"][frame, key] = height
                rolls["frame"][frame : frame + 20, key] = 0.9
            return rolls

    take = known("a", "c", Performance(make_notes([0.4, 1.2], [0.8, 1.6], [51, 53], [64, 64])))
    sweep = mistakes.sweep_thresholds(Stub(), [take], [0.1, 0.5, 0.8, 0.97])
    assert sweep.recall.tolist() == pytest.approx([100, 100, 50, 0])
    assert sweep.precision.tolist()[:3] == pytest.approx([200 / 3, 100, 100])
    assert np.isnan(sweep.precision.iloc[3])
    assert len(mistake_figures.plot_thresholds(Stub(), [take], [0.1, 0.5])) == 2


def test_figures_show_what_the_table_says():
    pedals = make_pedals([1.0, 3.0], [2.0, 4.0], [0, 0])
    base = one()
    played = known("piece", "a.flac", Performance(base.recording.performance.notes, pedals))
    systems = {"net": base.estimate, "other": base.recording.performance}
    estimated = [SystemTranscription(name, played, estimate) for name, estimate in systems.items()]
    errors, scores = mistakes.find_errors(estimated, ends="key"), mistakes.score_table(estimated)
    missed, extra = mistake_figures.plot_causes(errors)
    assert [bar.get_width() for bar in missed.containers[0]] == pytest.approx([100 / 7] * 4 + [0, 0])
    assert sum(bar.get_width() for bar in extra.containers[1]) == 0
    assert len(mistake_figures.plot_systems(scores).containers) == 2
    assert len(mistake_figures.plot_recall_by(errors)) == 4
    assert "median +0 ms" in mistake_figures.plot_timing(errors).get_legend().get_texts()[0].get_text()
    assert len(mistake_figures.plot_velocity(errors)) == 2
    assert "F1 0 %" in mistake_figures.plot_pedal(estimated[0]).get_title(loc="left")
    labels = [t.get_text() for t in mistake_figures.plot_errors(estimated[0], errors, 0.0).get_legend().get_texts()]
    assert labels == ["hit (3)", "missed (4)", "extra (5)"]

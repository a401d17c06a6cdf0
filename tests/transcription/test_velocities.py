"""Velocities from all notes together: what it mends, what it leaves alone, and that it can be learnt anew."""

import json

import numpy as np
import pytest
import torch

from amt_utils.__main__ import main
from amt_utils.audio.windows import Cut
from amt_utils.checkpoints.weights import VELOCITY_WEIGHTS, load_weights, weights_path
from amt_utils.models.velocities import DESCRIPTION, VelocityNetwork
from amt_utils.music.midi import read_midi, write_midi
from amt_utils.music.notes import Performance, make_notes
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import example_files
from amt_utils.training.learn_velocities import add_noise, errors, learn_velocities, measure
from amt_utils.transcription import velocities
from amt_utils.transcription.velocities import describe_notes, even_velocities, reading_order


def play_two_hands(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Onset, pitch and velocity of two hands, each swelling slowly, ``count`` chords of two notes."""
    onset = np.repeat(np.arange(count) * 0.1, 2)
    pitch = np.stack([rng.integers(40, 52, count), rng.integers(70, 82, count)], axis=1).ravel()
    swell = 10 * np.sin(onset / 4)
    return onset, pitch, np.where(pitch < 60, 50 + swell, 80 - swell)


def left_over(heard: np.ndarray, played: np.ndarray) -> float:
    """RMS of what no line from ``heard`` to ``played`` explains, as mir_eval rescales velocities."""
    return float(np.std(played - np.polyval(np.polyfit(heard, played, 1), heard)))


def test_velocities_lose_voicing_and_chance_but_keep_the_dynamics():
    """The embedded waltz on pianos whose keys are voiced unevenly, every note heard a little wrong."""
    notes = read_midi(example_files()[1]).notes
    onset, pitch, played = notes["onset"], notes["pitch"], notes["velocity"].astype(np.float64)
    left = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        misheard = played + rng.normal(0, 5, 128)[pitch] + rng.normal(0, 5, len(notes))
        heard = np.clip(np.rint(misheard), 1, 127).astype(np.int16)
        even = even_velocities(onset, pitch, heard)
        assert even.dtype == heard.dtype and even.min() >= 1 and even.max() <= 127
        assert abs(even.mean() - heard.mean()) < 1
        left.append(left_over(even, played) / left_over(heard, played))
        half = even_velocities(onset, pitch, heard, 0.5)
        assert np.abs(half - (heard + even.astype(float)) / 2).max() <= 1
        assert np.array_equal(even_velocities(onset, pitch, heard, 0.0), heard)
    assert max(left) < 1.0 and np.mean(left) < 0.95


def test_accents_stay():
    onset, pitch = np.arange(64) * 0.25, np.tile([60, 62, 64, 65], 16)
    heard = np.where(np.arange(64) % 8 == 0, 100, 60).astype(np.int16)
    even = even_velocities(onset, pitch, heard).astype(float)
    assert even[::8].min() > 20 + np.delete(even, np.arange(0, 64, 8)).max()


@pytest.mark.parametrize("count", (0, 1, 2, 3))
def test_few_notes(count):
    velocity = np.array([20, 120, 64], np.int16)[:count]
    even = even_velocities(np.arange(count) * 10.0, np.full(count, 60), velocity)
    assert len(even) == count
    if count < 2:
        assert np.array_equal(even, velocity)  # nothing else is played around


def test_notes_in_any_order_get_the_same_velocities():
    rng = np.random.default_rng(1)
    onset, pitch, played = play_two_hands(50, rng)
    heard = np.rint(played + rng.normal(0, 5, len(pitch))).astype(np.int16)
    mixed = rng.permutation(len(onset))
    np.testing.assert_array_equal(
        even_velocities(onset[mixed], pitch[mixed], heard[mixed]), even_velocities(onset, pitch, heard)[mixed]
    )


def test_of_many_notes_some_are_read_at_once(monkeypatch):
    """Memory is bounded, no note is left out, and where blocks meet nothing jumps."""
    onset, pitch, played = play_two_hands(1500, rng := np.random.default_rng(2))
    heard = np.rint(played + rng.normal(0, 5, len(pitch))).astype(np.int16)
    whole, run, sizes = even_velocities(onset, pitch, heard), velocities._velocity_network(), []

    def counted(notes, key):
        sizes.append(notes.shape[1])
        return run(notes, key)

    monkeypatch.setattr(velocities, "_velocity_network", lambda: counted)
    monkeypatch.setattr(velocities, "CUT", Cut(1000, 100))
    apart = np.abs(even_velocities(onset, pitch, heard).astype(int) - whole)
    assert sizes == [1000, 1000, 1000, 600]
    assert apart.max() <= 4 and apart.mean() < 1


def test_a_chord_is_read_from_its_lowest_key_up():
    onset, pitch = np.array([1.0, 0.01, 0.0, 0.02]), np.array([40, 72, 60, 48])
    assert reading_order(onset, pitch).tolist() == [3, 2, 1, 0]


def test_description():
    onset, pitch, velocity = np.array([0.0, 0.5, 0.5, 1.5]), np.array([60, 60, 64, 60]), np.array([40, 60, 60, 80])
    notes, key = describe_notes(onset, pitch, velocity)
    assert notes.shape == (4, DESCRIPTION) and notes.dtype == np.float32
    assert key.tolist() == [39, 39, 43, 39]
    assert notes[:, 0].tolist() == [-1, 0, 0, 1]
    before, after, since = np.exp(2 * (notes[:, [1, 2, 4]].T - 1)) - 0.02
    assert before == pytest.approx([2, 0.5, 0, 1], abs=1e-5) and after == pytest.approx([0.5, 0, 1, 2], abs=1e-5)
    assert since == pytest.approx([4, 0.5, 4, 1], abs=1e-5)


def test_what_is_padded_tells_nothing():
    net = VelocityNetwork(hidden=8).eval()
    notes, key, is_note = torch.randn(1, 30, DESCRIPTION), torch.randint(0, 88, (1, 30)), torch.ones(1, 30)
    is_note[:, 20:] = 0
    changed = key.clone()
    changed[:, 20:] = key[0, 0]
    with torch.inference_mode():
        told = [net(notes, k, is_note)[0][:, :5] for k in (key, changed)]
        counted = [net(notes, key, mask)[1] for mask in (is_note, torch.ones(1, 30))]
    torch.testing.assert_close(*told, atol=1e-2, rtol=0)
    assert not torch.equal(*counted)


def test_mishearing_misses_soft_notes_and_errs_by_key():
    notes = make_notes(np.arange(4000) * 0.1, np.arange(4000) * 0.1 + 0.1, np.tile([50, 60, 70, 80], 1000),
                       np.tile([15, 90, 90, 90], 1000))  # fmt: skip
    onset, pitch, heard, played = add_noise(notes, np.random.default_rng(3))
    assert (np.diff(onset) >= 0).all()
    assert 300 < (pitch == 50).sum() < 700 and (pitch == 60).sum() > 950
    wrong = heard - played
    by_key = [wrong[pitch == p].mean() for p in (60, 70, 80)]
    assert np.std(by_key) > 0.5 and 2 < wrong[pitch == 60].std() < 12


def test_errors_do_not_count_what_a_whole_window_is_too_loud():
    batch = {"played": torch.tensor([[0.0, 0.5, 9.0]]), "is_note": torch.tensor([[1.0, 1.0, 0.0]])}
    assert errors(batch["played"] + 0.7, batch).abs().max() < 1e-5
    assert errors(torch.tensor([[0.1, 0.5, 5.0]]), batch)[0].tolist() == pytest.approx([1.0, -1.0, 0.0], abs=1e-4)


def test_learning_undoes_some_of_it(monkeypatch):
    monkeypatch.setattr("amt_utils.training.learn_velocities.LENGTHS", (150,))
    monkeypatch.setattr("amt_utils.training.learn_velocities.BATCH", 4)
    rng = np.random.default_rng(5)
    performances = []
    for _ in range(4):
        onset, pitch, played = play_two_hands(500, rng)
        performances.append(Performance(make_notes(onset, onset + 0.1, pitch, np.rint(played).astype(int))))
    scores = measure(learn_velocities(performances, steps=80), performances, batches=8)
    assert scores["error_after"] < 0.85 * scores["error_before"]


def test_command_writes_what_can_be_loaded(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("AMT_WORK", str(tmp_path / "work"))
    rng = np.random.default_rng(6)
    onset, pitch, played = play_two_hands(200, rng)
    notes = make_notes(onset, onset + 0.1, pitch, np.rint(played).astype(int))
    write_midi(tmp_path / "midi" / "a.mid", Performance(notes))
    out = tmp_path / "mine.safetensors"
    assert main(["learn-dynamics", str(tmp_path / "midi"), "--out", str(out), "--steps", "2"]) == 0
    assert "is left" in capsys.readouterr().out
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["steps"] == 2 and "400 notes of 1 performances" in card["learnt_from"]
    assert main(["learn-dynamics", str(tmp_path / "midi"), "--out", str(tmp_path / "x.pt")]) == 1
    assert "ends in .safetensors" in capsys.readouterr().err


def test_its_weights_are_no_transcriber():
    with pytest.raises(AmtError, match=r"dynamics\.json"):
        load_weights(VELOCITY_WEIGHTS)
    with pytest.raises(AmtError, match="shipped with the package: base, tiny$"):
        weights_path("nobody")

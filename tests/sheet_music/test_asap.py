"""The judge of real performances, the network and tapped beats."""

import json
from dataclasses import fields

import numpy as np
import pytest

from amt_utils.__main__ import main
from amt_utils.music.midi import write_midi
from amt_utils.music.notes import Performance, make_notes
from amt_utils.sheet_music.asap import find_performances
from amt_utils.sheet_music.bar_features import BAR_FEATURES, describe_beats
from amt_utils.sheet_music.bar_network import read_bars
from amt_utils.sheet_music.barring import _write_bars
from amt_utils.sheet_music.check_asap import check_record
from amt_utils.sheet_music.events import find_events
from amt_utils.sheet_music.metre import Metre
from amt_utils.sheet_music.note_features import describe_notes
from amt_utils.sheet_music.note_network import WEIGHTS, load_network, read_notes, split_networks
from amt_utils.sheet_music.playing import WRITTEN, Music, play
from amt_utils.sheet_music.tapped import read_beats
from amt_utils.sheet_music.targets import Targets, make_targets, vary
from amt_utils.sheet_music.tunes import accompany
from amt_utils.system.errors import AmtError

SCALE = [60, 62, 64, 65, 67, 69, 71, 72]


@pytest.fixture
def folder(tmp_path):
    """A C major scale in quarters at 120, twelve bars of 4/4, as the data set writes it."""
    n = 48
    onset = 0.5 + 0.5 * np.arange(n)
    pitch = np.array([SCALE[i % 8] for i in range(n)])
    performance = Performance(make_notes(onset, onset + 0.45, pitch, np.full(n, 64)))
    place = tmp_path / "Nobody" / "Scale"
    place.mkdir(parents=True)
    write_midi(place / "A01.mid", performance)
    lines = [f"{t}\t{t}\t{'db' if i % 4 == 0 else 'b'}{',4/4,0' if i == 0 else ''}" for i, t in enumerate(onset)]
    (place / "A01_annotations.txt").write_text("\n".join(lines) + "\n")
    rows = ["scoreprop(timeSignature,4/4,1:1,0,0.0000)."]
    for i, (t, p) in enumerate(zip(onset, pitch, strict=True)):
        step = "CDEFGAB"[SCALE.index(p) % 7]
        rows.append(f"snote(n{i}-1,[{step},n],{p // 12 - 1},{i // 4 + 1}:{i % 4 + 1},0,1/4,{i}.0000,{i + 1}.0000,"
                    f"[v1,staff1])-note(n{i},{p},{round(960 * t)},{round(960 * t) + 400},64,0,0).")  # fmt: skip
    (place / "A01.match").write_text("\n".join(rows) + "\n")
    return tmp_path


def perfect(own):
    notes = own.performance.notes
    rows = [{"onset": float(notes["onset"][r["note"]]), "pitch": int(notes["pitch"][r["note"]]),
             "quarter": float(r["quarter"]), "duration": float(r["duration"]), "staff": int(r["staff"]), "voice": 1,
             "measure": int(r["measure"]), "place": float(r["place"]), "step": str(r["step"]),
             "alter": int(r["alter"]), "octave": int(r["octave"])} for r in own.alignment]  # fmt: skip
    beats = own.annotations
    return {"beats": beats.beats.tolist(), "downbeats": beats.beats[beats.first].tolist(), "metre": "4/4", "fifths": 0,
            "notes": rows}  # fmt: skip


def test_the_truth_is_right_and_faults_are_counted(folder):
    (own,) = find_performances(folder)
    assert len(own.alignment) == 48
    record = perfect(own)
    assert set(check_record(record, own).values()) == {1.0}
    for row in record["notes"]:
        row["duration"] *= 2
        row["quarter"] *= 2
    found = check_record(record, own)
    assert (found["note value"], found["next onset"]) == (0.0, 1.0)
    record["beats"] = record["beats"][::2]
    found = check_record(record, own)
    assert found["any level"] > 0.98 > 0.7 > found["beat"]
    record["notes"] = record["notes"][: len(record["notes"]) // 2]
    assert check_record(record, own)["spelling"] == 0.5


def test_marks_are_kept_and_others_are_read_from_the_order(folder):
    (own,) = find_performances(folder)
    assert own.alignment["marked"].all() and (own.alignment["staff"] == 1).all()
    path = own.midi.with_suffix(".match")
    text = path.read_text().replace("[v1,staff1]", "[]")
    lines = text.splitlines()  # and a bass, which the pianist left out
    lines += [f"snote(n{1000 + bar}-1,[C,n],2,{bar + 1}:1,0,1/1,{4 * bar}.0,{4 * bar + 4}.0,[])-deletion."
              for bar in range(12)]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    (own,) = find_performances(folder)
    rows = own.alignment
    assert len(rows) == 48 and not rows["marked"].any()
    assert (rows["staff"] == 1).all() and (rows["voice"] == 1).all()
    path.write_text(path.read_text().replace("snote(n", "snote(P1-"))
    (own,) = find_performances(folder)  # names that say nothing of their order
    assert np.array_equal(own.alignment["quarter"], rows["quarter"]) and not own.alignment["staff"].any()


def test_targets_follow_the_score_and_variation_keeps_them(folder):
    (own,) = find_performances(folder)
    targets = make_targets(own.performance, own.annotations, own.alignment)
    assert targets.beat.all() and targets.downbeat[::4].all() and targets.downbeat.sum() == 12
    for seed in range(20):
        performance, varied = vary(own.performance, targets, np.random.default_rng(seed))
        assert all(len(getattr(varied, f.name)) == len(performance.notes) for f in fields(Targets))
        known = (varied.name >= 0) & (varied.beat >= 0)
        line = varied.name[known] - 15
        assert ((7 * line - performance.notes["pitch"][known]) % 12 == 0).all()  # the name sounds as the key struck


def test_numpy_hears_what_torch_taught(folder):
    torch = pytest.importorskip("torch")
    from amt_utils.sheet_music.learn_beats import NoteNetwork

    (own,) = find_performances(folder)
    order, key, described = describe_notes(own.performance)
    beat = []
    for weights in split_networks(load_network(WEIGHTS), "notes"):
        net = NoteNetwork().eval()
        net.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        with torch.inference_mode():
            beat.append(net(torch.from_numpy(key)[None], torch.from_numpy(described)[None])[0, :, 0].numpy())
    assert np.abs(np.mean(beat, 0) - read_notes(own.performance).beat[order]).max() < 1e-3


def test_numpy_reads_bars_as_torch_does(folder):
    torch = pytest.importorskip("torch")
    from amt_utils.sheet_music.learn_bars import BarNetwork

    (own,) = find_performances(folder)
    notes, beats = own.performance.notes, own.annotations.beats
    events = find_events(notes)
    odds = []
    for weights in split_networks(load_network(WEIGHTS), "bars"):
        net = BarNetwork().eval()
        net.load_state_dict({n: torch.from_numpy(weights[n]) for n in net.state_dict()})
        described = (describe_beats(notes, events, beats) - weights["mean"]) * weights["scale"]
        with torch.inference_mode():
            odds.append(net(torch.from_numpy(np.clip(described, -4, 4).T.astype(np.float32))[None])[0].numpy())
    assert np.abs(np.mean(odds, 0) - read_bars(notes, events, beats)).max() < 1e-3


def test_beats_are_described_the_same_in_any_key(folder):
    (own,) = find_performances(folder)
    notes, beats = own.performance.notes, own.annotations.beats
    described = describe_beats(notes, find_events(notes), beats)
    assert described.shape == (len(beats), BAR_FEATURES)
    higher = notes.copy()
    higher["pitch"] += 5
    assert np.allclose(describe_beats(higher, find_events(higher), beats), described, atol=1e-5)


def test_what_is_played_is_what_is_written():
    for seed in range(10):
        music = Music(*waltz())
        performance, beats, rows = play(music, np.random.default_rng(seed), notes=60)
        targets = make_targets(performance, beats, rows)
        assert (performance.notes["pitch"][rows["note"]] % 12 == 0).any()
        assert np.allclose(rows["quarter"] % 3, rows["place"] % 3)
        assert np.array_equal(targets.beat == 1, np.isclose(rows["quarter"] % 1, 0))
        assert np.array_equal(targets.downbeat == 1, np.isclose(rows["place"], 0))
        assert (np.diff(beats.beats) > 0).all()


def waltz():
    """Twenty bars of 3/4: a bass, two chords, and a melody of eighths."""
    rows = []
    for bar in range(20):
        rows += [(3 * bar, 1, 48, 2, 1, "C", 0, 3, False, True)]
        rows += [(3 * bar + k, 1, 60 + n, 2, 1, s, 0, 4, False, True) for k in (1, 2) for n, s in ((0, "C"), (4, "E"))]
        rows += [(3 * bar + k / 2, 0.5, 72 + k % 3 * 2, 1, 1, "CDE"[k % 3], 0, 5, False, True) for k in range(6)]
    notes = np.sort(np.array(rows, WRITTEN), order=["quarter", "pitch"])
    return notes, 3.0 * np.arange(20), np.tile([3, 4], (20, 1)), np.zeros(20, int)


def test_networks_of_beats_learn_a_waltz(folder, monkeypatch):
    pytest.importorskip("torch")
    from amt_utils.sheet_music import bar_network, learn_bars

    monkeypatch.setattr(learn_bars, "MEMBERS", 1)
    weights = learn_bars.learn_bars(folder, [], [Music(*waltz())] * 8, steps=60)
    monkeypatch.setattr(bar_network, "load_network", lambda path: {n: v.numpy() for n, v in weights.items()})
    performance, beats, _ = play(Music(*waltz()), np.random.default_rng(99), notes=140)
    odds = read_bars(performance.notes, find_events(performance.notes), beats.beats)
    assert odds[beats.first].mean() > odds[~beats.first].mean() + 1


def test_a_melody_gets_a_left_hand_in_its_key():
    notes, bars, metres, fifths = waltz()
    melody = Music(notes[notes["staff"] == 1], bars, metres, fifths)
    for seed in range(8):
        both = accompany(melody, np.random.default_rng(seed))
        left = both.notes[both.notes["staff"] == 2]
        assert len(left) >= len(bars)
        assert not left["alter"].any()  # C major
        assert ((left["quarter"] >= 0) & (left["quarter"] + left["duration"] <= 60 + 1e-9)).all()
        assert len(both.notes) == len(left) + len(melody.notes)


def test_learning_goes_on_where_it_stopped(folder, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from amt_utils.sheet_music import learn_beats

    monkeypatch.setattr(learn_beats, "BATCH", 2)
    monkeypatch.setattr(learn_beats, "LENGTH", 32)
    monkeypatch.setattr(learn_beats, "SAVE_SECONDS", -1.0)
    (own,) = find_performances(folder)
    played = [(own.performance, make_targets(own.performance, own.annotations, own.alignment))]
    examples = learn_beats.Examples(played, np.ones(1), ([Music(*waltz())], []))
    whole = learn_beats.learn_beats(examples, steps=4)
    draw = learn_beats.draw_batch
    calls = []

    def broken(*arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return draw(*arguments, **options)

    monkeypatch.setattr(learn_beats, "draw_batch", broken)
    with pytest.raises(KeyboardInterrupt):
        learn_beats.learn_beats(examples, steps=4, state=tmp_path / "net.state")
    monkeypatch.setattr(learn_beats, "draw_batch", draw)
    again = learn_beats.learn_beats(examples, steps=4, state=tmp_path / "net.state")
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.allclose(a, b, atol=0.05)  # but for dropout's chance


@pytest.mark.parametrize("metre", ["3/8", "6/8", "4/4", "2/2", "12/8"])
def test_bars_of_any_length_are_as_long_as_their_signature(metre):
    rng = np.random.default_rng(0)
    kind = Metre.parse(metre)
    for _ in range(50):
        bars = np.unique(np.cumsum(rng.integers(1, 9, 12)))
        begins, metres = _write_bars(bars, np.zeros(200, int), [kind], 200)
        assert (np.diff(begins) > 0).all()
        assert len(metres) == len(begins)
        wrong = [m.beats != length for m, length in zip(metres, np.diff(begins).tolist(), strict=False)]
        assert not any(wrong)


def test_the_command_writes_what_it_is_told(folder, tmp_path, capsys):
    pytest.importorskip("verovio")
    pytest.importorskip("typst")
    midi = folder / "Nobody" / "Scale" / "A01.mid"
    beats = tmp_path / "beats.txt"
    beats.write_text("".join(f"{t:.3f}\t{t:.3f}\t{'db' if i % 3 == 0 else 'b'}\n"
                             for i, t in enumerate(0.5 + 0.5 * np.arange(48))))  # fmt: skip
    out = tmp_path / "out"
    assert main(["score", str(midi), "--out", str(out), "--beats", str(beats), "--json", "--pedal", "none"]) == 0
    record = json.loads((out / "A01.score.json").read_text())
    assert record["metre"] in ("3/4", "3/8", "9/8")
    assert len(record["downbeats"]) == 16
    assert {p.suffix for p in out.iterdir()} == {".json", ".musicxml", ".svg", ".pdf"}
    assert main(["score", str(tmp_path / "none.mid"), "--out", str(out)]) == 1
    assert "none.mid" in capsys.readouterr().err


def test_beats_that_are_none(tmp_path):
    path = tmp_path / "beats.txt"
    path.write_text("1.0\tb\nhello\n")
    with pytest.raises(AmtError, match="line 2"):
        read_beats(path)
    path.write_text("1.0\tb\n")
    with pytest.raises(AmtError, match="1 beats"):
        read_beats(path)
    path.write_text("1.0 1.0 db\n2.0 2.0 b\n3\n")
    assert read_beats(path).first.tolist() == [True, False, False]

"""MIDI in and out: what is written is read back to the tick, and what others write is understood."""

import subprocess
import sys

import mido
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mido import Message, MetaMessage

from amt_utils.music.midi import TempoMap, read_midi, read_midi_and_tempo, write_midi
from amt_utils.music.notes import Performance, make_notes, make_pedals
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import shared_data

BEAT = 480  # ticks; half a second at the default tempo


def save(path, *tracks, kind=1, ticks_per_beat=BEAT):
    """Tracks of (absolute tick, message) -> a file."""
    midi = mido.MidiFile(type=kind, ticks_per_beat=ticks_per_beat)
    for events in tracks:
        track, now = mido.MidiTrack(), 0
        for tick, message in events:
            track.append(message.copy(time=tick - now))
            now = tick
        midi.tracks.append(track)
    midi.save(path)
    return path


def on(pitch, velocity=64, channel=0):
    return Message("note_on", note=pitch, velocity=velocity, channel=channel)


def off(pitch, channel=0):
    return Message("note_off", note=pitch, channel=channel)


def pedal(value, control=64, channel=0):
    return Message("control_change", control=control, value=value, channel=channel)


def beats_of(events):
    """(onset, offset, pitch or kind) in beats of half a second."""
    return [(float(e["onset"]) * 2, float(e["offset"]) * 2, int(e[2])) for e in events]


def in_ticks(performance, tempo):
    notes, pedals = performance.notes, performance.pedals
    return (
        sorted(zip(*map(tempo.to_ticks, (notes["onset"], notes["offset"])), notes["pitch"], notes["velocity"])),
        sorted(zip(*map(tempo.to_ticks, (pedals["onset"], pedals["offset"])), pedals["kind"])),
    )


@pytest.mark.parametrize("kind", [0, 1])
def test_both_formats_say_the_same(tmp_path, kind):
    tempo = [(0, MetaMessage("set_tempo", tempo=250_000)), (2 * BEAT, MetaMessage("set_tempo", tempo=1_000_000))]
    right = [(0, on(72)), (BEAT, off(72)), (3 * BEAT, on(74)), (4 * BEAT, off(74))]
    left = [(BEAT, on(40, channel=1)), (4 * BEAT, off(40, channel=1))]
    tracks = [sorted(tempo + right + left, key=lambda e: e[0])] if kind == 0 else [tempo, right, left]
    notes = read_midi(save(tmp_path / "a.mid", *tracks, kind=kind)).notes
    assert notes[["onset", "offset", "pitch"]].tolist() == [(0, 0.25, 72), (0.25, 2.5, 40), (1.5, 2.5, 74)]


def test_running_status_and_note_ons_of_velocity_zero(tmp_path):
    track = bytes([0, 0x90, 60, 64, 96, 60, 0, 0, 62, 80, 96, 62, 0, 0, 0xFF, 0x2F, 0])
    header = b"MThd" + (6).to_bytes(4, "big") + bytes([0, 0, 0, 1, 0, 96])
    path = tmp_path / "a.mid"
    path.write_bytes(header + b"MTrk" + len(track).to_bytes(4, "big") + track)
    assert beats_of(read_midi(path).notes) == [(0, 1, 60), (1, 2, 62)]


def test_notes_never_closed_end_with_the_track(tmp_path):
    track = [(0, on(60)), (BEAT, on(64)), (2 * BEAT, off(64)), (4 * BEAT, MetaMessage("end_of_track"))]
    assert beats_of(read_midi(save(tmp_path / "a.mid", track)).notes) == [(0, 4, 60), (1, 2, 64)]
    last = [(0, on(60)), (BEAT, off(60)), (BEAT, on(60))]  # struck at the very end
    ((a, b, _),) = beats_of(read_midi(save(tmp_path / "b.mid", last)).notes)[1:]
    assert a == 1 < b


def test_overlapping_notes_of_one_key_close_first_in_first_out(tmp_path):
    track = [(0, on(60, 10)), (BEAT, on(60, 20)), (2 * BEAT, off(60)), (3 * BEAT, off(60))]
    notes = read_midi(save(tmp_path / "a.mid", track)).notes
    assert beats_of(notes) == [(0, 2, 60), (1, 3, 60)]
    assert notes["velocity"].tolist() == [10, 20]


def test_a_key_struck_again_without_a_note_off_ends_the_earlier_note(tmp_path):
    track = [(0, on(60)), (BEAT, on(60)), (2 * BEAT, on(60)), (3 * BEAT, off(60))]
    assert beats_of(read_midi(save(tmp_path / "a.mid", track)).notes) == [(0, 1, 60), (1, 2, 60), (2, 3, 60)]


def test_a_note_off_after_the_next_note_on_of_the_same_tick(tmp_path):
    track = [(0, on(60)), (BEAT, on(60)), (BEAT, off(60)), (2 * BEAT, off(60))]
    assert beats_of(read_midi(save(tmp_path / "a.mid", track)).notes) == [(0, 1, 60), (1, 2, 60)]


def test_stray_note_offs_and_keys_beyond_the_piano_are_left_out(tmp_path):
    track = [(0, off(60)), (0, on(20)), (0, on(109)), (0, on(21)), (BEAT, off(20)), (BEAT, off(109)), (BEAT, off(21))]
    assert beats_of(read_midi(save(tmp_path / "a.mid", track)).notes) == [(0, 1, 21)]


def test_three_pedals_of_all_channels_are_joined(tmp_path):
    track = [
        *((0, pedal(63)), (BEAT, pedal(64)), (BEAT, pedal(100)), (2 * BEAT, pedal(90, channel=3))),
        *((3 * BEAT, pedal(0)), (4 * BEAT, pedal(0, channel=3)), (4 * BEAT, pedal(127, 66)), (5 * BEAT, pedal(0, 66))),
        *((5 * BEAT, pedal(127, 67)), (6 * BEAT, MetaMessage("end_of_track"))),
    ]
    assert beats_of(read_midi(save(tmp_path / "a.mid", track)).pedals) == [(1, 4, 0), (4, 5, 1), (5, 6, 2)]


def test_sounding_ends_follow_the_pedal(tmp_path):
    track = [
        (0, on(60)),
        (BEAT // 2, pedal(127)),
        (BEAT, off(60)),
        (3 * BEAT, pedal(0)),
        (4 * BEAT, on(61)),
        (5 * BEAT, off(61)),
    ]
    path = save(tmp_path / "a.mid", track)
    assert beats_of(read_midi(path).notes) == [(0, 1, 60), (4, 5, 61)]
    assert beats_of(read_midi(path, ends="sounding").notes) == [(0, 3, 60), (4, 5, 61)]


def test_of_two_tempos_at_one_tick_the_last_holds(tmp_path):
    tempos = [MetaMessage("set_tempo", tempo=t) for t in (900_000, 250_000)]
    path = save(tmp_path / "a.mid", [*((0, t) for t in tempos), (0, on(60)), (BEAT, off(60))])
    performance, tempo = read_midi_and_tempo(path)
    assert performance.notes["offset"] == [0.25]
    write_midi(tmp_path / "b.mid", performance, tempo=tempo)
    assert read_midi(tmp_path / "b.mid").notes.tolist() == performance.notes.tolist()


def test_seconds_and_ticks_across_tempo_changes():
    tempo = TempoMap(480, ((0, 500_000), (960, 1_000_000), (1920, 250_000)))
    assert tempo.to_seconds([0, 480, 960, 1440, 1920, 2400]).tolist() == [0, 0.5, 1, 2, 3, 3.25]
    ticks = np.arange(0, 5000, 7)
    assert tempo.to_ticks(tempo.to_seconds(ticks)).tolist() == ticks.tolist()
    late = TempoMap(480, ((960, 250_000),))  # the default of half a second holds until then
    assert late.to_seconds(960) == 1.0


def test_metre_key_and_tempo_come_back(tmp_path):
    tempo = TempoMap(96, ((0, 400_000), (96, 700_000)), ((0, 3, 4), (288, 6, 8)), ((0, "F#m"),))
    write_midi(tmp_path / "a.mid", Performance(make_notes([0], [1], [60], [64])), tempo=tempo)
    assert read_midi_and_tempo(tmp_path / "a.mid")[1] == tempo


def test_the_default_is_960_ticks_and_120_beats_a_minute(tmp_path):
    write_midi(tmp_path / "a.mid", Performance(make_notes([0.5], [1], [60], [64])))
    midi = mido.MidiFile(tmp_path / "a.mid")
    assert (midi.type, midi.ticks_per_beat) == (1, 960)
    starts = [m.time for m in midi.tracks[1] if m.type == "note_on"]
    assert starts == [960]


tempo_maps = st.builds(
    lambda resolution, first, changes: TempoMap(
        resolution, tuple(sorted({0: first, **dict(changes)}.items())), ((0, 3, 4),), ((0, "Bb"),)
    ),
    st.sampled_from([24, 96, 384, 480, 960, 9600]),
    st.integers(100_000, 3_000_000),
    st.lists(st.tuples(st.integers(1, 20_000), st.integers(100_000, 3_000_000)), max_size=5),
)
note_rows = st.lists(
    st.tuples(st.integers(0, 30_000), st.integers(1, 9_000), st.integers(59, 62), st.integers(1, 127)), max_size=14
)
pedal_rows = st.lists(st.tuples(st.integers(0, 30_000), st.integers(1, 9_000), st.integers(0, 2)), max_size=8)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tempo_maps, note_rows, pedal_rows)
def test_round_trip_to_the_tick(tmp_path, tempo, notes, pedals):
    """Any notes, also nested and simultaneous ones of one key, any pedals, any tempo changes."""
    on, length, pitch, velocity = np.array(notes, dtype=int).reshape(-1, 4).T
    press, hold, kind = np.array(pedals, dtype=int).reshape(-1, 3).T
    seconds = tempo.to_seconds
    performance = Performance(
        make_notes(seconds(on), seconds(on + length), pitch, velocity),
        make_pedals(seconds(press), seconds(press + hold), kind),
    )
    again, tempo_again = read_midi_and_tempo(write_midi(tmp_path / "a.mid", performance, tempo=tempo))
    assert tempo_again == tempo
    assert in_ticks(again, tempo) == in_ticks(performance, tempo)


def _one_at_a_time(rows):
    """Rows (on, length, key, ...) without those that begin while another of the same key lasts."""
    until, kept = {}, []
    for on_tick, length, key, *rest in sorted(rows):
        if on_tick >= until.get(key, 0):
            until[key] = on_tick + length
            kept.append((on_tick, length, key, *rest))
    return kept


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(note_rows, pedal_rows)
def test_what_pretty_midi_writes_is_the_same_performance(tmp_path, notes, pedals):
    on, length, pitch, velocity = np.array(_one_at_a_time(notes), dtype=int).reshape(-1, 4).T
    press, hold, kind = np.array(_one_at_a_time(pedals), dtype=int).reshape(-1, 3).T
    seconds = TempoMap().to_seconds
    performance = Performance(
        make_notes(seconds(on), seconds(on + length), pitch, velocity),
        make_pedals(seconds(press), seconds(press + hold), kind),
    )
    performance.to_pretty_midi().write(str(tmp_path / "a.mid"))
    again, tempo = read_midi_and_tempo(tmp_path / "a.mid")
    assert (tempo.ticks_per_beat, tempo.tempos) == (960, ((0, 500_000),))
    assert in_ticks(again, tempo) == in_ticks(performance, tempo)


def test_pretty_midi_has_velocities_and_one_control_change_per_press_and_release():
    performance = Performance(
        make_notes([0.5, 1], [1, 1.5], [60, 64], [10, 127]), make_pedals([0.25, 0.5, 0.75], [1, 2, 3], [0, 1, 2])
    )
    (piano,) = performance.to_pretty_midi().instruments
    assert not piano.is_drum
    assert [(n.start, n.end, n.pitch, n.velocity) for n in piano.notes] == performance.notes.tolist()
    changes = sorted((c.time, c.number, c.value) for c in piano.control_changes)
    down, up = [(0.25, 64, 127), (0.5, 66, 127), (0.75, 67, 127)], [(1, 64, 0), (2, 66, 0), (3, 67, 0)]
    assert changes == down + up


def test_pretty_midi_keeps_an_hour_to_the_tick(tmp_path):
    times = np.arange(0.0, 3600, 1.2345)
    performance = Performance(
        make_notes(times, times + 0.3, 40 + np.arange(len(times)) % 40, np.full(len(times), 64)),
        make_pedals(times, times + 1, np.arange(len(times)) % 3),
    )
    performance.to_pretty_midi().write(str(tmp_path / "a.mid"))
    again = read_midi(tmp_path / "a.mid")
    for events, kept in ((performance.notes, again.notes), (performance.pedals, again.pedals)):
        for name in ("onset", "offset"):
            assert np.abs(events[name] - kept[name]).max() <= 0.5 / 1920 + 1e-9


def test_a_pedal_changed_at_once_stays_two_on_several_channels(tmp_path):
    notes = make_notes([0, 0], [4, 3], [60, 60], [64, 64])  # one key twice takes two channels
    pedals = make_pedals([0, 1], [1, 2], [0, 0])
    again = read_midi(write_midi(tmp_path / "a.mid", Performance(notes, pedals)))
    assert again.pedals.tolist() == pedals.tolist()


@pytest.mark.skipif(shared_data() is None, reason="no shared data")
def test_round_trip_of_real_performances(tmp_path):
    for path in sorted((shared_data() / "maps_real_dev").glob("*.mid"))[:3]:
        performance, tempo = read_midi_and_tempo(path)
        assert len(performance.notes) > 100
        again, tempo_again = read_midi_and_tempo(write_midi(tmp_path / "a.mid", performance, tempo=tempo))
        assert in_ticks(again, tempo_again) == in_ticks(performance, tempo)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_refused_or_read_but_never_crashes(tmp_path, data):
    path = tmp_path / "a.mid"
    if not path.exists():
        write_midi(path, Performance(make_notes([0, 1], [1, 2], [60, 61], [64, 65]), make_pedals([0], [1], [0])))
        (tmp_path / "whole").write_bytes(path.read_bytes())
    content = bytearray((tmp_path / "whole").read_bytes())
    if data.draw(st.booleans()):
        path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        with pytest.raises(AmtError, match=r"a\.mid: "):
            read_midi(path)
    else:
        for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[position] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        try:
            read_midi(path)
        except AmtError as error:
            assert "a.mid: " in str(error)


def test_what_is_no_midi_is_refused_by_name(tmp_path):
    for name, content in {"empty.mid": b"", "text.mid": b"notes, honestly" * 20, "short.mid": b"MThd\0\0"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(AmtError, match=name):
            read_midi(tmp_path / name)
    for missing in (tmp_path / "none.mid", tmp_path):
        with pytest.raises(AmtError, match="no such MIDI file"):
            read_midi(missing)
    with pytest.raises(AmtError, match="format 2"):
        read_midi(save(tmp_path / "two.mid", [(0, on(60)), (9, off(60))], kind=2))
    smpte = save(tmp_path / "smpte.mid", [(0, on(60)), (9, off(60))])
    content = bytearray(smpte.read_bytes())
    content[12:14] = bytes([0xE7, 40])  # 25 frames a second, 40 ticks a frame
    smpte.write_bytes(content)
    with pytest.raises(AmtError, match="SMPTE"):
        read_midi(smpte)


def test_any_name_and_folder_will_do(tmp_path):
    path = tmp_path / "new" / "Étude – 練習曲.mid"
    write_midi(path, Performance(make_notes([0], [1], [60], [64])), name="Étude – 練習曲")
    assert len(read_midi(path).notes) == 1
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = write_midi(tmp_path / "a.mid", Performance(make_notes([0], [1], [60], [64])))
    before = path.read_bytes()
    program = """
import resource, signal, sys
import numpy as np
from amt_utils.system.errors import AmtError
from amt_utils.music.midi import write_midi
from amt_utils.music.notes import Performance, make_notes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
onset = np.arange(1000.0)
try:
    write_midi(sys.argv[1], Performance(make_notes(onset, onset + 1, np.full(1000, 60), np.full(1000, 64))))
except AmtError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert "could not be written" in ran.stdout
    assert path.read_bytes() == before
    assert list(tmp_path.glob("*partial*")) + list(tmp_path.glob(".*partial*")) == []


def test_notes_are_checked_before_anything_is_written(tmp_path):
    notes = make_notes([0], [1], [60], [64])
    notes["offset"] = 0
    with pytest.raises(AmtError, match="not after its onset"):
        write_midi(tmp_path / "a.mid", Performance(notes))
    assert not (tmp_path / "a.mid").exists()

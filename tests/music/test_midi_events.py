"""Bytes of MIDI files: what others write is understood, what is damaged is refused, and mido says the same of both."""

from __future__ import annotations

from collections import Counter

import mido
import numpy as np
import pytest
from helpers_fuzz import damages

from amt_utils.music.midi import TempoMap, read_midi, read_midi_and_tempo, write_midi
from amt_utils.music.midi_events import read_events
from amt_utils.music.notes import Performance, make_notes, make_pedals
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import example_files, shared_data

END = "00 FF 2F 00"
FOUR_NOTES = "00 90 3C 40 60 3C 00 00 3E 40 60 3E 00 00 40 40 60 40 00 00 41 40 60 41 00"
STARTS = [(0, 0.5), (0.5, 1), (1, 1.5), (1.5, 2)]


def chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "big") + content


def midi_file(*tracks: str, kind=1, division=96, between=b"") -> bytes:
    """Tracks as hexadecimal text -> a file."""
    header = chunk(b"MThd", b"".join(n.to_bytes(2, "big") for n in (kind, len(tracks), division)))
    return header + between + b"".join(chunk(b"MTrk", bytes.fromhex(track)) for track in tracks)


@pytest.fixture
def read(tmp_path):
    def read(content: bytes) -> Performance:
        (tmp_path / "a.mid").write_bytes(content)
        return read_midi(tmp_path / "a.mid")

    return read


def spans(events: np.ndarray) -> list[tuple[float, float]]:
    return [(float(e["onset"]), float(e["offset"])) for e in events]


@pytest.mark.parametrize(
    "meta",
    [
        "FF 59 02 FE FF", "FF 59 02 08 00", "FF 59 02 EE 00", "FF 59 02 00 02", "FF 59 01 00", "FF 59 00",
        "FF 58 02 04 02", "FF 58 01 04", "FF 58 04 00 02 18 08", "FF 58 04 04 FF 18 08",
        "FF 51 02 07 A1", "FF 51 03 00 00 00", "FF 51 00", "FF 54 05 FF FF FF FF FF", "FF 54 01 00",
        "FF 20 00", "FF 21 00", "FF 00 01 00", "FF 7F 00", "FF 60 03 01 02 03", "F0 03 01 02 F7", "F7 02 F3 01",
    ],
)  # fmt: skip
def test_metas_that_mean_nothing_are_skipped(read, meta):
    assert spans(read(midi_file(f"00 {meta} {FOUR_NOTES} {END}")).notes) == STARTS


def test_key_signatures_have_the_names_that_are_written_again(tmp_path):
    for sharps in range(-7, 8):
        for mode in (0, 1):
            track = f"00 FF 59 02 {sharps % 256:02X} {mode:02X} {FOUR_NOTES} {END}"
            (tmp_path / "a.mid").write_bytes(midi_file(track))
            performance, tempo = read_midi_and_tempo(tmp_path / "a.mid")
            write_midi(tmp_path / "b.mid", performance, tempo=tempo)
            assert read_midi_and_tempo(tmp_path / "b.mid")[1] == tempo
            (key,) = (m.key for m in mido.MidiFile(tmp_path / "a.mid").tracks[0] if m.type == "key_signature")
            assert tempo.key_signatures == ((0, key),)


@pytest.mark.parametrize("before", [b"", b"LIST\4\0\0\0INFO"])
def test_a_riff_around_it_is_taken_off(read, before):
    whole = midi_file(f"{FOUR_NOTES} {END}")
    data = b"RMID" + before + b"data" + len(whole).to_bytes(4, "little") + whole + b"\0" * (len(whole) % 2)
    assert spans(read(b"RIFF" + len(data).to_bytes(4, "little") + data).notes) == STARTS
    with pytest.raises(AmtError, match="RIFF without a MIDI"):
        read(b"RIFF\4\0\0\0RMID")


def test_chunks_of_other_kinds_are_skipped(read):
    alien = chunk(b"XFIH", bytes(range(33)))
    track = f"{FOUR_NOTES} {END}"
    assert spans(read(midi_file(track, between=alien)).notes) == STARTS
    for after in (alien, b"\0", bytes(100), b"XFKM\xff\xff\xff\xff"):
        assert spans(read(midi_file(track) + after).notes) == STARTS


def test_a_longer_header_and_more_tracks_than_it_says(read):
    whole = midi_file(f"{FOUR_NOTES} {END}", f"{FOUR_NOTES.replace('90', '91')} {END}")
    assert len(read(whole).notes) == 8
    assert len(read(whole[:11] + b"\1" + whole[12:]).notes) == 8
    longer = whole[:7] + b"\x08" + whole[8:14] + b"\0\0" + whole[14:]
    assert len(read(longer).notes) == 8
    with pytest.raises(AmtError, match=r"a\.mid: .*cut short"):
        read(whole[:11] + b"\3" + whole[12:])


def test_channel_ten_is_percussion(read):
    drums = "00 99 24 7F 10 24 00 20 B9 40 7F 20 40 00"
    performance = read(midi_file(f"{drums} {FOUR_NOTES} {END}", f"{drums} {END}"))
    assert len(performance.notes) == 4 and not len(performance.pedals)


@pytest.mark.parametrize("system", ["F1 00", "F2 00 00", "F3 00", "F6"])
def test_a_system_message_ends_the_running_status(read, system):
    again = f"00 90 3C 40 60 {system} 00 90 3C 00 {END}"
    assert spans(read(midi_file(again)).notes) == STARTS[:1]
    with pytest.raises(AmtError, match="data without a status"):
        read(midi_file(again.replace("00 90 3C 00", "00 3C 00")))


@pytest.mark.parametrize("controller", ["78", "7B", "7C", "7D", "7E", "7F"])
def test_all_notes_off_ends_what_is_open_on_its_channel(read, controller):
    track = f"00 90 3C 40 00 3E 40 00 91 40 40 60 B0 {controller} 00 60 91 40 00 60 B0 {controller} 00 {END}"
    notes = read(midi_file(track)).notes
    assert [(*span, pitch) for span, pitch in zip(spans(notes), notes["pitch"].tolist())] == [
        (0, 0.5, 60), (0, 0.5, 62), (0, 1, 64)
    ]  # fmt: skip


def test_all_notes_off_where_nothing_is_open_changes_nothing(read):
    opening = " ".join(f"00 B{c:X} 7B 00 00 B{c:X} 79 00" for c in range(16))
    assert spans(read(midi_file(f"{opening} {FOUR_NOTES} {opening} {END}")).notes) == STARTS


def test_reset_all_controllers_lifts_the_pedals_of_its_channel(read):
    pedals = read(midi_file(f"00 B0 40 7F 00 43 7F 00 B1 42 7F 60 B0 79 00 60 B1 42 00 {END}")).pedals
    assert dict(zip(pedals["kind"].tolist(), pedals["offset"].tolist())) == {0: 0.5, 1: 1.0, 2: 0.5}


def test_a_note_never_closed_ends_with_its_track(read):
    performance = read(midi_file("00 90 3C 40 60 3E 40 60 3E 00 84 00 FF 2F 00", f"{FOUR_NOTES} {END}"))
    assert (0.0, float((96 + 96 + 512) / 96 / 2)) in spans(performance.notes)


def test_days_of_nothing_are_no_music(read):
    with pytest.raises(AmtError, match=r"comes after [\d,]+ days"):
        read(midi_file(f"00 90 3C 40 FF FF FF 7F 3C 00 {END}", division=1))


def test_events_that_do_not_fit_their_track_are_refused(read):
    whole = midi_file(f"{FOUR_NOTES} {END}")
    for content in (
        whole[:18] + (100).to_bytes(4, "big") + whole[22:],  # longer than the file
        whole[:18] + (8).to_bytes(4, "big") + whole[22:],  # ends within an event
        midi_file(f"60 3C 40 {END}"),  # data without a status
        midi_file(f"FF FF FF FF 7F 90 3C 40 {END}"),  # a delta of five bytes
        midi_file("00 FF 01 7F 41"),  # a text longer than its track
        midi_file(f"00 F9 {FOUR_NOTES} {END}"),  # a status that means nothing
    ):
        with pytest.raises(AmtError, match=r"a\.mid: not a readable MIDI file"):
            read(content)


# ---- mido reads the same


def read_with_mido(path) -> list[tuple[int, int, int, int, int]]:
    """(track, tick, status, data, data) of notes and control changes."""
    rows = []
    for number, track in enumerate(mido.MidiFile(path, clip=True).tracks):
        tick = 0
        for message in track:
            tick += message.time
            if message.type in ("note_on", "note_off", "control_change"):
                rows.append((number, tick, *message.bytes()))
    return rows


@pytest.fixture
def tolerant_mido(monkeypatch):
    """A mido that makes an unknown meta of what it cannot parse, and so refuses no file for its sake."""
    module = mido.midifiles.midifiles
    build = module.build_meta_message

    def build_or_skip(meta_type, data, delta=0):
        try:
            return build(meta_type, data, delta)
        except Exception:
            return mido.UnknownMetaMessage(meta_type, data, delta)

    monkeypatch.setattr(module, "build_meta_message", build_or_skip)


def seeds(tmp_path) -> dict[str, bytes]:
    tempo = TempoMap(96, ((0, 400_000), (96, 700_000)), ((0, 3, 4),), ((0, "F#m"),))
    onset = np.arange(20) / 4
    performance = Performance(
        make_notes(onset, onset + 0.3, 60 + np.arange(20) % 7, 30 + np.arange(20)), make_pedals([0, 2], [1, 3], [0, 2])
    )
    write_midi(tmp_path / "written.mid", performance, tempo=tempo)
    found = [tmp_path / "written.mid", example_files()[1]]
    contents = {path.name: path.read_bytes() for path in found}
    second = f"00 FF 20 01 01 {FOUR_NOTES} 00 B0 40 7F 60 40 00 {END}"
    contents["running.mid"] = midi_file(f"{FOUR_NOTES} {END}", second)
    return contents


def fuzz_midi(tmp_path, n: int, seed: int = 0) -> Counter:
    """``n`` damaged files -> how many were refused, how many read as mido reads them, and what went wrong."""
    outcomes: Counter = Counter()
    path = tmp_path / "fuzzed.mid"
    for name, way, content in damages(seeds(tmp_path), n, seed):
        path.write_bytes(content)
        try:
            ours = [tuple(row) for row in read_events(path).messages.tolist()]
            ours = [row for row in ours if row[0] < int.from_bytes(content[10:12], "big")]  # mido believes the header
            read_midi(path)
        except AmtError as error:
            assert "fuzzed.mid: " in str(error)
            outcomes["refused"] += 1
            continue
        try:
            theirs = read_with_mido(path)
        except Exception as error:
            outcomes[f"read, mido refuses: {type(error).__name__} {error}"] += 1
            continue
        outcomes["read as mido does" if ours == theirs else f"read otherwise than mido: {name} {way}"] += 1
    return outcomes


def test_500_damaged_files_are_refused_or_read_as_mido_reads_them(tmp_path, tolerant_mido):
    outcomes = fuzz_midi(tmp_path, 500)
    print(outcomes)
    assert sum(outcomes.values()) == 500
    assert outcomes["refused"] + outcomes["read as mido does"] >= 500, outcomes
    assert min(outcomes["refused"], outcomes["read as mido does"]) > 50


@pytest.mark.skipif(shared_data() is None, reason="no shared data")
def test_real_performances_are_read_as_mido_reads_them():
    for path in sorted((shared_data() / "maps_real_dev").glob("*.mid"))[:4]:
        assert [tuple(row) for row in read_events(path).messages.tolist()] == read_with_mido(path)

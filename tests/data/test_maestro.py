"""MAESTRO's metadata, its splits and choosing from it."""

import collections
import shutil
import zipfile

import pytest

from amt_utils.data.maestro.catalogue import (
    NAME,
    SPLITS,
    Piece,
    open_maestro,
    parse_metadata,
    read_metadata,
    unpack_midi,
)
from amt_utils.data.maestro.miniature import make_miniature
from amt_utils.data.maestro.splits import find_leaks, select, without_leaks
from amt_utils.system.errors import AmtError
from amt_utils.system.paths import shared_data

HEADER = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration\n"


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    return open_maestro(make_miniature(tmp_path_factory.mktemp("mini"), sample_rate=16_000, stereo=False))


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    if shared_data() is None:
        pytest.skip("no shared data here")
    with zipfile.ZipFile(shared_data() / f"{NAME}-midi.zip") as zipped:
        return parse_metadata(zipped.read(f"{NAME}/{NAME}.csv").decode("utf-8"))


def piece(title="Sonata", split="train", composer="A", number=0, duration=100.0):
    name = f"2004/{composer}-{title}-{split}-{number}"
    return Piece(composer, title, split, 2004, name + ".midi", name + ".wav", duration)


def test_every_piece_finds_its_files_whatever_the_suffix(mini, tmp_path):
    assert len(mini.with_audio()) == len(mini.pieces) == 12
    shutil.copytree(mini.root, tmp_path / NAME)
    first = mini.pieces[0]
    (tmp_path / NAME / first.midi).rename(tmp_path / NAME / f"{first.stem}.mid")
    (tmp_path / NAME / first.audio).unlink()
    moved = open_maestro(tmp_path)
    assert moved.midi_path(moved.pieces[0]).suffix == ".mid"
    assert len(moved.with_audio()) == 11
    with pytest.raises(AmtError, match="no audio file"):
        moved.audio_path(moved.pieces[0])


def test_opening_without_a_source_prefers_real_data_and_falls_back_on_the_miniature(mini, tmp_path, monkeypatch):
    monkeypatch.setenv("AMT_DATA", str(tmp_path))
    monkeypatch.setenv("AMT_SHARED_DATA", "")
    monkeypatch.delenv("AMT_MINI", raising=False)
    assert open_maestro().root == tmp_path / "miniature" / NAME
    shutil.copytree(mini.root, tmp_path / NAME, ignore=shutil.ignore_patterns("*.wav"))
    assert open_maestro().root == tmp_path / NAME
    assert open_maestro(audio=True).root == tmp_path / "miniature" / NAME
    monkeypatch.setenv("AMT_MINI", "1")
    assert open_maestro().root == tmp_path / "miniature" / NAME
    with pytest.raises(AmtError, match="no MAESTRO here"):
        open_maestro(tmp_path / "elsewhere")


def test_zip_with_midi_is_unpacked_once_and_damage_is_named(mini, tmp_path):
    archive = shutil.make_archive(tmp_path / "midi", "zip", mini.root.parent, NAME)
    root = unpack_midi(archive, tmp_path / "out")
    assert read_metadata(root) == list(mini.pieces)
    assert not list(root.rglob("*.wav"))
    data = bytearray((tmp_path / "midi.zip").read_bytes())
    with zipfile.ZipFile(archive) as zipped:
        info = zipped.getinfo(f"{NAME}/{mini.pieces[3].midi}")
    data[info.header_offset + 120] ^= 0xFF
    (tmp_path / "bad.zip").write_bytes(data)
    with pytest.raises(AmtError, match=r"bad\.zip: cannot be unpacked"):
        unpack_midi(tmp_path / "bad.zip", tmp_path / "out2")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("A,B,dev,2004,a.midi,a.wav,1.0\n", "line 2: split 'dev'"),
        ("A,B,train,MMIV,a.midi,a.wav,1.0\n", "line 2: year or duration"),
        ("A,B,train,2004,../a.midi,a.wav,1.0\n", "leaves the data set's folder"),
        ("A,B,train,2004\n", "line 2: cut short"),
    ],
)
def test_bad_metadata_is_named_by_line(line, message):
    with pytest.raises(AmtError, match=message):
        parse_metadata(HEADER + line)


def test_leaks_are_found_by_title_and_by_catalogue_number():
    pieces = [
        piece("Sonata in D Major, Hob. XVI:24", "validation"),
        piece("SONATA in D major Hob XVI 24", "test"),
        piece("Sonata in F Major, K. 280, 1st mov.", "train"),
        piece("Sonata in F Major, K280", "test"),
        piece("Impromptu Op. 142 No. 1, D. 935", "train"),
        piece("Impromptu Op. 142 No. 3, D. 935", "test"),
        piece("Etudes Op. 10, No. 2", "train", composer="B"),
        piece("Etude Op. 10, No. 2", "train", composer="B"),
    ]
    leaks = find_leaks(pieces)
    assert [(leak.sure, leak.splits) for leak in leaks] == [(True, ("validation", "test")), (False, ("train", "test"))]
    kept, excluded = without_leaks(pieces)
    assert [p for p, _ in excluded] == [pieces[0], pieces[2]]
    assert "is also in test" in excluded[0][1]
    assert not find_leaks(kept)


def test_miniature_has_no_leaks(mini):
    assert find_leaks(mini.pieces) == []


def test_real_split_sizes_and_known_leaks(real):
    assert collections.Counter(p.split for p in real) == {"train": 962, "validation": 137, "test": 177}
    assert sum(p.duration for p in real) / 3600 == pytest.approx(198.7, abs=0.05)
    leaks = find_leaks(real)
    assert sum(leak.sure for leak in leaks) == 5  # the published split is not quite free of them
    kept, excluded = without_leaks(real)
    assert not find_leaks(kept) and len(excluded) == 7
    assert sum(p.split == "test" for p in kept) == 177


def test_fraction_keeps_proportions_is_deterministic_and_nested(real):
    tenth, third = select(real, fraction=0.1), select(list(reversed(real)), fraction=1 / 3)
    assert set(tenth) < set(third)
    for split in SPLITS:
        hours = {name: sum(p.duration for p in some if p.split == split) for name, some in
                 (("all", real), ("tenth", tenth), ("third", third))}  # fmt: skip
        assert hours["tenth"] / hours["all"] == pytest.approx(0.1, abs=0.02)
        assert hours["third"] / hours["all"] == pytest.approx(1 / 3, abs=0.02)


def test_conditions_of_a_selection(real):
    some = select(real, splits=["test"], years=[2009, 2011], composers=["frederic chopin", "Liszt"], max_seconds=300)
    assert some and all(p.split == "test" and p.year in (2009, 2011) and p.duration <= 300 for p in some)
    assert {"Frédéric Chopin", "Franz Liszt"} <= {p.composer for p in some}
    assert {p.split for p in select(real, fraction=1e-6)} == set(SPLITS)
    with pytest.raises(AmtError, match="none of the"):
        select(real, composers=["Nobody"])
    with pytest.raises(AmtError, match="fraction"):
        select(real, fraction=2)

"""Pictures show what they are given: bars where notes are, bins where frequencies are, labels where events are."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")
import matplotlib.pyplot as plt

from amt_utils.config import Config, FeatureConfig
from amt_utils.data.library import Recording, find_recordings
from amt_utils.data.maestro.catalogue import open_maestro
from amt_utils.data.maestro.miniature import make_miniature
from amt_utils.figures import excerpts, feature_figures
from amt_utils.figures.plots import (
    overlay_labels,
    overlay_notes,
    pitch_name,
    plot_roll,
    plot_spectrogram,
    plot_waveform,
)
from amt_utils.figures.training_figures import plot_events
from amt_utils.music.notes import SOFT, SUSTAIN, Performance, make_notes, make_pedals
from amt_utils.training.run_log import RunLog
from amt_utils.training.targets import make_rolls


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    maestro = open_maestro(make_miniature(tmp_path_factory.mktemp("mini"), sample_rate=16_000, stereo=False))
    names = [p.title for p in maestro.pieces]
    return [Recording(n, maestro.audio_path(p), maestro.midi_path(p)) for n, p in zip(names, maestro.pieces)]


NOTES = make_notes([0.5, 1.0, 1.2], [1.0, 2.0, 2.5], [60, 64, 67], [40, 80, 120])
PEDALS = make_pedals([0.6, 0.2], [1.9, 1.0], [SUSTAIN, SOFT])


def test_roll_draws_every_note_and_pedal_on_the_given_axes():
    _, ax = plt.subplots()
    assert plot_roll(NOTES, pedals=PEDALS, ax=ax) is ax
    bars = ax.collections[0]
    corners = [path.vertices for path in bars.get_paths()]
    assert [(c[0, 0], c[2, 0]) for c in corners] == [(n["onset"], n["offset"]) for n in NOTES]
    assert bars.get_array().tolist() == [40, 80, 120]
    assert {t.get_text().strip() for t in ax.texts} == {"sustain", "soft"}
    part = plot_roll(NOTES, start=1.1, end=2.0)
    assert len(part.collections[0].get_paths()) == 2 and part.get_xlim() == (1.1, 2.0)
    assert plot_roll(NOTES[:0]).get_xlabel() == "time (s)"
    assert (pitch_name(60), pitch_name(21), pitch_name(108)) == ("C4", "A0", "C8")


def test_a_tone_is_drawn_at_its_key():
    config = FeatureConfig(kind="cqt")
    values = np.zeros((50, config.n_bins), np.float32)
    values[:, (69 - 21) * 4 : (69 - 21) * 4 + 4] = 1  # the four bins of A4
    ax = plot_spectrogram(values, frame_seconds=0.02, start=3.0, lowest_pitch=21, bins_per_key=4)
    left, right, bottom, top = ax.images[0].get_extent()
    rows = np.flatnonzero(ax.images[0].get_array()[:, 0])
    keys = bottom + (rows + 0.5) * (top - bottom) / values.shape[1]
    assert keys.mean() == pytest.approx(69) and (keys.min() > 68.5 and keys.max() < 69.5)
    assert (left, right) == pytest.approx((2.99, 3.99))
    overlay_notes(NOTES, ax=ax, harmonic=2)
    assert ax.lines[-1].get_ydata().tolist() == [72, 76, 79]


def test_labels_lie_on_their_cells():
    config = Config().replace(target={"mode": "grid"})
    rolls = make_rolls(Performance(NOTES), 150, config)
    ax = plot_spectrogram(np.zeros((150, 352)), frame_seconds=0.02, lowest_pitch=21)
    overlay_labels(rolls, frame_seconds=0.02, ax=ax)
    onset = ax.images[-1].get_array()[..., 3]
    assert set(zip(*np.nonzero(onset))) == {(60 - 21, 25), (64 - 21, 50), (67 - 21, 60)}
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["onset", "offset", "frame"]


def test_waveform_keeps_its_extremes():
    audio = np.zeros(32_000, np.float32)
    audio[20_001] = 0.7
    ax = plot_waveform(audio, start=5.0)
    assert ax.get_xlim() == (5.0, 7.0) and ax.dataLim.y1 == pytest.approx(0.7)
    assert plot_waveform(audio[:4000]).lines


@pytest.mark.parametrize("hop", [160, 320, 1024])
def test_an_excerpts_features_are_those_of_the_whole(recordings, hop):
    import torch

    from amt_utils.audio.features import make_feature
    from amt_utils.audio.reading import load_audio

    config = FeatureConfig(hop_length=hop)
    excerpt = excerpts.load_excerpt(recordings[0], start=150 * 0.02, seconds=2.0)
    values = excerpt.feature(config)
    assert values.shape == (3, round(2.0 / config.frame_seconds), 352)
    assert len(excerpt.samples) == 32_000 and excerpt.notes["offset"].min() > 3.0
    if 3.0 % config.frame_seconds < 1e-9 or hop < 1024:  # the frames coincide
        whole = make_feature(config)(torch.from_numpy(load_audio(recordings[0].audio))[None])[0].numpy()
        first = round(3.0 / config.frame_seconds)
        assert np.abs(values[:, :, 100:] - whole[:, first : first + values.shape[1], 100:]).max() < 0.02


def test_the_lonely_note_and_every_figure(recordings):
    take, note = excerpts.find_lonely_note(recordings)
    excerpt = excerpts.load_excerpt(take, note["onset"] - 0.6, 1.5)
    assert excerpt.start == pytest.approx(note["onset"] - 0.6, abs=0.01)
    ax = feature_figures.plot_note(excerpt, note)
    level = ax.lines[0].get_ydata()[(ax.lines[0].get_xdata() > note["onset"] + 0.05)][0]
    before = ax.lines[0].get_ydata()[ax.lines[0].get_xdata() < note["onset"] - 0.15][-1]
    assert level > before + 20  # an attack can be seen
    assert len(feature_figures.plot_harmonic_stack(excerpt, note)) == 2
    assert len(feature_figures.plot_views(excerpt)) == 4
    assert len(feature_figures.plot_channels(excerpt)) == 3
    assert feature_figures.plot_resolutions(excerpt, hops=(320, 640), bins=(12, 48)).shape == (2, 2)


def test_sliders_follow_the_recording(recordings, monkeypatch):
    pytest.importorskip("ipywidgets")
    drawn, load = [], excerpts.load_excerpt
    monkeypatch.setattr(feature_figures, "load_excerpt", lambda *args: drawn.append(args) or load(*args))
    which, times, choice, _ = feature_figures.explore(recordings[:2]).children
    assert drawn == [(recordings[0], 0.0, 4.0)]
    times.children[0].value = 3.0
    choice.children[0].value = 2.0
    assert drawn[-1] == (recordings[0], 3.0, 4.0)
    which.value = recordings[1]
    assert drawn[-1][0] is recordings[1] and times.children[0].value == 0.0
    from amt_utils.audio.reading import audio_duration

    assert times.children[0].max == pytest.approx(audio_duration(recordings[1].audio) - 0.5)


def test_recordings_prefer_the_miniature_when_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("AMT_MINI", "1")
    monkeypatch.setenv("AMT_DATA", str(tmp_path))
    found = find_recordings(limit=3)
    assert len(found) == 3 and all("After" in str(take) and take.audio.is_file() for take in found)


def test_event_files_are_drawn_where_tensorboard_cannot_run(tmp_path):
    for run, losses in (("one", [3.0, 2.0]), ("two", [4.0])):
        (tmp_path / run).mkdir()
        RunLog(tmp_path / run).append([{"step": k + 1, "loss": x, "onset": x / 2} for k, x in enumerate(losses)])
    loss, onset, *rest = plot_events(tmp_path)
    assert (loss.get_title(), onset.get_title()) == ("train/loss", "train/onset")
    drawn = {line.get_label(): line.get_xydata().tolist() for line in loss.get_lines()}
    assert drawn == {"one": [[1, 3], [2, 2]], "two": [[1, 4]]}
    assert not any(ax.axison for ax in rest)

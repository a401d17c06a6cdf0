"""The transform is physics: a sine lands in its bin, a chunk equals the whole, librosa agrees."""

import numpy as np
import pytest
import torch

from amt_utils.audio.features import CQT, HCQT, LogMel, bin_frequencies, compress, make_feature
from amt_utils.config import FeatureConfig
from amt_utils.system.errors import AmtError

RATE = 16_000


def sine(pitch: float, seconds: float = 2.0, amplitude: float = 1.0) -> torch.Tensor:
    time = np.arange(int(seconds * RATE)) / RATE
    return torch.from_numpy(amplitude * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time)).float()[None]


@pytest.fixture(scope="module")
def noise() -> torch.Tensor:
    return 0.1 * torch.randn(1, 12 * RATE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("pitch", [21, 33, 45, 60, 72, 84, 96, 108])
def test_each_key_peaks_in_the_middle_of_its_four_bins(pitch):
    # a stationary sine at the key's frequency: its two middle bins are equal and the largest
    middle = HCQT(FeatureConfig(harmonics=(1.0,)))(sine(pitch))[0, 0, 50]
    first = 4 * (pitch - 21)
    assert int(middle.argmax()) in (first + 1, first + 2)
    assert abs(float(middle[first + 1] - middle[first + 2])) < 0.01


def test_a_full_scale_sine_at_a_bins_centre_has_magnitude_one():
    frequencies = bin_frequencies(352)
    cqt = CQT(frequencies)
    for k in (20, 100, 200, 300):
        pitch = 69 + 12 * np.log2(frequencies[k] / 440)
        assert float(cqt(sine(pitch))[0, 50, k]) == pytest.approx(1.0, abs=0.02)


def test_a_rising_chirp_rises_through_the_bins():
    time = np.arange(4 * RATE) / RATE
    low, high = 110.0, 3520.0
    rate = np.log(high / low) / 4
    chirp = torch.from_numpy(np.sin(2 * np.pi * low * (np.exp(rate * time) - 1) / rate)).float()[None]
    peaks = HCQT(FeatureConfig(harmonics=(1.0,)))(chirp)[0, 0].argmax(dim=-1).numpy()[10:190]
    heard = bin_frequencies(352)[peaks]
    expected = low * np.exp(rate * np.arange(10, 190) * 320 / RATE)
    assert np.abs(12 * np.log2(heard / expected)).max() < 0.5  # semitones


def test_one_transform_serves_three_harmonics(noise):
    """The channels read at shifts equal three separate transforms.

    Within 2 dB where sound is: a bin that sits in another octave group there is decimated differently, no more.
    """
    shared = HCQT()(noise)
    separate = torch.stack(
        [compress(CQT(bin_frequencies(352, harmonic=h))(noise)) for h in (0.5, 1.0, 2.0)], dim=1
    )
    assert shared.shape == separate.shape == (1, 3, 601, 352)
    difference = (shared - separate).abs()[:, :, 30:-30, :340]
    assert float(difference.mean()) < 0.002
    assert float(torch.sort(difference.flatten()).values[int(0.999 * difference.numel())]) < 0.02


@pytest.mark.parametrize("kind", ["hcqt", "cqt", "logmel"])
@pytest.mark.parametrize("hop", [320, 160])
def test_a_chunk_gives_the_numbers_of_the_whole(kind, hop, noise):
    feature = make_feature(FeatureConfig(kind=kind, hop_length=hop))
    whole, chunk = feature(noise), feature(noise[:, 3 * RATE : 9 * RATE])
    margin = feature.context_samples // hop + 1
    first, n = 3 * RATE // hop, chunk.shape[2]
    assert n == 6 * RATE // hop + 1
    assert torch.allclose(whole[:, :, first + margin : first + n - margin], chunk[:, :, margin : n - margin], atol=1e-5)


@pytest.mark.parametrize("samples", [32_000, 32_159, 32_160, 32_319])
def test_subframes_are_the_frames_of_a_shorter_hop(samples, noise):
    y = noise[:, :samples]
    halves = HCQT(FeatureConfig(subframes=2))(y)
    fine = HCQT(FeatureConfig(hop_length=160))(y)
    assert halves.shape == (1, 6, samples // 320 + 1, 352)
    # near the end what the last filters ring on for is cut elsewhere
    n = samples // 320 - 30
    torch.testing.assert_close(halves[:, :3, :n], fine[:, :, ::2][:, :, :n])
    torch.testing.assert_close(halves[:, 3:, :n], fine[:, :, 1::2][:, :, :n])
    with pytest.raises(AmtError, match="subframes"):
        HCQT(FeatureConfig(subframes=3))


def test_agrees_with_librosa(noise):
    """Against librosa.vqt with the same gamma, in dB, on a sustained chord.

    Tolerance 1.5 dB on the bins within 40 dB of the loudest: librosa's filters are cut and decimated differently.
    librosa scales each bin by the square root of its filter's length; that is undone here.
    """
    import librosa

    chord = sum(sine(p, 4.0, 0.2) for p in (40, 52, 59, 64, 68, 76))
    frequencies = bin_frequencies(340)
    theirs = np.abs(
        librosa.vqt(chord[0].numpy(), sr=RATE, hop_length=320, fmin=frequencies[0], n_bins=340, bins_per_octave=48,
                    gamma=2.0, scale=True)
    ).T  # fmt: skip
    alpha = (2 ** (2 / 48) - 1) / (2 ** (2 / 48) + 1)
    theirs *= 2 / np.sqrt(RATE / (alpha * frequencies + 2.0))
    ours = CQT(frequencies)(chord)[0].numpy()
    ours, theirs = (20 * np.log10(m[60:140] + 1e-9) for m in (ours, theirs))
    loud = theirs > theirs.max() - 40
    assert loud.mean() > 0.1
    assert np.abs(ours - theirs)[loud].max() < 1.5


def test_bins_above_nyquist_are_zero_and_silence_is_finite():
    features = HCQT()(torch.zeros(2, RATE))
    assert torch.isfinite(features).all()
    assert float(features.max()) == 0.0
    loud = HCQT()(torch.randn(1, RATE))
    assert float(loud[0, 2, :, -6:].max()) == 0.0  # the top bins of channel 2 lie above 7.8 kHz


def test_other_harmonics_get_transforms_of_their_own():
    feature = HCQT(FeatureConfig(harmonics=(1.0, 3.0)))
    out = feature(sine(60 + 19.02))  # the third harmonic of middle C
    assert out.shape[1] == 2
    assert int(out[0, 1, 50].argmax()) // 4 == 60 - 21


def test_log_mel_shape_and_level():
    out = LogMel()(sine(69))
    assert out.shape == (1, 1, 101, 229)
    assert float(out.max()) > 0.9

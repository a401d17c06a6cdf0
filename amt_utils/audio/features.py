"""Features: constant-Q transform (CQT), harmonic CQT (HCQT) and log-mel, as torch modules on CPU or GPU.

The three harmonics 0.5, 1 and 2 are octaves, so the HCQT's channels are one CQT over two octaves more, read at
shifts of one octave (the harmonic stacking of Bittner et al., "A lightweight instrument-agnostic model", ICASSP
2022). The CQT itself is the recursive scheme of Schörkhuber & Klapuri, "Constant-Q transform toolbox for music
processing" (SMC 2010): octave by octave, with the same short kernels at half the sample rate each time.

A constant-Q filter at 27.5 Hz with 48 bins per octave is 2.5 s long. Every bin's bandwidth is therefore widened by
``gamma`` Hz (variable Q, as ``librosa.vqt``), which limits the longest filter to ``1 / gamma`` seconds.

Values are ``log10`` magnitudes mapped from [-100 dB, 0 dB] to [0, 1], the same for a chunk as for the whole file.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import FeatureConfig
from ..system.errors import AmtError

LOWEST_KEY_HZ = 27.5
FLOOR = 1e-5  # -100 dB relative to a full-scale sine's 1.0
_HALF_BAND_TAPS = 31


def bin_frequencies(n_bins: int, *, bins_per_octave: int = 48, harmonic: float = 1.0) -> np.ndarray:
    """Centre frequencies in Hz, ``(n_bins,)``, such that each key's ``bins_per_octave / 12`` bins are centred on it."""
    per_key = bins_per_octave // 12
    position = np.arange(n_bins) - (per_key - 1) / 2
    return harmonic * LOWEST_KEY_HZ * 2.0 ** (position / bins_per_octave)


class CQT(nn.Module):
    """Magnitude of a variable-Q transform by recursive halving.

    Args:
        frequencies: rising centre frequencies in Hz, ``(K,)``, equally spaced in pitch.
        bins_per_octave: their spacing.
        sample_rate, hop_length: of the audio and of the frames; frame ``t`` is centred at sample ``t * hop_length``.
        gamma: Hz added to the bandwidth.

    A full-scale sine at a centre frequency has magnitude 1; bins above 0.97 × Nyquist are zero.
    """

    half_band: Tensor

    def __init__(
        self,
        frequencies: np.ndarray,
        *,
        bins_per_octave: int = 48,
        sample_rate: int = FeatureConfig.sample_rate,
        hop_length: int = FeatureConfig.hop_length,
        gamma: float = FeatureConfig.gamma,
    ):
        super().__init__()
        self.hop_length = hop_length
        self.n_bins = len(frequencies)
        ratio = 2.0 ** (2.0 / bins_per_octave)
        alpha = (ratio - 1) / (ratio + 1)  # relative bandwidth, as librosa.filters.wavelet_lengths
        audible = int(np.searchsorted(frequencies, 0.97 * sample_rate / 2))
        self.n_silent = self.n_bins - audible
        most_halvings = (hop_length & -hop_length).bit_length() - 1
        # (halvings, first bin, end bin), from the top octave down
        self.groups: list[tuple[int, int, int]] = []
        end = audible
        while end > 0:
            start = max(0, end - bins_per_octave)
            # the group must stay below 0.55 of the lower rate's Nyquist frequency, where the half-band filter is flat
            halvings = int(np.floor(np.log2(0.55 * sample_rate / 2 / frequencies[end - 1])))
            halvings = min(max(halvings, 0), most_halvings)
            rate = sample_rate / 2**halvings
            kernel = _wavelets(frequencies[start:end], alpha=alpha, gamma=gamma, rate=rate)
            self.register_buffer(f"kernel_{len(self.groups)}", torch.from_numpy(kernel), persistent=False)
            self.groups.append((halvings, start, end))
            end = start
        taps = torch.from_numpy(_half_band(_HALF_BAND_TAPS))
        self.register_buffer("half_band", taps.view(1, 1, -1), persistent=False)

    @property
    def context_samples(self) -> int:
        """Samples before and after a frame's centre that can change it."""
        reach = 0
        for i, (halvings, _, _) in enumerate(self.groups):
            kernel = getattr(self, f"kernel_{i}")
            filters = sum(_HALF_BAND_TAPS // 2 * 2**k for k in range(halvings))
            reach = max(reach, kernel.shape[0] // 2 * 2**halvings + filters)
        return reach

    def forward(self, audio: Tensor) -> Tensor:
        """``(B, n)`` audio -> ``(B, n // hop + 1, K)`` magnitudes, float32."""
        n_frames = audio.shape[-1] // self.hop_length + 1
        signal, halved = audio.float(), 0
        parts = []
        for i, (halvings, start, end) in enumerate(self.groups):
            while halved < halvings:
                signal = _halve(signal, self.half_band)
                halved += 1
            hop = self.hop_length >> halved
            kernel = getattr(self, f"kernel_{i}")  # (L, 2 * bins), real then imaginary
            half = kernel.shape[0] // 2
            if torch.onnx.is_in_onnx_export():  # the same sums as a convolution, which takes any length
                padded = F.pad(signal.unsqueeze(1), (half, half + 1))
                both = F.conv1d(padded, kernel.T.unsqueeze(1), stride=hop)[..., :n_frames].transpose(1, 2)
            else:
                right = max(0, (n_frames - 1) * hop + half + 1 - signal.shape[-1])
                both = F.pad(signal, (half, right)).unfold(-1, kernel.shape[0], hop)[:, :n_frames] @ kernel
            real, imaginary = both.split(end - start, dim=-1)  # (B, T, bins)
            parts.append(torch.sqrt(real * real + imaginary * imaginary + 1e-14))
        parts.reverse()
        if self.n_silent:
            parts.append(parts[-1].new_zeros(*parts[-1].shape[:2], self.n_silent))
        return torch.cat(parts, dim=-1)


def _wavelets(frequencies: np.ndarray, *, alpha: float, gamma: float, rate: float) -> np.ndarray:
    """Hann-windowed complex exponentials as one real matrix ``(L, 2 K)``, odd ``L``, centred, unit gain for a sine."""
    lengths = rate / (alpha * frequencies + gamma)
    half = int(np.ceil(lengths.max() / 2))
    n = np.arange(-half, half + 1)[:, None]  # (L, 1)
    window = np.where(np.abs(n) <= lengths / 2, 0.5 + 0.5 * np.cos(2 * np.pi * n / lengths), 0.0)
    window = 2 * window / window.sum(axis=0)  # 2: a real sine has half its amplitude at +f
    phase = 2 * np.pi * n * frequencies / rate
    return np.concatenate([window * np.cos(phase), -window * np.sin(phase)], axis=1).astype(np.float32)


def _half_band(taps: int) -> np.ndarray:
    """Kaiser-windowed half-band low-pass, linear phase: -80 dB from 0.72 of the old Nyquist frequency on."""
    n = np.arange(taps) - taps // 2
    h = 0.5 * np.sinc(n / 2) * np.kaiser(taps, 8.0)
    return (h / h.sum()).astype(np.float32)


def _halve(signal: Tensor, taps: Tensor) -> Tensor:
    """``(B, n)`` -> ``(B, ceil(n / 2))``; output sample ``i`` sits at input sample ``2 i``."""
    half = taps.shape[-1] // 2
    if signal.is_cuda or torch.onnx.is_in_onnx_export():
        return F.conv1d(signal.unsqueeze(1), taps, stride=2, padding=half).squeeze(1)
    padded = F.pad(signal, (half, half + 1))
    # on CPU a strided one-channel convolution is slow; the same sum as shifted slices is not.
    # Half-band: every second tap but the middle one is zero, and the filter is symmetric.
    n_out = (signal.shape[-1] + 1) // 2
    out = padded[:, half : half + 2 * n_out : 2] * float(taps[0, 0, half])
    for k in range(1, half + 1, 2):
        tap = float(taps[0, 0, half + k])
        out.add_(padded[:, half - k : half - k + 2 * n_out : 2], alpha=tap)
        out.add_(padded[:, half + k : half + k + 2 * n_out : 2], alpha=tap)
    return out


def compress(magnitude: Tensor) -> Tensor:
    """Magnitude -> log magnitude in about [0, 1]: 0 at -100 dB, 1 at a full-scale sine."""
    return torch.log10(magnitude.clamp_min(FLOOR)) * (-1 / np.log10(FLOOR)) + 1


class HCQT(nn.Module):
    """Harmonic CQT: channel ``c`` of bin ``k`` is the magnitude at ``harmonics[c]`` times the bin's frequency.

    Harmonics that are octaves of each other share one transform over more bins; with other harmonics every
    channel has its own. With ``subframes`` > 1 each frame is computed at that many instants, the first at its centre;
    the channels of the first instant come first, then those of the next.
    """

    def __init__(self, config: FeatureConfig | None = None):
        super().__init__()
        config = config or FeatureConfig()
        self.config = config
        self.n_bins = config.n_bins
        if config.subframes < 1 or config.hop_length % config.subframes:
            raise AmtError(f"feature.subframes {config.subframes} must divide feature.hop_length {config.hop_length}")
        harmonics = config.harmonics if config.kind == "hcqt" else (1.0,)
        octaves = np.log2(np.array(harmonics) / min(harmonics))
        if np.allclose(octaves, np.rint(octaves)):
            self.shifts: list[int] | None = [round(o) * config.bins_per_octave for o in octaves]
            groups = [(min(harmonics), self.n_bins + max(self.shifts))]
        else:
            self.shifts = None
            groups = [(h, self.n_bins) for h in harmonics]
        transforms = [
            CQT(
                bin_frequencies(n, bins_per_octave=config.bins_per_octave, harmonic=h),
                bins_per_octave=config.bins_per_octave,
                sample_rate=config.sample_rate,
                hop_length=config.hop_length // config.subframes,
                gamma=config.gamma,
            )
            for h, n in groups
        ]
        self.transforms = nn.ModuleList(transforms)
        self.context_samples = max(t.context_samples for t in transforms)  # on either side of a frame's centre

    def forward(self, audio: Tensor) -> Tensor:
        """``(B, n)`` audio -> ``(B, C, n // hop + 1, bins)`` log magnitudes in about [0, 1]; ``C`` as in the class."""
        with torch.autocast(audio.device.type, enabled=False):
            hop, parts = self.config.hop_length, self.config.subframes
            n_frames = audio.shape[-1] // hop + 1
            missing = (n_frames * parts - 1) * (hop // parts) - audio.shape[-1]  # of the last frame's later subframes
            audio = F.pad(audio, (0, max(0, missing)))
            levels = [compress(t(audio))[:, : n_frames * parts] for t in self.transforms]  # (B, parts * T, K)
            if self.shifts is not None:
                levels = [levels[0][..., s : s + self.n_bins] for s in self.shifts]
            return torch.stack([h[:, part::parts] for part in range(parts) for h in levels], dim=1)


class LogMel(nn.Module):
    """Log-mel spectrogram ``(B, 1, T, n_mels)``, 30 Hz to Nyquist, HTK scale (Hawthorne 2018)."""

    mel: Tensor
    window: Tensor

    def __init__(self, config: FeatureConfig | None = None, *, n_fft: int = 2048):
        super().__init__()
        import librosa

        config = config or FeatureConfig(kind="logmel")
        if config.subframes != 1:
            raise AmtError(f"feature.subframes {config.subframes}: log-mel features have one subframe; set it to 1")
        self.config, self.n_fft = config, n_fft
        mel = librosa.filters.mel(
            sr=config.sample_rate, n_fft=n_fft, n_mels=config.n_mels, fmin=30.0, fmax=config.sample_rate / 2, htk=True
        )
        self.register_buffer("mel", torch.from_numpy(mel.T.copy()).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    @property
    def context_samples(self) -> int:
        """Samples on either side of a frame's centre that can change it."""
        return self.n_fft // 2

    def forward(self, audio: Tensor) -> Tensor:
        """``(B, n)`` audio -> ``(B, 1, n // hop + 1, n_mels)`` log magnitudes in about [0, 1]."""
        with torch.autocast(audio.device.type, enabled=False):
            spectrum = torch.stft(
                audio.float(), self.n_fft, self.config.hop_length, window=self.window, center=True,
                pad_mode="constant", return_complex=True,
            )  # fmt: skip
            return compress(spectrum.abs().transpose(1, 2) @ self.mel).unsqueeze(1)


def make_feature(config: FeatureConfig) -> HCQT | LogMel:
    """The feature module that ``config.kind`` names: ``(B, n)`` audio -> ``(B, C, T, bins)``."""
    return LogMel(config) if config.kind == "logmel" else HCQT(config)

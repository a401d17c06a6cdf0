"""``python -m amt_utils benchmark``: how fast, as ratios to real time and to librosa in one run on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch

from .config import Config, FeatureConfig
from .exported import find_exported
from .hcqt import HCQT, LogMel, bin_frequencies
from .memory import keep_memory
from .models import build_model, count_parameters
from .throughput import measure_loading
from .transcribe import Transcriber, weights_path

SECONDS = 60.0
SIZES = ("tiny", "base")  # whose training steps are measured


def measure(task: Callable[[], object], *, repeats: int = 3) -> float:
    """Best wall time of several runs, in seconds; the first, warming run does not count."""
    task()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        task()
        times.append(time.perf_counter() - begun)
    return min(times)


def feature_rows(audio: np.ndarray) -> list[tuple[str, float]]:
    """(name, seconds of work per second of audio) of our features and of known ones."""
    import librosa

    batch, rate = torch.from_numpy(audio)[None], 16_000
    seconds = len(audio) / rate
    lowest = bin_frequencies(1)[0]
    hcqt, cqt, mel = HCQT(), HCQT(FeatureConfig(kind="cqt")), LogMel()

    def librosa_cqt(fmin: float, n_bins: int) -> np.ndarray:
        return librosa.cqt(audio, sr=rate, hop_length=320, fmin=fmin, n_bins=n_bins, bins_per_octave=48)

    tasks: dict[str, Callable[[], object]] = {
        "HCQT, 3 channels (ours)": lambda: hcqt(batch),
        "CQT, 1 channel (ours)": lambda: cqt(batch),
        "log-mel (ours)": lambda: mel(batch),
        "librosa.cqt, 1 channel": lambda: librosa_cqt(lowest, 352),
        "librosa.cqt, 3 harmonics": lambda: [librosa_cqt(lowest * h, n) for h, n in ((0.5, 352), (1, 352), (2, 340))],
    }
    try:
        from nnAudio.features.cqt import CQT1992v2

        theirs = CQT1992v2(sr=rate, hop_length=320, fmin=lowest, n_bins=340, bins_per_octave=48, verbose=False)
        tasks["nnAudio CQT1992v2, 1 channel"] = lambda: theirs(batch)
    except ImportError:
        pass
    with torch.inference_mode():
        return [(name, measure(task) / seconds) for name, task in tasks.items()]


def training_memory(config: Config, *, batch: int = 8, seconds: float = 10.0) -> int | None:
    """Peak bytes of one mixed-precision training step on the GPU; ``None`` without one."""
    if not torch.cuda.is_available():
        return None
    torch.cuda.reset_peak_memory_stats()
    _training_step(config, batch, seconds, "cuda")
    return torch.cuda.max_memory_allocated()


def training_rate(config: Config, *, batch: int = 8, seconds: float = 10.0, steps: int = 10) -> float | None:
    """Windows per second that mixed-precision training takes on the GPU, forward and backward; ``None`` without one."""
    if not torch.cuda.is_available():
        return None
    model = build_model(config).cuda()

    def run() -> None:
        for _ in range(steps):
            _forward_backward(model, batch, seconds)
        torch.cuda.synchronize()

    return steps * batch / measure(run)


def saved_activation_bytes(config: Config, *, batch: int = 8, seconds: float = 10.0) -> int:
    """Bytes that a GPU keeps for the backward pass of one bf16 step, plus weights, gradients and Adam's moments.

    Counted on any machine from what autograd saves for a short window; it grows linearly with the window. The
    workspace that a CPU's LSTM keeps is twice a GPU's, so that LSTMs are counted by what their backward pass needs:
    four gates, the cell, its tanh and the output, per unit and frame.
    """
    kept: dict[int, int] = {}
    recurrent: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype != torch.uint8:  # that is the workspace
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    def count_recurrent(module, _inputs, output) -> None:
        if isinstance(module, torch.nn.LSTM):
            recurrent.append(7 * output[0].numel() * 2)

    share = 0.2  # of the window
    hook = torch.nn.modules.module.register_module_forward_hook(count_recurrent)
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            model = _training_step(config, 1, seconds * share, "cpu")
    finally:
        hook.remove()
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    return int((sum(kept.values()) + sum(recurrent)) / share * batch + 4 * weights)


def _training_step(config: Config, batch: int, seconds: float, device: str) -> torch.nn.Module:
    model = build_model(config).to(device)
    _forward_backward(model, batch, seconds)
    return model


def _forward_backward(model: torch.nn.Module, batch: int, seconds: float) -> None:
    device = next(model.parameters()).device
    audio = torch.randn(batch, int(seconds * model.config.feature.sample_rate), device=device) * 0.1
    with torch.autocast(device.type, dtype=torch.bfloat16):
        loss = sum(v.float().square().mean() for v in model(audio).values())
    loss.backward()


def loading_lines(needs: dict[str, float | None]) -> list[str]:
    """What one worker brings, and how many each network's steps on the GPU need (``needs``: windows per second)."""
    lines = ["training windows of 10 s, per second and worker (one core each)"]
    for way, rate in measure_loading().items():
        workers = [f"{size} needs {math.ceil(need / rate)}" for size, need in needs.items() if need]
        lines.append(f"  {way:44s} {rate:7.1f}" + ("   workers: " + ", ".join(workers) if workers else ""))
    for size, need in needs.items():
        taken = f"{need:.1f} windows per second" if need else "not measured, no GPU here"
        lines.append(f"  what a GPU's steps take, {size}: {taken}")
    return lines


def register(subparsers) -> None:
    """Adds ``benchmark`` to the command line."""
    parser = subparsers.add_parser(
        "benchmark",
        help="speed of features, networks and transcription on this machine",
        description="Seconds of work per second of audio, beside librosa (and nnAudio where installed), the memory "
        "of a training step, and the windows a worker makes. Ratios of one run on one machine; best of three.",
    )
    parser.add_argument("--weights", default=None, help="base (default), tiny (faster), or a file")
    parser.add_argument("--threads", type=int, default=None, help="torch threads (default: all)")
    parser.set_defaults(run=run_command)


def run_command(args) -> int:
    """``python -m amt_utils benchmark``."""
    if args.threads:
        torch.set_num_threads(args.threads)
    audio = (0.1 * np.random.default_rng(0).standard_normal(int(SECONDS * 16_000))).astype(np.float32)
    print(f"{torch.get_num_threads()} threads, {SECONDS:.0f} s of audio; seconds of work per second of audio")
    rows = feature_rows(audio)
    base = dict(rows)["librosa.cqt, 1 channel"]
    transcriber = Transcriber(args.weights)
    name = f"transcription, {args.weights or 'default'} ({count_parameters(transcriber.model) / 1e6:.2f} M)"
    rows.append((name, measure(lambda: transcriber.transcribe(audio), repeats=2) / SECONDS))
    exported = find_exported(weights_path(args.weights)) if transcriber.device.type == "cpu" else None
    if exported:  # the quicker of the two was taken above
        for how, network in (("ONNX Runtime", exported), ("PyTorch", transcriber.model.network)):
            transcriber.network = network
            if how == "PyTorch":
                keep_memory()  # as a Transcriber without an exported network does
            cost = measure(lambda: transcriber.transcribe(audio), repeats=2) / SECONDS
            rows.append((f"the same by {how}", cost))
    for label, cost in rows:
        print(f"  {label:36s} {cost:8.4f}   {1 / cost:7.0f} x real time   {cost / base:6.2f} x librosa.cqt")
    for size in SIZES:
        config = Config().replace(model={"size": size})
        measured = training_memory(config)
        need = measured or saved_activation_bytes(config)
        how = "measured on this GPU" if measured else "counted from what autograd saves"
        print(f"  training step, {size}, batch 8 x 10 s, bf16: {need / 2**30:.1f} GiB ({how})")
    print("\n".join(loading_lines({size: training_rate(Config().replace(model={"size": size})) for size in SIZES})))
    return 0

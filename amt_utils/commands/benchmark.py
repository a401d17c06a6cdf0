"""``python -m amt_utils benchmark``."""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

import numpy as np
import torch

from ..checkpoints.weights import load_weights, weights_path
from ..config import Config
from ..models import count_parameters
from ..training.speed import (
    SECONDS,
    SIZES,
    feature_rows,
    loading_lines,
    measure,
    saved_activation_bytes,
    training_memory,
    training_rate,
)
from ..transcription.onnx import find_onnx
from ..transcription.transcriber import Transcriber


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``benchmark`` to the command line."""
    parser.description = (
        "Seconds of work per second of audio, beside librosa (and nnAudio where installed), the memory "
        "of a training step, and the windows a worker makes. Ratios of one run on one machine; best of three."
    )
    parser.add_argument("--weights", default=None, help="base (default), tiny (faster), or a file")
    parser.add_argument("--threads", type=int, default=None, help="torch threads (default: all)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils benchmark``."""
    if args.threads:
        torch.set_num_threads(args.threads)
    audio = (0.1 * np.random.default_rng(0).standard_normal(int(SECONDS * 16_000))).astype(np.float32)
    print(describe_processor())
    print(f"{torch.get_num_threads()} threads, {SECONDS:.0f} s of audio; seconds of work per second of audio")
    rows = feature_rows(audio)
    base = dict(rows)["librosa.cqt, 1 channel"]
    path = weights_path(args.weights)
    model, config, _ = load_weights(path)
    name = f"{path.stem} ({count_parameters(model) / 1e6:.2f} M)"
    transcribers = {"PyTorch": Transcriber.from_model(model, config)}
    if find_onnx(path):
        transcribers["ONNX Runtime"] = Transcriber(path, device="cpu")
    for how, transcriber in transcribers.items():
        cost = measure(lambda t=transcriber: t.transcribe(audio), repeats=2) / SECONDS
        rows.append((f"transcription, {name}, {how}", cost))
    for label, cost in rows:
        print(f"  {label:44s} {cost:8.4f}   {1 / cost:7.0f} x real time   {cost / base:6.2f} x librosa.cqt")
    for size in SIZES:
        config = Config().replace(model={"size": size})
        measured = training_memory(config)
        need = measured or saved_activation_bytes(config)
        how = "measured on this GPU" if measured else "counted from what autograd saves"
        print(f"  training step, {size}, batch 8 x 10 s, bf16: {need / 2**30:.1f} GiB ({how})")
    print("\n".join(loading_lines({size: training_rate(Config().replace(model={"size": size})) for size in SIZES})))
    return 0


def describe_processor() -> str:
    """The processor's name and the widest instruction set that PyTorch uses on it."""
    lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"

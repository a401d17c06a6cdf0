"""``python -m amt_utils benchmark``."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..checkpoints.weights import load_weights, weights_path
from ..config import Config
from ..data.library import find_recordings
from ..evaluation.windowing import compare_windows, difference_lines
from ..models import count_parameters
from ..training.processes import describe_processor, process_lines
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
from ..transcription.transcriber import Transcriber


def register(parser: argparse.ArgumentParser) -> None:
    """Adds ``benchmark`` to the command line."""
    parser.description = (
        "Seconds of work per second of audio, beside librosa (and nnAudio where installed), the memory "
        "of a training step, and the windows a worker makes. Ratios of one run on one machine; best of three. With "
        "--processes, only whole processes, from start to end, beside Basic Pitch and Transkun; with --windows, only "
        "how close windows come to one pass over each recording."
    )
    parser.add_argument("--weights", default=None, help="base (default), tiny (faster), or a file")
    parser.add_argument("--threads", type=int, default=None, help="torch threads (default: all)")
    parser.add_argument("--processes", metavar="AUDIO", type=Path, help="compare whole processes on this recording")
    parser.add_argument("--windows", metavar="DIR", help="compare windows on this folder of recordings with their MIDI")
    parser.add_argument("--runs", type=int, default=5, help="of each process; medians are shown (default: 5)")
    parser.add_argument("--busy", metavar="N", type=int, default=0, help="beside N processes that keep processors busy")
    parser.add_argument("--basic-pitch", metavar="PYTHON", help="interpreter of an environment that has basic-pitch")
    parser.add_argument("--transkun", metavar="PYTHON", help="interpreter of an environment that has transkun")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """``python -m amt_utils benchmark``."""
    print(describe_processor())
    if args.processes:
        others = {"basic-pitch": args.basic_pitch, "transkun": args.transkun}
        others = {name: python for name, python in others.items() if python}
        for line in process_lines(args.processes, others, runs=args.runs, busy=args.busy):
            print(line, flush=True)
        return 0
    if args.windows:
        recordings = find_recordings(args.windows)
        for line in difference_lines(compare_windows(Transcriber(args.weights, device="cpu"), recordings)):
            print(line, flush=True)
        return 0
    if args.threads:
        torch.set_num_threads(args.threads)
    rate = Config().feature.sample_rate
    audio = (0.1 * np.random.default_rng(0).standard_normal(int(SECONDS * rate))).astype(np.float32)
    print(f"{torch.get_num_threads()} threads, {SECONDS:.0f} s of audio; seconds of work per second of audio")
    rows = feature_rows(audio)
    base = dict(rows)["librosa.cqt, 1 channel"]
    model, config, _ = load_weights(weights_path(args.weights))
    name = f"transcription, {args.weights or 'default'} ({count_parameters(model) / 1e6:.2f} M)"
    ways = {name: Transcriber(args.weights), "the same by PyTorch": Transcriber.from_model(model, config)}
    for label, transcriber in ways.items():
        rows.append((label, measure(partial(transcriber.transcribe, audio), repeats=2) / SECONDS))
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

"""Whole processes side by side: CPU time, wall time and peak memory of a transcription, ours and others'."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from ..system.errors import AmtError

# A process begins with the peak memory of the one that starts it: a small one does. It writes status, CPU and wall
# seconds, and peak memory as the system counts it.
_LAUNCHER = """
import json, os, sys, time
begun = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ), 0)
wall = time.perf_counter() - begun
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss], file)
"""


def describe_processor() -> str:
    """The processor's name, its cores, and the widest instructions that PyTorch uses on it."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{name}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"


def process_lines(recording: Path, others: dict[str, str], *, runs: int = 5, busy: int = 0) -> Iterator[str]:
    """One line per program: medians, and ratios to the first of ``others`` (name -> its interpreter).

    Runs take turns, so that what else the machine does falls on all alike; each program runs once before, unmeasured.
    Meanwhile ``busy`` processes of one thread each do nothing but keep processors busy.

    Raises:
        AmtError: no such recording, or a program fails.
    """
    if not recording.is_file():
        raise AmtError(f"{recording}: no such file")
    if os.name == "nt":
        raise AmtError("comparing whole processes needs Linux or macOS")
    with tempfile.TemporaryDirectory() as folder, _busy(busy):
        audio, ours = str(recording.absolute()), [sys.executable, "-m", "amt_utils"]
        commands = {f"{name} ({Path(python).name})": _other(name, python, audio) for name, python in others.items()}
        for weights in ("base", "tiny"):
            commands[weights] = [*ours, "transcribe", audio, "--out", ".", "--weights", weights]
        commands["--help"] = [*ours, "--help"]
        taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
        for turn in range(runs + 1):
            for name, command in commands.items():
                measured = _measure(name, command, Path(folder) / f"{turn} {len(taken[name])} {name.split()[0]}")
                if turn:
                    taken[name].append(measured)
    medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in taken.items()}
    reference = next(iter(medians.values())) if others else None
    for name, (cpu, wall, peak) in medians.items():
        ratio = f"   {cpu / reference[0]:5.2f} and {wall / reference[1]:5.2f} x the first" if reference else ""
        yield f"  {name:28s} {cpu:7.2f} s CPU {wall:7.2f} s wall {peak / 1e6:6.0f} MB{ratio}"


def _other(name: str, python: str, audio: str) -> list[str]:
    folder = Path(python).parent
    return {
        "basic-pitch": [str(folder / "basic-pitch"), "--model-serialization", "onnx", ".", audio],
        "transkun": [str(folder / "transkun"), audio, "out.mid"],
    }[name]


@contextlib.contextmanager
def _busy(n: int) -> Iterator[None]:
    """``n`` processes that only count, while the context lasts."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _measure(name: str, command: list[str], folder: Path) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and peak bytes of a process that runs in a new ``folder``."""
    folder.mkdir(parents=True)
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    taken = folder / "taken.json"
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(taken), *command]
    done = subprocess.run(
        launcher, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise AmtError(f"{name}: cannot be started ({done.stderr.strip().splitlines()[-1]})")
    status, cpu, wall, peak = json.loads(taken.read_text())
    if status:
        raise AmtError(f"{name}: failed with status {status}: {' '.join(command)}")
    return cpu, wall, peak * (1 if sys.platform == "darwin" else 1024)

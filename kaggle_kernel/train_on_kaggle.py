"""Runs on Kaggle: one session of a training run, from the newest checkpoint to the next one.

``drive.py`` pushes a copy of this file with :data:`JOB` filled in. The session finds its inputs wherever they are
mounted, refuses to start from an older checkpoint than the job names (a data set's new version may not be mounted
yet), installs the package without touching torch or numpy, trains on every GPU as a separate program, stops itself
before Kaggle does, and leaves a few large files: the newest checkpoint, the best one, a log and ``result.json``.
It always ends with status 0, because Kaggle deletes the files of a session that failed.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

JOB: dict = {}  # filled in by drive.py: id, wheel, checkpoint, begun, drive, config, hours, prepare

STARTED = time.monotonic()
ROOT = Path(os.environ.get("AMT_KAGGLE_ROOT", "/kaggle"))
INPUT, WORKING, SCRATCH = ROOT / "input", ROOT / "working", ROOT / "temp"
RUN, DRIVE = WORKING / "run", SCRATCH / "drive"
PACKAGE = "amt-piano"
PROTECTED = ("torch", "torchvision", "torchaudio", "numpy", "numba", "llvmlite", "scipy", "librosa")
OUTPUT_LIMIT = 19e9  # bytes; Kaggle allows 20 GB
GRACE = 240.0  # seconds the training gets to save and stop once its time is over


def say(text: str) -> None:
    print(f"[{(time.monotonic() - STARTED) / 60:6.1f} min] {text}", flush=True)


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_inputs(pattern: str) -> list[Path]:
    """Input files by name, at any depth: the mount is ``input/<slug>`` or ``input/datasets/<owner>/<slug>``."""
    return sorted(INPUT.rglob(pattern)) if INPUT.is_dir() else []


def find_input_folder(name: str) -> str:
    """``input/NAME/rest`` in the configuration -> where NAME is mounted here; other paths are returned unchanged."""
    parts = Path(name).parts
    if len(parts) < 2 or parts[0] != "input":
        return name
    for folder in [INPUT, *sorted(p for p in INPUT.rglob("*") if p.is_dir())]:
        if folder.joinpath(*parts[1:]).exists():
            return str(folder.joinpath(*parts[1:]))
    raise RuntimeError(f"the input {name!r} is not mounted; found: {[p.name for p in INPUT.iterdir()]}")


def install_package() -> None:
    """The wheel without its dependencies, then only those dependencies that are missing."""
    wheels = [p for p in find_inputs("amt_piano-*.whl") if JOB.get("wheel") in (None, sha256(p))]
    if not wheels:
        raise RuntimeError("the package's wheel of this job is not mounted: an older version of the data set is")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--upgrade", "--force-reinstall", str(wheels[-1])], check=True)
    importlib.invalidate_caches()
    missing = missing_requirements()
    if missing:
        say(f"installing what is missing: {' '.join(missing)}")
        SCRATCH.mkdir(parents=True, exist_ok=True)
        constraints = SCRATCH / "constraints.txt"
        constraints.write_text("".join(f"{n}=={v}\n" for n in PROTECTED if (v := installed_version(n))))
        folders = sorted({str(p.parent) for p in find_inputs("*.whl")})
        links = [word for folder in folders for word in ("--find-links", folder)]
        subprocess.run([*pip, "--constraint", str(constraints), *links, *missing], check=True)


def installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def missing_requirements() -> list[str]:
    from packaging.requirements import Requirement

    required = [Requirement(text) for text in metadata.requires(PACKAGE) or []]
    required = [r for r in required if r.marker is None or r.marker.evaluate({"extra": ""})]
    return [str(r).split(";")[0].strip() for r in required if installed_version(r.name) is None]


def place_checkpoint() -> dict | None:
    """The newest valid checkpoint of inputs, Drive and working folder, copied into the run's folder; or weights.

    Returns:
        ``step`` and ``sha256`` of a checkpoint; ``step`` 0 and ``weights``, a file to begin with; None for a new run.
    """
    from amt_utils.checkpoints.inventory import choose_kept, find_newest

    fetch_drive()
    found, skipped = find_newest([RUN, INPUT, DRIVE])
    for path, reason in skipped:
        say(f"skipped {path.name}: {reason}")
    expected = JOB.get("checkpoint")
    if expected and (found is None or found.step < expected["step"]):
        step = expected["step"]
        raise RuntimeError(f"the job goes on from step {step}, but the inputs hold {found}: not mounted yet")
    if found is None and JOB.get("begun"):
        return choose_weights()
    if found is None:
        say("no checkpoint: a new run")
        return None
    if not found.path.is_relative_to(RUN):
        for checkpoint in choose_kept(found.path.parent, 1):
            checkpoint.copy_to(RUN)
    say(f"going on from {found.path.name} (step {found.step})")
    return {"step": found.step, "sha256": found.sha256}


def fetch_drive() -> None:
    """The job's shared Google Drive folder, if it has one. A failure is printed: a checkpoint may lie elsewhere."""
    from amt_utils.system.errors import AmtError
    from amt_utils.system.google_drive import download_folder

    if JOB.get("drive"):
        SCRATCH.mkdir(parents=True, exist_ok=True)
        try:
            download_folder(JOB["drive"], DRIVE)
        except AmtError as error:
            say(str(error))


def choose_weights() -> dict:
    """Whole weights without a checkpoint, as published ones are: what the run begins with."""
    from amt_utils.checkpoints.inventory import find_weights

    found, skipped = find_weights([INPUT, DRIVE])
    for path, reason in skipped:
        say(f"skipped {path.name}: {reason}")
    if not found:
        raise RuntimeError(f"nothing to go on from: neither a checkpoint nor weights are whole in {JOB['begun']}")
    say(f"beginning with the weights {found[0].path.name}")
    return {"step": 0, "weights": str(found[0].path)}


def resolve_config() -> Path:
    """The job's configuration with its ``input/…`` paths replaced by real ones, as a file."""

    def resolve(value):
        if isinstance(value, dict):
            return {key: resolve(item) for key, item in value.items()}
        if isinstance(value, list):
            return [resolve(item) for item in value]
        return find_input_folder(value) if isinstance(value, str) else value

    SCRATCH.mkdir(parents=True, exist_ok=True)
    path = SCRATCH / "config.json"
    path.write_text(json.dumps(resolve(JOB["config"]), indent=2))
    return path


def train(config: Path, weights: str | None = None) -> int:
    """Run the training until it ends or the time is over; its exit status, or −1 if it had to be killed."""
    from amt_utils.system.gpus import count_gpus

    left = JOB["hours"] * 3600 - (time.monotonic() - STARTED)
    gpus = count_gpus()
    launcher = [sys.executable]
    if gpus > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={gpus}"]
    days, rest = divmod(max(60, int(left)), 86_400)
    limit = f"{days:02d}:{rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    command = [*launcher, "-m", "amt_utils", "train", "--config", str(config), "--out", str(RUN), "--resume"]
    command += ["--max-time", limit, "--devices", str(max(1, gpus)), *(["--start-from", weights] if weights else [])]
    say(f"{gpus} GPUs · " + " ".join(command))
    with open(WORKING / "training.log", "a", encoding="utf-8") as log:
        # a session of its own, so that all workers can be stopped together
        child = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        watchdog = stop_when_over(child, left)
        for line in child.stdout or ():
            log.write(line)
            print(line, end="", flush=True)
        status = child.wait()
        watchdog.cancel()
    return status


def stop_when_over(child: subprocess.Popen, seconds: float):
    """Ask the training to stop when it overruns its own limit, and end it if it does not."""
    import threading

    def stop() -> None:
        for kind, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 0.0)):
            if child.poll() is None:
                say(f"time is over: signal {kind.name}")
                os.killpg(child.pid, kind)
                time.sleep(patience if child.poll() is None else 0)

    timer = threading.Timer(max(60.0, seconds) + GRACE, stop)
    timer.daemon = True
    timer.start()
    return timer


def tidy() -> dict:
    """Deletes everything but the files to keep; returns their description."""
    from amt_utils.checkpoints.inventory import find_newest, prune

    prune(RUN, keep=1)
    for cache in WORKING.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
    newest, _ = find_newest([RUN])
    files: dict[str, dict[str, Any]] = {}
    for path in sorted(p for p in WORKING.rglob("*") if p.is_file() and p.name != "result.json"):
        files[str(path.relative_to(WORKING))] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    total = sum(entry["bytes"] for entry in files.values())
    if total > OUTPUT_LIMIT:
        say(f"the output is {total / 1e9:.1f} GB: Kaggle keeps 20 GB at most")
    return {"files": files, "step": newest.step if newest else 0}


def main() -> None:
    WORKING.mkdir(parents=True, exist_ok=True)
    result = {"job": JOB.get("id"), "state": "failed", "reason": "", "resumed_from": None}
    try:
        install_package()
        result["resumed_from"] = start = place_checkpoint()
        for command in JOB.get("prepare", []):
            say("preparing: " + " ".join(command))
            subprocess.run([sys.executable, "-m", "amt_utils", *command], check=True)
        status = train(resolve_config(), (start or {}).get("weights"))
        result |= tidy()
        result["state"] = "trained" if status == 0 else "failed"
        plan = JOB["config"]["train"]
        result["finished"] = status == 0 and result["step"] >= plan["epochs"] * plan["steps_per_epoch"]
        if status:
            result["reason"] = f"the training ended with status {status}; see training.log"
    except Exception as error:  # in any case the files and the reason must reach the driver
        result["reason"] = f"{type(error).__name__}: {error}"
    result["seconds"] = round(time.monotonic() - STARTED)
    partial = WORKING / "result.json.part"
    partial.write_text(json.dumps(result, indent=2))
    os.replace(partial, WORKING / "result.json")
    say(f"{result['state']}: {result['reason'] or 'step ' + str(result.get('step'))}")


if __name__ == "__main__":
    main()

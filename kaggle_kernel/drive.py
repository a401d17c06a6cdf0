"""One command that trains on Kaggle, session after session, until the epochs or the week's GPU hours are used up.

    python kaggle_kernel/drive.py --owner YOUR_KAGGLE_NAME --config my_config.json --epochs 100 --data OWNER/DATASET

Each round: build the wheel, publish it and the newest checkpoint as private data sets, push the kernel with both T4s
and a time limit, watch it, fetch its output, compare every hash, keep the checkpoint (and copy it to the mirrors), and
begin again from it. The current job is stored in ``driver.json``: a driver that was killed continues with it.
``--dry-run`` prints each call and makes none. ``--from`` goes on with a run that began elsewhere: from a shared Google
Drive folder, a Kaggle data set or a Kaggle model. Paths in the configuration that begin with ``input/`` name data sets:
``input/maestro-16k/2018`` is the folder ``2018`` of the data set ``maestro-16k``, wherever Kaggle mounts it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amt_utils.checkpoints.inventory import choose_kept, find_newest
from amt_utils.checkpoints.mirrors import Store
from amt_utils.config import load_config
from amt_utils.system.errors import AmtError
from amt_utils.system.google_drive import ADDRESSES
from amt_utils.system.kaggle import ACTIVE, Kaggle, QuotaUsedUp

HERE = Path(__file__).resolve().parent
STATE = "driver.json"
FETCHES = 6  # downloads of one output before giving up
STALE_ROUNDS = 3  # rounds without a new step before the driver stops
PLACE = re.compile(r"[\w.-]+/[\w.-]+(?:/[\w.-]+/[\w.-]+/\d+)?")  # a data set, or a version of a model


@dataclass
class Plan:
    """The options of the command line."""

    owner: str
    store: Store
    config: dict
    hours: float
    data: list[str]
    prepare: list[list[str]]
    accelerator: str = "NvidiaTeslaT4"  # Kaggle's name for the machine with two of them
    poll: float = 60.0
    title: str = "AMT Piano"
    rounds: int | None = None
    begun: str | None = None  # where the run began: a Drive folder's address, a data set, a model

    @property
    def slug(self) -> str:
        return self.title.lower().replace(" ", "-")

    @property
    def kernel(self) -> str:
        return f"{self.owner}/{self.slug}-training"

    @property
    def drive(self) -> str | None:
        """The address of the Drive folder where the run began."""
        return self.begun if self.begun and self.begun.startswith(ADDRESSES) else None

    @property
    def sources(self) -> dict[str, list[str]]:
        """The kernel's inputs by their kind, as its metadata name them."""
        own = [self.dataset("package"), self.dataset("checkpoints")]
        begun = [self.begun] if self.begun and not self.drive else []
        return {
            "dataset_sources": [*own, *self.data, *(place for place in begun if place.count("/") == 1)],
            "model_sources": [place for place in begun if place.count("/") == 4],
        }

    def dataset(self, kind: str) -> str:
        return f"{self.owner}/{self.slug}-{kind}"


def drive(plan: Plan, kaggle: Kaggle) -> str:
    """Runs rounds until there is nothing left to do; returns a sentence that says why it stopped."""
    work = Path(tempfile.mkdtemp(prefix="amt-kaggle-"))
    try:
        wheel = build_wheel(work / "wheel", dry_run=kaggle.dry_run, say=kaggle.say)
        done, stale = 0, 0
        while True:
            if plan.rounds is not None and done >= plan.rounds:
                return f"{done} rounds are done, as asked"
            newest, _ = find_newest([plan.store.local])
            step = newest.step if newest else 0
            job = read_state(plan)
            if job is None:
                if kaggle.dry_run:
                    kaggle.call("quota", "--format", "json")
                quota = None if kaggle.dry_run else kaggle.quota()
                if quota and quota.remaining_hours < 0.5:
                    return f"the week's GPU hours are used up; new ones come at {quota.refresh}; then run this again"
                hours = min(plan.hours, quota.remaining_hours - 0.25) if quota else plan.hours
                try:
                    job = push_round(plan, kaggle, wheel, newest, hours, work)
                except QuotaUsedUp as error:
                    return f"{error}; run this again next week"
            else:
                kaggle.say(f"a session is under way (job {job['id']}): watching it")
            watch(plan, kaggle)
            result = collect(plan, kaggle, job, work)
            if kaggle.dry_run:
                return "dry run: nothing was called"
            clear_state(plan)
            done += 1
            kaggle.say(f"round {done}: {describe(result)}")
            if result.get("finished"):
                return f"all {plan.config['train']['epochs']} epochs are trained"
            stale = stale + 1 if result.get("step", 0) <= step else 0
            if stale >= STALE_ROUNDS:
                return f"stopped: {stale} sessions in a row brought no new step. The last one said: {result['reason']}"
    finally:
        plan.store.wait()
        shutil.rmtree(work, ignore_errors=True)


def describe(result: dict) -> str:
    words = f"{result['state']}, step {result.get('step', 0)}"
    return words + (f" ({result['reason']})" if result.get("reason") else "")


def build_wheel(folder: Path, *, dry_run: bool, say=print) -> Path:
    """The package as a wheel, since a push carries one code file and nothing else."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    if dry_run:
        say("$ python -m pip wheel --no-deps .")
        return folder / "amt_piano.whl"
    done = subprocess.run([*pip, "--wheel-dir", str(folder), str(HERE.parent)], capture_output=True, text=True)
    wheels = sorted(folder.glob("amt_piano-*.whl"))
    if done.returncode or not wheels:
        raise AmtError(f"the wheel cannot be built: {done.stderr.strip()[-500:]}")
    return wheels[-1]


def push_round(plan: Plan, kaggle: Kaggle, wheel: Path, newest, hours: float, work: Path) -> dict[str, Any]:
    """Publish the inputs, push the kernel, store the job."""
    if not kaggle.dry_run and kaggle.kernel_status(plan.kernel) in ACTIVE:
        raise AmtError(f"another session of {plan.kernel} is running; stop it on kaggle.com or wait for its end")
    job: dict[str, Any] = {
        "id": uuid.uuid4().hex[:12],
        "wheel": None if kaggle.dry_run else sha256(wheel),
        "checkpoint": {"step": newest.step, "sha256": newest.sha256} if newest else None,
        "begun": plan.begun,
        "drive": plan.drive,
        "config": plan.config,
        "hours": round(hours, 2),
        "prepare": plan.prepare,
    }
    package = stage_dataset(plan, "package", work, [] if kaggle.dry_run else [wheel])
    if kaggle.dry_run or job["wheel"] not in published(plan):
        kaggle.publish_dataset(package, f"package {job['wheel']}", poll=plan.poll / 4)
        note_published(plan, job["wheel"])
    checkpoints = stage_dataset(plan, "checkpoints", work, [])
    for checkpoint in choose_kept(plan.store.local, 1):
        checkpoint.copy_to(checkpoints)
    if newest is None:  # Kaggle refuses an empty data set
        (checkpoints / "README.txt").write_text("The first session writes the first checkpoint.\n")
    kaggle.publish_dataset(checkpoints, f"step {newest.step if newest else 0}", poll=plan.poll / 4)
    kernel = stage_kernel(plan, job, work)
    kaggle.push_kernel(kernel, accelerator=plan.accelerator, limit_seconds=int(hours * 3600) + 1800)
    if not kaggle.dry_run:
        write_state(plan, {**read_notes(plan), "job": job})
    return job


def stage_dataset(plan: Plan, kind: str, work: Path, files: list[Path]) -> Path:
    """A folder ready for ``kaggle datasets``: the files and the filled-in metadata."""
    folder = work / kind
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    card = json.loads((HERE / "dataset-metadata.json").read_text())
    card |= {"id": plan.dataset(kind), "title": f"{plan.title} {kind}"}
    (folder / "dataset-metadata.json").write_text(json.dumps(card, indent=2))
    for path in files:
        shutil.copy2(path, folder / path.name)
    return folder


def stage_kernel(plan: Plan, job: dict, work: Path) -> Path:
    """A folder ready for ``kaggle kernels push``: the metadata and the code file with its job."""
    folder = work / "kernel"
    folder.mkdir(parents=True, exist_ok=True)
    card = json.loads((HERE / "kernel-metadata.json").read_text())
    card |= {"id": plan.kernel, "title": f"{plan.title} training", **plan.sources}
    card["machine_shape"] = plan.accelerator
    (folder / "kernel-metadata.json").write_text(json.dumps(card, indent=2))
    code = (HERE / card["code_file"]).read_text()
    empty = "JOB: dict = {}"
    if code.count(empty) != 1:
        raise AmtError(f"{HERE / card['code_file']}: the line {empty!r} is missing, so the job cannot be filled in")
    (folder / card["code_file"]).write_text(code.replace(empty, f"JOB: dict = json.loads({json.dumps(job)!r})"))
    return folder


def watch(plan: Plan, kaggle: Kaggle) -> str:
    """Wait for the end of the session, printing what it prints; its last status."""
    if kaggle.dry_run:
        kaggle.call("kernels", "status", plan.kernel)
        kaggle.call("kernels", "logs", plan.kernel)
        return "COMPLETE"
    seen, before = 0, ""
    while True:
        status = kaggle.kernel_status(plan.kernel)
        if status != before:
            kaggle.say(f"{time.strftime('%H:%M')} {plan.kernel}: {status}")
            before = status
        log = kaggle.kernel_log(plan.kernel)
        if len(log) > seen:
            kaggle.say(log[seen:].rstrip("\n"))
            seen = len(log)
        if status not in ACTIVE:
            return status
        time.sleep(plan.poll)


def collect(plan: Plan, kaggle: Kaggle, job: dict, work: Path) -> dict:
    """Fetch the output until every hash agrees, keep its checkpoints, copy them to the mirrors; the result."""
    output = work / "output"
    for attempt in range(1, FETCHES + 1):
        shutil.rmtree(output, ignore_errors=True)
        kaggle.fetch_output(plan.kernel, output)
        if kaggle.dry_run:
            return {}
        wrong = check_output(output, job)
        if wrong is None:
            break
        kaggle.say(f"  the output is not right yet ({wrong}); fetching it again")
        time.sleep(plan.poll / 4 * attempt)
    else:
        # intact checkpoints are kept all the same: they are verified by their hash
        kaggle.say(f"  given up on the complete output: {wrong}")
    found, skipped = find_newest([output])
    for path, reason in skipped:
        kaggle.say(f"  skipped {path.name}: {reason}")
    kept, _ = find_newest([plan.store.local])
    if found and (kept is None or found.step > kept.step):
        plan.store.take(output)
    log = output / "training.log"
    if log.exists():
        with open(plan.store.local / "training.log", "a", encoding="utf-8") as all_logs:
            all_logs.write(log.read_text(encoding="utf-8", errors="replace"))
    if wrong is None:
        return json.loads((output / "result.json").read_text())
    return {"state": "failed", "reason": wrong, "step": found.step if found else 0}


def check_output(folder: Path, job: dict) -> str | None:
    """Why the downloaded files are not this job's complete output, or None when they are."""
    try:
        result = json.loads((folder / "result.json").read_text())
    except (OSError, ValueError):
        return "result.json is missing or cut short"
    if result.get("job") != job["id"]:
        return f"it is the output of job {result.get('job')}, not of {job['id']}"
    for name, card in result.get("files", {}).items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != card["bytes"] or sha256(path) != card["sha256"]:
            return f"{name} has {path.stat().st_size} of {card['bytes']} bytes or a different hash"
    return None


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_notes(plan: Plan) -> dict:
    try:
        return json.loads((plan.store.local / STATE).read_text())
    except (OSError, ValueError):
        return {}


def write_state(plan: Plan, notes: dict) -> None:
    partial = plan.store.local / (STATE + ".part")
    partial.write_text(json.dumps(notes, indent=2))
    os.replace(partial, plan.store.local / STATE)


def read_state(plan: Plan) -> dict | None:
    return read_notes(plan).get("job")


def clear_state(plan: Plan) -> None:
    write_state(plan, {k: v for k, v in read_notes(plan).items() if k != "job"})


def published(plan: Plan) -> list[str]:
    return [read_notes(plan).get("wheel", "")]


def note_published(plan: Plan, wheel: str | None) -> None:
    if wheel:
        write_state(plan, {**read_notes(plan), "wheel": wheel})


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--owner", default=os.environ.get("KAGGLE_USERNAME"), help="your name on Kaggle")
    parser.add_argument("--config", type=Path, required=True, help="the training configuration (JSON)")
    parser.add_argument("--epochs", type=int, help="epochs in all; the configuration's unless given")
    parser.add_argument("--data", action="append", default=[], metavar="OWNER/SLUG", help="a data set to train on")
    parser.add_argument(
        "--from",
        dest="begun",
        metavar="PLACE",
        help="go on with a run that began elsewhere: https://drive.google.com/drive/folders/… (shared), a data set "
        "OWNER/SLUG, or a model OWNER/MODEL/FRAMEWORK/VARIATION/VERSION, with a checkpoint or weights in it",
    )
    parser.add_argument("--prepare", action="append", default=[], metavar="COMMAND", help="amt_utils command run first")
    parser.add_argument("--hours", type=float, default=11.0, help="length of a session; Kaggle ends it at 12")
    parser.add_argument("--store", type=Path, default=Path("checkpoints/kaggle"), help="where checkpoints go")
    parser.add_argument("--mirror", action="append", default=[], help="a folder that gets a copy of each checkpoint")
    parser.add_argument("--accelerator", default="NvidiaTeslaT4", help="Kaggle's name of the machine (this is T4 x 2)")
    parser.add_argument("--poll", type=float, default=60.0, help="seconds between looks at the session")
    parser.add_argument("--pause", type=float, default=20.0, help="seconds before a failed call is repeated")
    parser.add_argument("--rounds", type=int, help="stop after so many sessions")
    parser.add_argument("--kaggle", default="kaggle", help="the Kaggle executable")
    parser.add_argument("--dry-run", action="store_true", help="print each call, make none")
    options = parser.parse_args(arguments)
    if not options.owner:
        parser.error("--owner: your name on Kaggle is needed")
    if options.begun and not (options.begun.startswith(ADDRESSES) or PLACE.fullmatch(options.begun)):
        parser.error(
            "--from: a Drive folder's address, a data set OWNER/SLUG or a model OWNER/MODEL/FRAMEWORK/VARIATION/VERSION"
        )
    if not 0.2 <= options.hours <= 11.4:
        parser.error("--hours: between 0.2 and 11.4, since Kaggle ends a session after 12 hours and throws it away")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        kaggle = Kaggle(options.kaggle, dry_run=options.dry_run, pause=options.pause)
        config = load_config(options.config)
        if options.epochs:
            config = config.replace(train={"epochs": options.epochs})
        plan = Plan(
            owner=options.owner,
            store=Store(options.store, options.mirror),
            config=config.to_dict(),
            hours=options.hours,
            data=options.data,
            prepare=[line.split() for line in options.prepare],
            accelerator=options.accelerator,
            poll=options.poll,
            rounds=options.rounds,
            begun=options.begun,
        )
        print(drive(plan, kaggle))
    except AmtError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

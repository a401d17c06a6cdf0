"""Calls of the ``kaggle`` command line, with retries and errors.

Kaggle's own tool (checked against version 2.2.5) exits with 0 after many failures and only prints a sentence, does
not verify downloads, and may fail because of the network. Every call here goes through :meth:`Kaggle.call`, which
prints it, repeats it after a pause, and turns such sentences into errors. Versions 1.x tell neither the hours left nor
the version of a data set that is ready, and are refused; of versions after 2.x a line is printed.

The tool finds its credentials itself (``~/.kaggle`` or its environment variables). They are never read, stored or
printed here; if the tool prints one, it is blanked (:mod:`.secrets`).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import AmtError
from .files import parse_json, read_json
from .secrets import blank_secrets

GENERATION = 2  # of the tool: the first number of its version
ANSWER_SECONDS = 120.0  # time limit of a status query; uploads and downloads have none
ACTIVE = ("QUEUED", "RUNNING", "NEW_SCRIPT", "CANCEL_REQUESTED")
# sentences printed with exit status 0
_FULL_DISK = re.compile(r"Disk quota exceeded|No space left on device|Errno (?:28|122)\b", re.IGNORECASE)
_REFUSALS = ("push error", "version creation error", "Dataset creation error", "not valid dataset sources")


class QuotaUsedUp(AmtError):
    """No accelerator hours are left this week."""


@dataclass(frozen=True)
class Quota:
    """Hours of GPU time left this week, and when the week ends (text as Kaggle gives it)."""

    remaining_hours: float
    refresh: str


class Kaggle:
    """Calls of the ``kaggle`` executable.

    Args:
        executable: its name or path; ``kaggle`` on the PATH unless given.
        dry_run: print each call and make none of them.
        attempts: how often a failing call is made before giving up.
        pause: seconds before the second attempt; twice as long before each further one.
        say: called with lines of text.
    """

    def __init__(
        self,
        executable: str = "kaggle",
        *,
        dry_run: bool = False,
        attempts: int = 5,
        pause: float = 20.0,
        say: Callable[[str], None] = print,
    ):
        self.executable, self.dry_run, self.attempts, self.pause, self.say = executable, dry_run, attempts, pause, say
        self._is_checked = dry_run
        if not dry_run and shutil.which(executable) is None:
            raise AmtError(f"{executable}: not found; install it with `pip install kaggle` and sign in once")

    def _check_generation(self) -> None:
        """Raises :class:`AmtError` for a tool of an older generation than these calls are written for."""
        answer = "".join(_run([self.executable, "--version"], ANSWER_SECONDS)[1:])
        found = re.search(r"Kaggle (?:API|CLI)\s+((\d+)[\w.]*)", answer)
        if found and int(found[2]) < GENERATION:
            raise AmtError(
                f"{self.executable} {found[1]} is too old: it tells neither the GPU hours left nor whether a data "
                f'set is ready; update it with `pip install -U "kaggle>={GENERATION}"`'
            )
        if found and int(found[2]) > GENERATION:
            self.say(f"{self.executable} {found[1]} is newer than the version {GENERATION} that this was checked with")
        self._is_checked = True

    def call(self, *arguments: str, attempts: int | None = None, quiet: bool = False) -> str:
        """One call, repeated while it fails; its standard output. Raises :class:`AmtError` with the tool's message."""
        words = [self.executable, *map(str, arguments)]
        if not self._is_checked:
            self._check_generation()
        if self.dry_run or not quiet:
            self.say(blank_secrets("$ " + shlex.join(["kaggle", *words[1:]])))
        if self.dry_run:
            return ""
        pause, attempts = self.pause, attempts or self.attempts
        for attempt in range(1, attempts + 1):
            status, output, complaint = _run(words, ANSWER_SECONDS if quiet else None)
            refused = [line for line in output.splitlines() if any(text in line for text in _REFUSALS)]
            if status == 0 and not refused:
                return output
            reason = (refused or (complaint or output).strip().splitlines() or ["no output"])[-1]
            if _FULL_DISK.search(complaint + output):
                full = next(line for line in (complaint + output).splitlines() if _FULL_DISK.search(line))
                raise AmtError(
                    f"`kaggle {shlex.join(words[1:])}`: this machine's disk or its quota is full ({full.strip()}); "
                    "free some space and run this again"
                )
            if "quota" in reason.lower():
                raise QuotaUsedUp(f"Kaggle: {reason}")
            if attempt < attempts:
                self.say(f"  failed ({reason}); again in {pause:.0f} s")
                time.sleep(pause)
                pause *= 2
        raise AmtError(f"`kaggle {shlex.join(words[1:])}` failed {attempts} times: {reason}")

    def quota(self) -> Quota:
        """GPU hours left this week."""
        rows = self._ask("quota", "--format", "json") or []
        for row in rows if isinstance(rows, list) else [rows]:
            if not isinstance(row, dict):
                raise AmtError(f"`kaggle quota` answers {str(row)[:100]!r}; update the tool: pip install -U kaggle")
            if row.get("resource") == "GPU":
                found = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]+)?)\s*h?", str(row.get("remaining", "")).strip())
                if not found:
                    raise AmtError(f"`kaggle quota` answers {str(row)[:100]!r}; update the tool: pip install -U kaggle")
                return Quota(float(found[1]), str(row.get("refreshAt", "")))
        return Quota(float("inf"), "unknown")

    def _ask(self, *arguments: str, attempts: int | None = None, quiet: bool = False) -> Any:
        """The JSON that a call prints; None for no output. Raises :class:`AmtError`, also for invalid JSON."""
        answer = self.call(*arguments, attempts=attempts, quiet=quiet)
        return parse_json(answer, f"`kaggle {shlex.join(arguments)}`: its answer") if answer.strip() else None

    def dataset_version(self, dataset: str) -> tuple[str, int] | None:
        """``(status, version number)`` of ``owner/slug``, or None when there is no such data set."""
        try:
            row = self._ask("datasets", "status", dataset, "--format", "json", attempts=2, quiet=True)
        except AmtError as error:
            # Kaggle reports a data set that does not exist as forbidden
            if re.search(r"\b40[34]\b", str(error)):
                return None
            raise
        if self.dry_run:
            return None
        row = row if isinstance(row, dict) else {"answer": row}
        version = re.fullmatch(r"[0-9]{1,9}", str(row.get("current_version_number") or 0))
        if not isinstance(row.get("status"), str) or not version:
            raise AmtError(f"`kaggle datasets status {dataset}` answers {str(row)[:100]!r}; update the tool, try again")
        return row["status"], int(version[0])

    def publish_dataset(self, folder: Path, message: str, *, poll: float = 15.0, patience: float = 1800.0) -> int:
        """Upload ``folder`` (with its ``dataset-metadata.json``) and wait until the new version can be mounted.

        Returns:
            The version number (0 in a dry run).
        """
        dataset = read_json(folder / "dataset-metadata.json")["id"]
        before = self.dataset_version(dataset)
        # without --dir-mode zip the tool silently leaves out every subfolder
        if before is None:
            try:
                self.call("datasets", "create", "-p", str(folder), "--dir-mode", "zip")
            except AmtError as error:  # an earlier attempt succeeded although its reply was lost
                if "already in use" not in str(error):
                    raise
        else:
            self.call("datasets", "version", "-p", str(folder), "-m", message, "--dir-mode", "zip")
        end = time.monotonic() + patience
        while not self.dry_run:
            now = self.dataset_version(dataset)
            if now and now[0] == "ready" and now[1] > (before[1] if before else 0):
                return now[1]
            if now and now[0] == "failed":
                raise AmtError(f"Kaggle could not process the data set {dataset}; see https://www.kaggle.com/{dataset}")
            if time.monotonic() > end:
                raise AmtError(f"the data set {dataset} was not ready after {patience:.0f} s; run the driver again")
            time.sleep(poll)
        return 0

    def push_kernel(self, folder: Path, *, accelerator: str, limit_seconds: int) -> None:
        """Start a session. A push whose reply was lost is recognised by the session it started."""
        kernel = read_json(folder / "kernel-metadata.json")["id"]
        words = ("kernels", "push", "-p", str(folder), "--accelerator", accelerator, "--timeout", str(limit_seconds))
        for attempt in range(1, self.attempts + 1):
            try:
                self.call(*words, attempts=1)
                return
            except QuotaUsedUp:
                raise
            except AmtError as error:
                if attempt == self.attempts:
                    raise
                pause = self.pause * 2 ** (attempt - 1)
                self.say(f"  {error}; again in {pause:.0f} s")
                time.sleep(pause)
                if self.kernel_status(kernel) in ACTIVE:
                    self.say("  the session had started after all")
                    return

    def kernel_status(self, kernel: str) -> str:
        """``QUEUED``, ``RUNNING``, ``COMPLETE``, ``ERROR``, ``CANCEL_ACKNOWLEDGED``, … or ``NONE`` before the first."""
        try:
            answer = self.call("kernels", "status", kernel, attempts=3, quiet=True)
        except AmtError as error:
            if re.search(r"\b40[34]\b|was denied", str(error)):
                return "NONE"
            raise
        found = re.search(r'has status "(?:\w+\.)?(\w+)"', answer)
        return found.group(1).upper() if found else "NONE"

    def kernel_log(self, kernel: str) -> str:
        """What the session has printed so far, as plain text; empty when Kaggle has nothing yet."""
        try:
            return plain_log(self.call("kernels", "logs", kernel, attempts=1, quiet=True))
        except AmtError:
            return ""

    def fetch_output(self, kernel: str, folder: Path) -> None:
        """Download the session's files into ``folder``; nothing is verified here."""
        folder.mkdir(parents=True, exist_ok=True)
        self.call("kernels", "output", kernel, "-p", str(folder), "--force")


def plain_log(text: str) -> str:
    """Kaggle's log, a JSON array of ``{stream_name, time, data}``, as the text that was printed."""
    try:
        return "".join(event.get("data", "") for event in json.loads(text))
    except (ValueError, RecursionError, AttributeError, TypeError):
        return text


def _run(words: list[str], seconds: float | None) -> tuple[int, str, str]:
    """Exit status, output and error output of one call, without secrets; a timeout counts as a failure."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return 1, "", f"no answer in {seconds:.0f} s"
    except (OSError, ValueError) as error:
        return 1, "", f"{words[0]} cannot be started ({error})"
    return done.returncode, blank_secrets(done.stdout), blank_secrets(done.stderr)

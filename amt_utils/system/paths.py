"""Folders on Colab, on Kaggle and on local machines.

Every function returns a path and creates nothing. Environment variables take precedence:
``AMT_WORK`` (everything written), ``AMT_DATA`` (data sets), ``AMT_CHECKPOINTS``, ``AMT_SHARED_DATA``.
"""

from __future__ import annotations

import os
from pathlib import Path

from .errors import AmtError


def platform() -> str:
    """``"kaggle"``, ``"colab"`` or ``"local"``."""
    # Kaggle's image is built on Colab's and keeps some of its variables, so Kaggle is checked first
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ or "KAGGLE_URL_BASE" in os.environ:
        return "kaggle"
    if "COLAB_RELEASE_TAG" in os.environ or "COLAB_GPU" in os.environ:
        return "colab"
    return "local"


def package_folder() -> Path:
    """The installed package, with the weights and examples in it."""
    return Path(__file__).resolve().parents[1]


def repository_folder() -> Path:
    """The checkout this package runs from, or the current folder when it is installed without one."""
    parent = package_folder().parent
    return parent if (parent / "pyproject.toml").is_file() else Path.cwd()


def work_folder() -> Path:
    """Folder for results of a session: ``/kaggle/working``, ``/content/amt``, or the checkout."""
    local = {"kaggle": Path("/kaggle/working"), "colab": Path("/content/amt")}
    return _from_environment("AMT_WORK") or local.get(platform()) or repository_folder()


def data_folder() -> Path:
    """Downloaded and processed recordings. On Kaggle a scratch disk, since the output is limited to 20 GB."""
    scratch = Path("/kaggle/temp/data") if platform() == "kaggle" and not _from_environment("AMT_WORK") else None
    return _from_environment("AMT_DATA") or scratch or work_folder() / "data"


def checkpoints_folder() -> Path:
    """Where training writes its checkpoints and logs, one folder per run."""
    return _from_environment("AMT_CHECKPOINTS") or work_folder() / "checkpoints"


def shared_data() -> Path | None:
    """The collection of recordings and pianos for training and evaluation, or ``None`` where there is none.

    ``AMT_SHARED_DATA``, else ``../shared/data`` beside the checkout. An empty variable means none.
    """
    named = os.environ.get("AMT_SHARED_DATA")
    if named == "":
        return None
    folder = Path(named).expanduser() if named else repository_folder().parent / "shared" / "data"
    return folder if folder.is_dir() else None


def _from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).expanduser() if value else None


def example_files() -> tuple[Path, Path]:
    """The recording that comes with the package, and the MIDI that was played on it.

    Raises:
        AmtError: the package was installed without its examples.
    """
    folder = package_folder() / "examples"
    files = folder / "waltz.flac", folder / "waltz.mid"
    for path in files:
        if not path.is_file():
            raise AmtError(f"{path}: the example is missing; install the package again, or transcribe a file of yours")
    return files

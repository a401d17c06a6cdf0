"""Set-up of a notebook session: folders, and Google Drive on request.

The set-up cell fetches the project and runs ``colab_setup.sh``; :func:`start` then creates the folders, mounts Google
Drive (on Colab only, and only on request), prints one line about the machine, and returns the paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .errors import AmtError

DRIVE_ROOT = Path("/content/drive")
DRIVE_FOLDER = DRIVE_ROOT / "MyDrive" / "amt-piano"


@dataclass(frozen=True)
class Paths:
    """The folders a notebook works with; all of them exist.

    Attributes:
        platform: ``"colab"``, ``"kaggle"`` or ``"local"``.
        data: recordings, MIDI and what is downloaded.
        work: results that need not be kept.
        checkpoints: the local checkpoint folder, which mirrors copy.
        drive: the project's folder on Google Drive, or None where Drive is not mounted.
        shared: a folder of extra data for training and evaluation, or None.
    """

    platform: str
    data: Path
    work: Path
    checkpoints: Path
    drive: Path | None = None
    shared: Path | None = None

    @property
    def mirrors(self) -> tuple[Path, ...]:
        """Where checkpoints are copied to besides :attr:`checkpoints`; empty without Drive."""
        return (self.drive / "checkpoints",) if self.drive else ()


def start(mount_drive: bool = False, *, quiet: bool = False) -> Paths:
    """Prepare the session and return its :class:`Paths`.

    Args:
        mount_drive: mount Google Drive so that checkpoints survive the session. Ignored outside Colab.
        quiet: print nothing.

    Raises:
        AmtError: a folder cannot be created.
    """
    from . import paths as places

    platform = places.platform()
    drive = mount(DRIVE_ROOT) if mount_drive and platform == "colab" else None
    folders = {
        "data": Path(places.data_folder()),
        "work": Path(places.work_folder()),
        "checkpoints": Path(places.checkpoints_folder()),
    }
    for name, folder in folders.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AmtError(f"the {name} folder {folder} cannot be made ({error.strerror}): choose another") from error
    found = Paths(platform=platform, drive=drive, shared=places.shared_data(), **folders)
    if not quiet:
        print(describe_session(found))
    return found


def mount(root: Path = DRIVE_ROOT) -> Path | None:
    """Mount Google Drive at ``root`` (Colab only); the project's folder on it, or None, with the reason printed."""
    folder = root / "MyDrive" / DRIVE_FOLDER.name
    try:
        if not (root / "MyDrive").is_dir():
            from google.colab import drive

            drive.mount(str(root))
        folder.mkdir(parents=True, exist_ok=True)
    except Exception as error:  # no permission, a time-out: the session continues without Drive
        print(f"Google Drive is not mounted ({type(error).__name__}: {error}); checkpoints stay on this machine only")
        return None
    return folder


def describe_session(paths: Paths) -> str:
    """One paragraph: platform, versions, processors with their memory, folders."""
    import os
    import sys

    import torch

    gpus = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(index)
            gpus.append(f"{card.name} {card.total_memory / 2**30:.0f} GB")
    processors = " + ".join(gpus) or f"{os.cpu_count()} CPU cores, no GPU"
    lines = [
        f"{paths.platform} · Python {sys.version.split()[0]} · torch {torch.__version__} · {processors}",
        f"data {paths.data} · work {paths.work} · checkpoints {paths.checkpoints}"
        + (f" · Drive {paths.drive}" if paths.drive else ""),
    ]
    return "\n".join(lines)

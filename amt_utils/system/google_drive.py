"""Shared Google Drive folders, downloaded by gdown."""

from __future__ import annotations

from pathlib import Path

from .errors import AmtError

ADDRESSES = ("https://drive.google.com/", "http://drive.google.com/")


def download_folder(url: str, folder: Path) -> Path:
    """Downloads a shared folder into ``folder``, which it returns; files that are there are not fetched again.

    Raises:
        AmtError: Drive does not give it.
    """
    import gdown

    try:
        fetched = gdown.download_folder(url=url, output=str(folder), quiet=False, resume=True)
    except Exception as error:  # gdown's own errors change with its versions
        raise AmtError(f"{url}: Google Drive does not give it ({error}); share the folder with 'anyone'") from error
    if fetched is None:  # how gdown 5 fails
        raise AmtError(f"{url}: Google Drive does not give it; share the folder with 'anyone with the link'")
    return folder

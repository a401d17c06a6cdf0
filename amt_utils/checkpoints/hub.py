"""Weights on the Hugging Face Hub, named ``hf:OWNER/NAME`` or ``hf:OWNER/NAME@REVISION``.

:mod:`amt_utils.transcription.pretrained` writes folders that can be uploaded. Downloads are kept in the Hub client's
cache, from which they are read where there is no network.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..system.errors import AmtError

PREFIX = "hf:"
WEIGHTS = "model.safetensors"  # the name that a folder's weights have there
FILES = ("model.*", "config.json")  # the Hub counts downloads by config.json
_REPOSITORY = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?")


def is_repository(name: str) -> bool:
    """Whether ``name`` has the form ``OWNER/NAME`` or ``OWNER/NAME@REVISION``."""
    return bool(_REPOSITORY.fullmatch(name))


def fetch_weights(repository: str) -> Path:
    """``OWNER/NAME`` or ``OWNER/NAME@REVISION`` -> the weights file, its card beside it, in the client's cache.

    Raises:
        AmtError: ``huggingface_hub`` is missing, the repository cannot be reached, or it holds no weights.
    """
    found = _REPOSITORY.fullmatch(repository)
    if not found:
        raise AmtError(f"{PREFIX}{repository}: expected {PREFIX}OWNER/NAME or {PREFIX}OWNER/NAME@REVISION")
    name, revision = found.groups()
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise AmtError(
            f"{PREFIX}{repository}: weights on the Hugging Face Hub need its client: pip install huggingface_hub"
        ) from None
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
    except Exception as error:  # the client's own errors change with its versions
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise AmtError(
            f"{PREFIX}{repository}: the Hugging Face Hub does not give it ({reason}); check the name and the network"
        ) from error
    for file in (WEIGHTS, Path(WEIGHTS).with_suffix(".json").name):
        if not (folder / file).is_file():
            raise AmtError(f"{PREFIX}{repository}: holds no {file}; it was not written by Transcriber.save_pretrained")
    return folder / WEIGHTS

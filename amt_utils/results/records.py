"""Records of transcriptions: ``take.transcription.json`` beside the results of ``take.wav``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..audio.tuning import A4
from ..system.errors import AmtError
from ..system.files import read_json, written_whole

if TYPE_CHECKING:
    from ..transcription.torch_network import TorchNetwork
    from ..transcription.transcriber import Transcriber

RECORD = ".transcription.json"


def record_path(target: Path) -> Path:
    """The record of the results whose path is ``target`` without suffix."""
    return target.with_name(target.name + RECORD)


def read_record(target: Path) -> dict[str, Any] | None:
    """The record of the results of this name; ``None`` where there is none, or an unreadable one."""
    known = {"source": str, "source_sha256": str, "files": list, "kinds": list, "notes": int, "pedals": int}
    try:
        record: dict[str, Any] = read_json(record_path(target))
        whole = all(isinstance(record[key], kind) for key, kind in known.items())
        numbers = {"seconds": float(record["seconds"]), "tuning": float(record.get("tuning", A4))}
        return {**record, **numbers} if whole else None
    except (AmtError, ValueError, KeyError, TypeError):
        return None


def write_record(target: Path, record: dict[str, Any]) -> None:
    """Writes it whole. Raises :class:`AmtError`."""
    with written_whole(record_path(target)) as partial:
        partial.write_text(json.dumps({"format": 1, **record}, indent=1), encoding="ascii")


def hash_network(transcriber: Transcriber) -> str:
    """The weights file's hash; of a network in memory, that of its weights."""
    known = transcriber.card.get("sha256")
    if known:
        return str(known)
    sha = hashlib.sha256()
    network = cast("TorchNetwork", transcriber.network)  # only a network in memory has no file
    for name, tensor in network.model.state_dict().items():
        sha.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()

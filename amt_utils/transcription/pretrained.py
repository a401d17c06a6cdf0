"""Weights as a folder that can be published on the Hugging Face Hub: safetensors, card, configuration, README, ONNX.

The README begins with the Hub's metadata (https://huggingface.co/docs/hub/model-cards); its figures are those of the
weights' own card.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checkpoints import hub
from ..checkpoints.checkpoint import check_hash, describe_file, read_card
from ..checkpoints.weights import read_weights, save_weights
from ..config import Config, save_config
from ..system.files import hash_file, written_whole
from .onnx import HASHES, WINDOW_SAMPLES, onnx_paths

if TYPE_CHECKING:
    import torch

LICENSE = "cc-by-nc-sa-4.0"  # of MAESTRO and of the shipped weights
MEASURES = {
    "note_f1": "note",
    "note_offset_f1": "note with offset",
    "note_offset_velocity_f1": "note with offset and velocity",
    "frame_f1": "frame",
    "pedal_sustain_f1": "sustain pedal",
}


def save_folder(
    folder: Path,
    weights: Path | dict[str, torch.Tensor],
    card: dict[str, Any],
    *,
    license: str = LICENSE,
) -> Path:
    """Writes ``model.safetensors``, ``model.json``, ``config.json`` and ``README.md``, and ONNX files if there are any.

    Args:
        folder: made if it is missing; files of these names in it are replaced.
        weights: a weights file (its bytes and the ONNX files beside it are copied), a checkpoint, or tensors.
        card: of the weights.
        license: as the Hub names it.

    Raises:
        AmtError: the bytes of ``weights`` are not those that their card describes.
        WriteError: the folder cannot be written.
    """
    out = folder / hub.WEIGHTS
    config = Config.from_dict(card["config"]).with_names_alone()
    card = {name: value for name, value in card.items() if name not in (HASHES, WINDOW_SAMPLES)}
    card["config"] = config.to_dict()
    if isinstance(weights, Path) and weights.suffix == ".safetensors":
        _copy_weights(weights, out, card)
    else:
        tensors = read_weights(weights)[0] if isinstance(weights, Path) else weights
        for stale in onnx_paths(out):  # of other weights that lay here
            stale.unlink(missing_ok=True)
        save_weights(out, tensors, card)
    save_config(config, folder / "config.json")
    with written_whole(folder / "README.md") as partial:
        partial.write_text(describe_model(folder.resolve().name, card, license=license), encoding="utf-8")
    return folder


def _copy_weights(weights: Path, out: Path, card: dict[str, Any]) -> None:
    source_card = read_card(weights)
    check_hash(weights, source_card)
    hashes = {}
    with written_whole(out.with_suffix(".json")) as partial_card:
        with written_whole(out) as partial:
            shutil.copyfile(weights, partial)
        for source, target in zip(onnx_paths(weights), onnx_paths(out), strict=True):
            if source.is_file() and hash_file(source) == source_card.get(HASHES, {}).get(source.name):
                with written_whole(target) as partial:
                    shutil.copyfile(source, partial)
                hashes[target.name] = hash_file(target)
            else:
                target.unlink(missing_ok=True)
        exported = {HASHES: hashes, WINDOW_SAMPLES: source_card.get(WINDOW_SAMPLES)} if hashes else {}
        partial_card.write_text(describe_file(out, {**card, **exported}))


def describe_model(name: str, card: dict[str, Any], *, license: str = LICENSE) -> str:
    """The README of published weights: the Hub's metadata, how to load them, their figures and their training.

    Args:
        name: of the model.
        card: of its weights.
        license: as the Hub names it.
    """
    config = Config.from_dict(card["config"])
    measured_on = ", ".join(config.data.validation) or "validation recordings"
    scores = card.get("scores") or {}
    found = {label: round(100 * scores[key], 1) for key, label in MEASURES.items() if key in scores}
    metadata: dict[str, Any] = {
        "library_name": "amt-piano",
        "license": license,
        "pipeline_tag": "audio-classification",  # the Hub has no tag for transcription of music
        "tags": ["music", "piano", "automatic-music-transcription", "midi"],
        "metrics": ["f1", "precision", "recall"],
    }
    if found:
        result = {
            "task": {"type": "audio-classification", "name": "piano transcription"},
            "dataset": {"type": measured_on, "name": measured_on},
            "metrics": [{"type": "f1", "name": f"{label} F1 in %", "value": value} for label, value in found.items()],
        }
        metadata["model-index"] = [{"name": name, "results": [result]}]
    # each value as JSON, which is YAML, too
    head = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in metadata.items())
    table = "\n".join(f"| {label} | {value} |" for label, value in found.items())
    training = {
        "network": f"{config.model.name}, {config.model.size}",
        "parameters": f"{card['parameters']:,}" if "parameters" in card else None,
        "steps of the last run": card.get("step"),
        "trained on": ", ".join((*config.data.recordings, *config.data.midi)),
    }
    facts = "\n".join(f"| {label} | {value} |" for label, value in training.items() if value)
    tuned = ", on which the thresholds were tuned, too" if card.get("tuned_on") == measured_on else ""
    about = f"Mean F1 on {measured_on}{tuned}, by mir_eval."
    figures = f"\n## Figures\n\n{about}\n\n| | F1 in % |\n|---|---|\n{table}\n" if found else ""
    return _README.format(head=head, name=name, facts=facts, figures=figures)


_README = """---
{head}
---

# {name}

A network of [AMT Piano](https://github.com/amt-piano/amt-piano): a piano recording goes in; notes with onset, offset
and velocity and the three pedals come out. Made for solo piano; other instruments come out as piano notes.

```python
import amt_utils as amt

transcriber = amt.Transcriber.from_pretrained("OWNER/{name}")   # or this folder
amt.transcribe("recording.flac", transcriber=transcriber).save("results")
```

| | |
|---|---|
{facts}
{figures}"""

"""One HTML file that transcribes on its own, in the browser: with networks, ONNX Runtime and the piano roll.

The networks run in a worker by ONNX Runtime Web (``onnxruntime_web/`` holds its WebAssembly), with the windows and
decoding of :mod:`amt_utils.transcription`; the page needs no server and works from a disk.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..audio.windows import key_cut, pedal_cut
from ..checkpoints.checkpoint import read_card
from ..checkpoints.weights import VELOCITY_WEIGHTS, weights_path
from ..config import Config
from ..sheet_music import hands
from ..system.errors import AmtError
from ..system.files import written_whole
from ..system.paths import example_files
from ..transcription import velocities
from ..transcription.candidates import LOWEST_THRESHOLD
from ..transcription.decode import peak_mass
from ..transcription.onnx import MARGIN, find_session, metadata, onnx_paths
from ..transcription.transcriber import MOST_GAIN, USUAL_LEVELS
from . import page
from .corrections import MIDDLE_C, PER_SEMITONE

WASM, RUNTIME = "ort-wasm-simd-threaded.wasm.gz", "ort.wasm.bundle.min.mjs"


def write_page(path: str | os.PathLike, *, weights: str | os.PathLike = "tiny") -> Path:
    """Writes the page.

    Args:
        path: of the HTML file.
        weights: a shipped name or a weights file with its ONNX files beside it (``python -m amt_utils export``).

    Raises:
        AmtError: no such weights, no ONNX files of theirs, or a file that cannot be written.
    """
    text = build_page(weights_path(weights))
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


def build_page(weights: Path) -> str:
    """The page as text."""
    network, pedals = onnx_paths(weights)
    velocity = VELOCITY_WEIGHTS.with_suffix(".onnx")
    for file, source in ((network, weights), (pedals, weights), (velocity, VELOCITY_WEIGHTS)):
        if find_session(file, source) is None:
            raise AmtError(f"{file}: missing, or not of {source.name}; python -m amt_utils export --weights {source}")
    runtime = files(__package__) / "onnxruntime_web"
    binaries = {
        "amt-wasm": ((runtime / WASM).read_bytes(), "gzip"),
        "amt-network": (gzip.compress(network.read_bytes(), 9, mtime=0), "gzip"),
        "amt-pedals": (gzip.compress(pedals.read_bytes(), 9, mtime=0), "gzip"),
        "amt-velocities": (gzip.compress(velocity.read_bytes(), 9, mtime=0), "gzip"),
        "amt-example": (example_files()[0].read_bytes(), "none"),
    }
    data = "\n".join(
        f'<script type="text/plain" class="amt-engine" id="{name}" data-encoding="{encoding}">'
        f"{base64.b64encode(content).decode('ascii')}</script>"
        for name, (content, encoding) in binaries.items()
    )
    config = json.dumps(describe(weights, network)).replace("<", "\\u003c")
    app = files(__package__) / "transcriber"
    body = f"""<div id="amt-root"></div>
{data}
<script type="text/plain" class="amt-engine" id="amt-worker">{worker_script()}</script>
<script>
(() => {{
{page.script()}
{page.script(("microphone",))}
{(app / "app.js").read_text(encoding="utf-8")}
openTranscriber(document.getElementById("amt-root"), {config});
}})();
</script>"""
    style = page.style() + "\n" + (app / "app.css").read_text(encoding="utf-8")
    return page.document("Piano transcription", style=style, body=body)


def worker_script() -> str:
    """The worker's script: ONNX Runtime, decoding, and the worker itself.

    Not a module: browsers do not start module workers from a page on disk.
    """
    package = files(__package__)
    runtime = (package / "onnxruntime_web" / RUNTIME).read_text(encoding="utf-8")
    exported = re.search(r"export\s*\{([^}]*)\};?\s*$", runtime)
    if exported is None:
        raise AmtError(f"{RUNTIME}: does not end in its exports; is it another version of ONNX Runtime Web?")
    pairs = (pair.split(" as ") for pair in exported.group(1).split(","))
    ort = "const ort = {" + ", ".join(f"{name.strip()}: {inner.strip()}" for inner, name in pairs) + "};"
    names = ("decode", "beat_finder", "worker")
    parts = [(package / "transcriber" / f"{name}.js").read_text(encoding="utf-8") for name in names]
    ours = "\n".join([page.script(("data",)), *parts])
    # a block, to keep the runtime's short names apart
    runtime = runtime[: exported.start()].replace("import.meta.url", "self.location.href")
    script = f"{runtime}\n{ort}\n{{\n{ours}\n}}\n"
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def describe(weights: Path, network: Path) -> dict[str, Any]:
    """The configuration of features, windows and decoding for the browser."""
    config = Config.from_dict(read_card(weights)["config"], where=f"{weights.with_suffix('.json')}: config")
    session = find_session(network, weights)
    assert session is not None  # build_page has checked it
    return {
        "rate": config.feature.sample_rate,
        "hop": config.feature.hop_length,
        "margin": metadata(session)[MARGIN],
        "keyCut": key_cut(config.feature)._asdict(),
        "pedalCut": pedal_cut(config.feature)._asdict(),
        "levels": USUAL_LEVELS,
        "most": MOST_GAIN,
        "decode": dataclasses.asdict(config.decode) | {"peak_mass": peak_mass(config)},
        "lowest": LOWEST_THRESHOLD,
        "hands": {
            "span": hands.SPAN,
            "stretch": hands.STRETCH,
            "fingers": hands.FINGERS,
            "crowded": hands.CROWDED,
            "middle": MIDDLE_C,
            "perSemitone": PER_SEMITONE,
        },
        "velocities": {
            "struckTogether": velocities.STRUCK_TOGETHER,
            "spread": velocities.SPREAD,
            "longestGap": velocities.LONGEST_GAP,
            "mostMisheard": velocities.MOST_MISHEARD,
        },
    }

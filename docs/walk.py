"""The newcomer's path as two pictures: the walk of a recording and of a training window, one module a step.

``python docs/walk.py`` writes them as SVG into ``images``; a test holds that they are up to date and
that every module exists.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

RECORDING = (  # what happens, what it hands on, where
    ("A recording is read", "samples (n,), mono", "amt_utils.audio.reading"),
    ("and seen as harmonics over time", "HCQT (3, T, 352)", "amt_utils.audio.features"),
    ("A network predicts notes per key and frame", "logits (T, 88) × 5, pedals (T, 3)", "amt_utils.models.residual"),
    ("Chunks of a long recording are joined", "probabilities of the whole", "amt_utils.transcription.transcriber"),
    ("Peaks become events", "onsets, ends, velocities", "amt_utils.transcription.decode"),
    ("Events become a performance", "notes (n,), pedals (m,), in seconds", "amt_utils.transcription.performance"),
    ("It is written as MIDI", ".mid", "amt_utils.music.midi"),
    ("and notated", ".musicxml, .svg, .pdf", "amt_utils.sheet_music.score"),
    ("A page shows and plays all of it", ".html, widget", "amt_utils.widget.piano_roll"),
    ("One call does the whole walk", "every file", "amt_utils.results.transcription"),
)
WINDOW = (
    ("Recordings and their MIDI are found", "audio and notes", "amt_utils.data.library"),
    ("A window is cut, the same for the same step", "samples (n,), notes", "amt_utils.training.windows"),
    ("or rendered from MIDI on a sampled piano", "samples (n,), notes", "amt_utils.data.synth"),
    ("It gets a room, noise, a tuning", "samples (n,)", "amt_utils.data.augment"),
    ("Its notes become targets", "rolls (T, 88) × 6, pedals (T, 3)", "amt_utils.training.targets"),
    ("The network predicts them", "logits (B, T, 88)", "amt_utils.models.residual"),
    ("Named losses compare the two", "one number per term", "amt_utils.training.losses"),
    ("A step changes the weights", "weights and their average", "amt_utils.training.optimizer"),
    ("The loop goes on, and stops in time", "epochs", "amt_utils.training.trainer"),
    ("What was learnt is written whole", "checkpoint, card", "amt_utils.checkpoints.checkpoint"),
    ("and judged by its notes", "note F1", "amt_utils.evaluation.validation"),
)
COLOURS = ("#F6E58D", "#A9D6F5", "#F2C9DC", "#E4E4E4")


def draw(title: str, steps: tuple[tuple[str, str, str], ...]) -> str:
    """The steps from top to bottom as SVG; what happens on the left, its module and result on the right."""
    width, row, top = 900, 62, 56
    height = top + row * len(steps) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{escape(title)}" font-family="Inter, Segoe UI, system-ui, sans-serif">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#333"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="12" fill="#ffffff"/>',
        f'<text x="28" y="36" font-size="19" font-weight="700" fill="#111">{escape(title)}</text>',
    ]
    for i, (what, result, module) in enumerate(steps):
        y = top + row * i
        colour = COLOURS[i * len(COLOURS) // len(steps)]
        parts.append(f'<rect x="28" y="{y}" width="400" height="42" rx="8" fill="{colour}" stroke="#333"/>')
        parts.append(f'<text x="44" y="{y + 27}" font-size="15" fill="#111">{escape(what)}</text>')
        parts.append(
            f'<text x="448" y="{y + 19}" font-size="14" font-family="monospace" fill="#0a4f86">'
            f"{module}</text>"
        )
        parts.append(f'<text x="448" y="{y + 38}" font-size="13" fill="#444">→ {escape(result)}</text>')
        if i + 1 < len(steps):
            parts.append(
                f'<line x1="228" y1="{y + 42}" x2="228" y2="{y + row}" stroke="#333" stroke-width="1.6"'
                ' marker-end="url(#tip)"/>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


def write(folder: Path) -> None:
    """Both pictures into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "walk-recording.svg").write_text(draw("The walk of a recording", RECORDING), encoding="utf-8")
    (folder / "walk-window.svg").write_text(draw("The walk of a training window", WINDOW), encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).resolve().parent / "images")

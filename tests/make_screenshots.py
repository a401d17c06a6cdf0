"""Makes the README's pictures of the piano roll from the example recording, in a real browser.

    python tests/make_screenshots.py [docs/images]

The comparison shows the shipped network's transcription against what was played; ``--stand-in`` shows an invented
one where there are no weights.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from helpers_browser import open_browser, open_page, why_no_browser

from amt_utils.demo import example_files
from amt_utils.midi import read_midi
from amt_utils.notes import Performance, make_notes
from amt_utils.score.score import make_score
from amt_utils.widget import PianoRoll

REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> None:
    """Writes the pictures and says how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=REPOSITORY / "docs" / "images")
    parser.add_argument("--stand-in", action="store_true", help="an invented transcription, without the network")
    arguments = parser.parse_args()
    if why_no_browser():
        raise SystemExit(why_no_browser())
    recording, midi = example_files()
    played = read_midi(midi)
    heard, activations = _invent(played) if arguments.stand_in else _transcribe(recording)
    title = recording.stem.replace("_", " ").capitalize()
    rolls = {
        "roll": PianoRoll(heard, recording, title=title, activations=activations, language="en"),
        "comparison": PianoRoll(heard, recording, title=title, reference=played, language="en"),
        "score": PianoRoll(heard, recording, title=title, score=make_score(heard), language="en"),
    }
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        for name, roll in rolls.items():
            roll.to_html(Path(folder) / f"{name}.html")
        pictures = (  # name, page, theme, height, seconds, JavaScript before the picture
            ("piano-roll", "roll", "dark", 580, 5.3, ""),
            ("piano-roll-light", "roll", "light", 580, 5.3, ""),
            ("comparison", "comparison", "dark", 580, 5.3, "amtPiano.stepError(1)"),
            ("roll-and-score", "score", "light", 860, 5.3, "amtPiano.setBackground(null)"),
        )
        for name, source, theme, height, seconds, script in pictures:
            page = open_page(browser, Path(folder) / f"{source}.html", width=1100, height=height, theme=theme)
            page.evaluate("seconds => { amtPiano.setView(seconds - 3.2, 9); amtPiano.seek(seconds); }", seconds)
            if script:
                page.evaluate(script)
            page.wait_for_timeout(1200)
            _save(page.screenshot(), arguments.folder / f"{name}.png")
            page.close()


def _transcribe(recording: Path) -> tuple[Performance, dict]:
    from amt_utils.outputs import transcribe_recording

    heard = transcribe_recording(recording)
    return heard.performance, heard.activations


def _invent(played: Performance) -> tuple[Performance, dict]:
    rng = np.random.default_rng(4)
    notes = played.notes[rng.random(len(played.notes)) > 0.04].copy()
    notes["onset"] = np.maximum(0, notes["onset"] + rng.normal(0, 0.006, len(notes)))
    notes["offset"] += np.where(rng.random(len(notes)) < 0.06, 0.5, 0.0)
    columns = [np.append(notes[name], extra) for name, extra in zip(notes.dtype.names, (6.1, 6.6, 79, 35), strict=True)]
    return Performance(make_notes(*columns), played.pedals), {}


def _save(png: bytes, path: Path) -> None:
    """Screenshots have few colours: a palette makes them a third of the size."""
    import io

    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    # maximum coverage keeps the few pixels of rare colours, which are the point of the comparison
    picture = picture.quantize(128, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=0)
    picture.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()

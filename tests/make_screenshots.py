"""Makes the README's pictures from the example recording: piano roll and score in a real browser, evaluation figures.

    python tests/make_screenshots.py [docs/images]

All show the shipped network's transcription, the comparison and the figures against what was played; ``--stand-in``
shows an invented one where there are no weights.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from helpers_browser import open_browser, open_page, why_no_browser

from amt_utils.data.library import Recording
from amt_utils.evaluation import mistakes
from amt_utils.evaluation.nmf import NmfTranscriber
from amt_utils.figures import mistake_figures
from amt_utils.music.midi import read_midi
from amt_utils.music.notes import Performance, make_notes
from amt_utils.sheet_music.score import make_score
from amt_utils.system.paths import example_files
from amt_utils.transcription.candidates import Candidates
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
    heard, activations, candidates = _invent(played) if arguments.stand_in else _transcribe(recording)
    title = recording.stem.replace("_", " ").capitalize()
    score = make_score(heard, title=title, metre="3/4", tempo=150)  # told, as who plays it would
    rolls = {
        "roll": PianoRoll(heard, recording, title=title, activations=activations, language="en"),
        "comparison": PianoRoll(heard, recording, title=title, reference=played, language="en"),
        "score": PianoRoll(heard, recording, title=title, candidates=candidates, score=score, language="en"),
    }
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        for name, roll in rolls.items():
            roll.to_html(Path(folder) / f"{name}.html")
        plain = "amtPiano.state.set({ background: null });"
        correcting = "amtPiano.openTray('correcting'); amtPiano.chooser.stepDoubt(1); amtPiano.chooser.stepDoubt(1);"
        falling = plain + "amtPiano.openTray('practising'); amtPiano.state.set({ layout: 'falling', mode: 'hands' });"
        pictures = (  # name, page, theme, width, height, seconds, JavaScript before the picture
            ("piano-roll", "roll", "dark", 1100, 580, 5.3, ""),
            ("piano-roll-light", "roll", "light", 1100, 580, 5.3, ""),
            ("comparison", "comparison", "dark", 1100, 580, 5.3, "amtPiano.chooser.stepError(1)"),
            ("roll-and-score", "score", "light", 1100, 900, 5.3, plain),
            ("correcting", "score", "dark", 1100, 900, 5.3, plain + correcting),
            ("correcting-light", "score", "light", 1100, 900, 5.3, plain + correcting),
            ("falling-notes", "score", "dark", 1100, 900, 5.3, falling),
            ("phone", "score", "light", 390, 844, 5.3, plain),
        )
        for name, source, theme, width, height, seconds, script in pictures:
            page = open_page(browser, Path(folder) / f"{source}.html", width=width, height=height, theme=theme)
            page.evaluate("at => { amtPiano.camera.show(at - 3.2, 9); amtPiano.transport.seek(at); }", seconds)
            if script:
                page.evaluate(script)
            page.wait_for_timeout(1200)
            _save(page.screenshot(), arguments.folder / f"{name}.png")
            page.close()
        page = browser.new_page(viewport={"width": 900, "height": 560})
        page.set_content(f"<style>body {{margin: 0; background: white}} svg {{width: 900px; height: auto}}</style>"
                         f"{score.to_svg()[0]}")  # fmt: skip
        box = page.locator("g.system").nth(1).bounding_box()  # two lines of music
        page.set_viewport_size({"width": 900, "height": round(box["y"] + box["height"] + 30)})
        _save(page.screenshot(), arguments.folder / "score.png")
    waltz = Recording(title, recording, midi)
    systems = [("network", heard), ("NMF", NmfTranscriber().transcribe(recording))]
    errors = mistakes.find_errors([mistakes.SystemTranscription(name, waltz, estimate) for name, estimate in systems])
    _save(_draw(errors), arguments.folder / "evaluation.png")


def _transcribe(recording: Path) -> tuple[Performance, dict, Candidates]:
    from amt_utils.results.transcription import transcribe

    heard = transcribe(recording)
    return heard.performance, heard.activations, heard.candidates


def _invent(played: Performance) -> tuple[Performance, dict, None]:
    rng = np.random.default_rng(4)
    notes = played.notes[rng.random(len(played.notes)) > 0.04].copy()
    notes["onset"] = np.maximum(0, notes["onset"] + rng.normal(0, 0.006, len(notes)))
    notes["offset"] += np.where(rng.random(len(notes)) < 0.06, 0.5, 0.0)
    columns = [np.append(notes[name], extra) for name, extra in zip(notes.dtype.names, (6.1, 6.6, 79, 35), strict=True)]
    return Performance(make_notes(*columns), played.pedals), {}, None


def _draw(errors) -> bytes:
    """Why notes are missed or invented, and where they are found, one figure above the other, as PNG."""
    from PIL import Image

    figures = []
    for plot in (mistake_figures.plot_causes, mistake_figures.plot_recall_by):
        figure, picture = plot(errors)[0].figure, io.BytesIO()
        figure.set_size_inches(11, 3.2)
        figure.savefig(picture, dpi=90)
        figures.append(Image.open(picture).convert("RGB"))
    both = Image.new("RGB", (figures[0].width, sum(figure.height for figure in figures)), "white")
    both.paste(figures[0], (0, 0))
    both.paste(figures[1], (0, figures[0].height))
    picture = io.BytesIO()
    both.save(picture, "PNG")
    return picture.getvalue()


def _save(png: bytes, path: Path) -> None:
    """Screenshots have few colours: a palette makes them a third of the size."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    # maximum coverage keeps the few pixels of rare colours, which are the point of the comparison
    picture = picture.quantize(128, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=0)
    picture.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()

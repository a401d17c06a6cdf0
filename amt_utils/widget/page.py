"""Joins the browser's files: one script, one style sheet, and the page with both and its data."""

from __future__ import annotations

import base64
import html
import json
from importlib.resources import files

# in the order in which they build on each other
_SCRIPTS = (
    *("words", "elements", "store", "data", "beats", "compare", "draft", "piano", "metronome", "player"),
    *("transport", "chooser", "editor", "midi", "musicxml", "ogg_opus", "flac", "saving"),
    *("theme", "grid", "keyboard", "lanes", "background", "bars", "fates", "falling", "overlay", "strip", "painter"),
    *("inspector", "legend", "score", "toolbar", "trays", "keys", "pointer", "strip_pointer", "roll"),
)
_PAGE_STYLE = """html, body { margin: 0; height: 100%; }
body { background: #fff; }
@media (prefers-color-scheme: dark) { body { background: #0b0d12; } }
#amt-root { min-height: 100%; display: flex; padding: 12px; box-sizing: border-box; }
#amt-root .amt-roll { flex: 1; }
#amt-root .amt-stage { flex: 1; height: auto !important; min-height: 300px; }
#amt-root .amt-sheet-panel { height: min(36vh, var(--amt-whole)); }
"""


def script(names: tuple[str, ...] = _SCRIPTS) -> str:
    """A widget's JavaScript, without imports and exports."""
    folder = files(__package__) / "js"
    return "\n".join((folder / f"{name}.js").read_text(encoding="utf-8") for name in names)


def style(name: str = "roll.css") -> str:
    """A widget's style sheet."""
    return (files(__package__) / name).read_text(encoding="utf-8")


def document(title: str, *, style: str, body: str, language: str = "en") -> str:
    """An HTML document that fetches nothing; ``title`` is text, ``style`` and ``body`` are CSS and HTML."""
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{style}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def build(meta: dict, said: dict, binaries: dict[str, bytes]) -> str:
    """The self-contained page.

    Args:
        meta: what is shown, as JSON in the page.
        said: the user's changes, as JSON (``corrections``, ``downbeat``).
        binaries: each as base64 under its name.
    """
    # "<" must not open a tag inside a script element, whatever the title is
    state = json.dumps({"_meta": meta, **said}, ensure_ascii=False).replace("<", "\\u003c")
    data = "\n".join(
        f'<script type="text/plain" id="amt{name}">{base64.b64encode(content).decode("ascii")}</script>'
        for name, content in binaries.items()
    )
    body = f"""<main id="amt-root"></main>
<script type="application/json" id="amt-state">{state}</script>
{data}
<script>
(() => {{
{script()}
mountPage();
}})();
</script>"""
    language = meta["language"] if meta["language"] != "auto" else "en"
    return document(meta["title"] or "Piano roll", style=_PAGE_STYLE + style(), body=body, language=language)


def frame(page: str, *, height: int):
    """The page inside an ``<iframe srcdoc>``, as an ``IPython.display.HTML``."""
    from IPython.display import HTML

    return HTML(
        f'<div><iframe srcdoc="{html.escape(page, quote=True)}" title="Piano roll" '
        f'style="width:100%;height:{height}px;border:0" allow="autoplay; fullscreen" allowfullscreen></iframe></div>'
    )

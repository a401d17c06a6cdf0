"""One language at a time in the notebooks that have two (04, 06 and 07)."""

from __future__ import annotations

from IPython.display import HTML

from ..system.errors import AmtError

LANGUAGES = ("en", "es")
_UNFOLDED = """<style>
.jp-MarkdownCell:has(details) .jp-RenderedMarkdown > :not(details, h1, h2, p:has(img)) { display: none }
.jp-MarkdownCell details > summary { display: none }
.jp-MarkdownCell details::details-content { content-visibility: visible; block-size: auto }
</style>"""


def choose_language(language: str) -> HTML | None:
    """Shows a notebook's text in English (``en``; Spanish unfolds on a click) or in Spanish alone (``es``).

    It takes effect in JupyterLab and Notebook 7 while the output is displayed; elsewhere the text stays folded.

    Raises:
        AmtError: another language.
    """
    if language not in LANGUAGES:
        raise AmtError(f"language must be one of {LANGUAGES}, not {language!r}")
    return HTML(_UNFOLDED) if language == "es" else None

"""MusicXML -> engraved pages (SVG by verovio, PDF from them)."""

from __future__ import annotations

from .errors import AmtError

OPTIONS = {
    "pageWidth": 2100, "pageHeight": 2970, "scale": 40,  # A4 in tenths of a millimetre
    "footer": "none", "header": "auto", "breaks": "auto", "svgViewBox": True, "svgRemoveXlink": True,
    "spacingSystem": 8, "justifyVertically": True,
}  # fmt: skip


def to_svg(musicxml: str, **options) -> list[str]:
    """MusicXML text -> one SVG per page; ``options`` are verovio's and go over :data:`OPTIONS`."""
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(OPTIONS | options)
    if not toolkit.loadData(musicxml):
        raise AmtError("verovio could not read the score; save the MusicXML and open it in a notation program instead")
    return [toolkit.renderToSVG(page) for page in range(1, toolkit.getPageCount() + 1)]

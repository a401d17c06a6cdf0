"""MusicXML -> engraved pages: SVG by verovio, and a PDF of them by typst, whose wheels bring their own fonts."""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from ..system.errors import AmtError

OPTIONS = {
    "pageWidth": 2100, "pageHeight": 2970, "scale": 40,  # A4 in tenths of a millimetre
    "footer": "none", "header": "auto", "breaks": "auto", "svgViewBox": True, "svgRemoveXlink": True,
    "spacingSystem": 8, "bottomMarginHeader": 6, "justifyVertically": True,
    "xmlIdSeed": 1,  # the same score gives the same file
}  # fmt: skip
_SVG = "{http://www.w3.org/2000/svg}"
_FONT, DOT = "Leipzig", "\uecb7"


def to_svg(musicxml: str, **options) -> list[str]:
    """MusicXML text -> one SVG per page, without music fonts; ``options`` of verovio override :data:`OPTIONS`."""
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(OPTIONS | options)
    if not toolkit.loadData(musicxml):
        raise AmtError("verovio could not read the score; save the MusicXML and open it in a notation program instead")
    glyphs = Path(verovio.__file__).parent / "data" / _FONT
    return [_plain_text(toolkit.renderToSVG(page), glyphs) for page in range(1, toolkit.getPageCount() + 1)]


def to_pdf(pages: Sequence[str]) -> bytes:
    """SVG pages -> one PDF with a page for each."""
    import typst

    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for number, page in enumerate(pages):
            name = f"{number}.svg"
            Path(folder, name).write_text(page, encoding="utf-8")
            width, height = (float(x) for x in ET.fromstring(page).get("viewBox", "").split()[2:])
            size = f"width: 210mm, height: {210 * height / width:.2f}mm, margin: 0mm"
            lines.append(f'#page({size})[#image("{name}", width: 100%)]')
        source = Path(folder, "score.typ")
        source.write_text("\n".join(lines), encoding="utf-8")
        return typst.compile(str(source))


def _plain_text(svg: str, glyphs: Path) -> str:
    """Flattens nested text, and draws music symbols in it (of metronome marks) as paths.

    Few viewers have the music font, and few except browsers position verovio's nested spans correctly.
    """
    ET.register_namespace("", _SVG[1:-1])
    root = ET.fromstring(svg)
    for group in list(root.iter()):
        for text in [child for child in group if child.tag == f"{_SVG}text"]:
            place = list(group).index(text)
            group.remove(text)
            for offset, element in enumerate(_flatten(text, glyphs)):
                group.insert(place + offset, element)
    return ET.tostring(root, encoding="unicode")


_INHERITED = ("x", "y", "text-anchor", "font-size", "font-style", "font-weight", "font-family")


def _flatten(text: ET.Element, glyphs: Path) -> list[ET.Element]:
    """A text element with nested spans -> text elements with flat spans, one per position, and drawn glyphs."""
    runs: list[tuple[str, dict[str, str]]] = []

    def walk(element: ET.Element, style: dict[str, str]) -> None:
        style = style | {name: value for name in _INHERITED if (value := element.get(name))}
        string = element.text or ""
        if string.strip() and not element.tag.endswith("title"):
            runs.append((string, style))
        for child in element:
            walk(child, style)

    walk(text, {})
    elements: list[ET.Element] = []
    current: tuple[dict[str, str], ET.Element] | None = None
    shift = 0.0
    for string, style in runs:
        place: dict[str, str] = {name: style[name] for name in ("x", "y", "text-anchor") if name in style}
        if style.get("font-family") == _FONT:
            scale = float(style.get("font-size", "720px").removesuffix("px")) / 1000 * 0.7
            for sign, after in zip(string, [*string[1:], ""], strict=True):
                x, y = float(place.get("x", 0)) + shift, float(place.get("y", 0))
                elements += _glyph(glyphs, sign, x, y, scale)
                shift += (200 if sign == DOT else 280 if after == DOT else 380) * scale
            continue
        if current is None or current[0] != place:
            moved = place | ({"x": f"{float(place.get('x', 0)) + shift:.0f}"} if shift else {})
            current = place, ET.Element(f"{_SVG}text", moved)
            elements.append(current[1])
        looks = {name: value for name, value in style.items() if name not in place}
        ET.SubElement(current[1], f"{_SVG}tspan", looks).text = string
    return elements


def _glyph(glyphs: Path, sign: str, x: float, y: float, scale: float) -> list[ET.Element]:
    """A glyph of verovio's font, drawn with its baseline at ``y``; empty if the font does not have it."""
    file = glyphs / f"{ord(sign):04X}.xml"
    if not file.is_file():
        return []
    group = ET.Element(f"{_SVG}g", transform=f"translate({x:.0f},{y:.0f}) scale({scale:.3f})")
    for path in ET.parse(file).getroot().iter("path"):
        ET.SubElement(group, f"{_SVG}path", transform="scale(1,-1)", d=path.get("d", ""))
    return [group]

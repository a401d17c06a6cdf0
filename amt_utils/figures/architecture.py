"""The network as a picture: from sound to notes, in English or Spanish (notebook 04).

Every shape in the picture is read from the configuration and every count from the network it builds.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from ..config import Config
from ..models import build_model, count_parameters
from ..system.errors import AmtError

# colours of Okabe and Ito, safe for colour-blind readers; boxes also differ by their text and frame
_INPUT, _ATTACK, _LASTING, _OUTPUT = "#F0E442", "#56B4E9", "#CC79A7", "#E8E8E8"

FONT = 9  # points
WORDS = {
    "en": {
        "sound": "sound\n{rate} samples\na second",
        "features": "picture of the sound ({kind})\n{channels} × {bins} rows, one column\nevery {ms:g} ms",
        "stem": "look closely\n{first}, {second}",
        "harmonics": "find overtones\nharmonics\n{harmonics}",
        "keys": "one row per key\nneighbours in time\nand octaves",
        "lstm": "remember\n(before and after)",
        "onset": "a key is struck",
        "offset": "a note ends",
        "key_offset": "a key comes up",
        "frame": "a note sounds",
        "velocity": "how hard",
        "pedal": "three pedals",
        "detached": "features, no gradient",
        "joined": "features, with gradient",
        "attack": "ATTACKS",
        "lasting": "EVERYTHING THAT LASTS",
        "title": "{name}, {size}: {count:,} numbers to learn",
    },
    "es": {
        "sound": "sonido\n{rate} muestras\npor segundo",
        "features": "imagen del sonido ({kind})\n{channels} × {bins} filas, una columna\ncada {ms:g} ms",
        "stem": "mirar de cerca\n{first}, {second}",
        "harmonics": "buscar\narmónicos\n{harmonics}",
        "keys": "una fila por tecla\nvecinas en el tiempo\ny en las octavas",
        "lstm": "recordar\n(antes y después)",
        "onset": "se pulsa una tecla",
        "offset": "acaba una nota",
        "key_offset": "sube una tecla",
        "frame": "suena una nota",
        "velocity": "con qué fuerza",
        "pedal": "tres pedales",
        "detached": "rasgos, sin gradiente",
        "joined": "escucha, y ambos aprenden",
        "attack": "ATAQUES",
        "lasting": "TODO LO QUE DURA",
        "title": "{name}, {size}: {count:,} números por aprender",
    },
}


def draw_architecture(config: Config | None = None, *, language: str = "en", ax: Axes | None = None) -> Axes:
    """Draw the Residual HCQT-HPPNet that ``config`` describes.

    Args:
        config: the default configuration unless given; its model must be ``residual_hcqt_hppnet``.
        language: ``"en"`` or ``"es"``.
        ax: Axes to draw on; a new figure unless given.

    Returns:
        The Axes.

    Raises:
        AmtError: unknown language, or another network.
    """
    config = config or Config()
    if language not in WORDS:
        raise AmtError(f"language {language!r}: choose one of {', '.join(WORDS)}")
    if config.model.name != "residual_hcqt_hppnet":
        raise AmtError(f"the picture shows residual_hcqt_hppnet, not {config.model.name!r}")
    words, feature = WORDS[language], config.feature
    network: Any = build_model(config).network  # nn.Module types its attributes as Tensor | Module
    if ax is None:
        ax = plt.subplots(figsize=(13, 5.4), layout="constrained")[1]
    ax.set(xlim=(0, 13), ylim=(0, 5.4))
    ax.axis("off")
    numbers = {
        "rate": f"{feature.sample_rate:,}".replace(",", " "),
        "kind": feature.kind.upper(),
        "channels": feature.n_channels,
        "bins": feature.n_bins,
        "ms": 1000 * feature.frame_seconds,
        "first": _kernel(network.onset_stem.first),
        "second": _kernel(network.onset_stem.second),
        "harmonics": ", ".join(map(str, config.model.hdconv_harmonics)),
    }

    boxes: list[tuple[Text, Rectangle]] = []

    def box(name: str, x: float, y: float, width: float, colour: str, height: float = 1.1) -> None:
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": FONT, "zorder": 3, "linespacing": 1.25}
        frame = plt.Rectangle((x - width / 2, y - height / 2), width, height, fc=colour, ec="black", zorder=2)
        boxes.append((ax.text(x, y, words[name].format(**numbers), **style), frame))
        ax.add_patch(frame)

    def arrow(x0: float, y0: float, x1: float, y1: float, **style: Any) -> None:
        ax.annotate("", (x1, y1), (x0, y0), arrowprops={"arrowstyle": "-|>", "color": "black", "lw": 1.2} | style)

    top, bottom = 4.0, 1.35
    box("sound", 1.0, 2.7, 1.8, _INPUT)
    box("features", 3.3, 2.7, 2.3, _INPUT)
    arrow(1.9, 2.7, 2.15, 2.7)
    arrow(4.3, 3.25, 4.65, top - 0.25)
    arrow(4.3, 2.15, 4.65, bottom + 0.25)
    for name, x in (("stem", 5.5), ("harmonics", 7.25), ("keys", 9.0), ("lstm", 10.7)):
        box(name, x, top, 1.55 if name != "lstm" else 1.35, _ATTACK)
    for name, x in (("stem", 5.5), ("keys", 9.0), ("lstm", 10.7)):
        box(name, x, bottom, 1.55 if name != "lstm" else 1.35, _LASTING)
    for x0, x1 in ((6.28, 6.47), (8.03, 8.22), (9.78, 10.02)):
        arrow(x0, top, x1, top)
    arrow(6.28, bottom, 8.22, bottom)
    arrow(9.78, bottom, 10.02, bottom)
    detached = config.model.detach_onset
    arrow(9.0, top - 0.55, 9.0, bottom + 0.55, linestyle="--" if detached else "-")
    ax.text(8.9, 2.68, words["detached" if detached else "joined"], fontsize=9, style="italic", ha="right", va="center")
    box("onset", 12.2, top, 1.4, _OUTPUT, 0.45)
    arrow(11.38, top, 11.5, top)
    heads = [*network.duration_heads, "pedal"]
    for i, name in enumerate(heads):
        y = bottom + 0.53 * ((len(heads) - 1) / 2 - i)
        box(name, 12.2, y, 1.4, _OUTPUT, 0.42)
        arrow(11.38, bottom, 11.5, y)
    ax.text(4.72, top + 0.72, words["attack"], fontsize=9, weight="bold")
    ax.text(4.72, bottom - 0.88, words["lasting"], fontsize=9, weight="bold")
    title = {"name": "Residual HCQT-HPPNet", "size": config.model.size, "count": count_parameters(network)}
    ax.set_title(words["title"].format(**title))
    _fit_words(ax, boxes)
    return ax


def _fit_words(ax: Axes, boxes: list[tuple[Text, Rectangle]]) -> None:
    """Shrinks text that is wider or higher than its box."""
    if isinstance(ax.figure, Figure):
        ax.figure.draw_without_rendering()
    for text, frame in boxes:
        words, room = text.get_window_extent(), frame.get_window_extent()
        text.set_fontsize(FONT * min(1.0, 0.92 * room.width / words.width, 0.92 * room.height / words.height))


def _kernel(block: Any) -> str:
    height, width = block[0].kernel_size
    return f"{height}×{width}"

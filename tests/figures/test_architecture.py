"""The network's picture: what it says is read from the network, and its words fit their boxes."""

import matplotlib

matplotlib.use("agg")
import pytest
from matplotlib.patches import Rectangle

from amt_utils.config import load_config
from amt_utils.figures.architecture import WORDS, draw_architecture
from amt_utils.models import build_model, count_parameters
from amt_utils.system.errors import AmtError


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("name", ["tiny", "base", "large", "hcqt_hppnet"])
def test_words_fit_their_boxes_and_numbers_are_the_networks(name, language):
    config = load_config(name)
    ax = draw_architecture(config, language=language)
    ax.figure.canvas.draw()
    frames = [patch.get_window_extent() for patch in ax.patches if isinstance(patch, Rectangle)]
    inside = 0
    for text in ax.texts:
        words = text.get_window_extent()
        for frame in frames:
            if frame.contains((words.x0 + words.x1) / 2, (words.y0 + words.y1) / 2):
                inside += 1
                assert frame.x0 <= words.x0 and words.x1 <= frame.x1, text.get_text()
                assert frame.y0 <= words.y0 and words.y1 <= frame.y1, text.get_text()
    assert inside == len(frames) > 10
    assert f"{count_parameters(build_model(config).network):,}" in ax.get_title()


def test_other_networks_and_languages_are_refused():
    with pytest.raises(AmtError, match="language"):
        draw_architecture(language="xx")
    with pytest.raises(AmtError, match="hppnet"):
        draw_architecture(load_config("hppnet"))

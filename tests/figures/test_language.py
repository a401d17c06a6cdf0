"""A notebook that has two languages shows one of them."""

import pytest
from helpers_browser import open_browser, why_no_browser

from amt_utils.figures.language import choose_language
from amt_utils.system.errors import AmtError

CELLS = """<div class="jp-MarkdownCell"><div class="jp-RenderedMarkdown"><h2>Title</h2><p>English</p>
<ol><li>one</li></ol>
<details><summary>Español</summary><p>Castellano</p></details></div></div>
<div class="jp-MarkdownCell"><div class="jp-RenderedMarkdown"><p>In English alone</p></div></div>"""


@pytest.mark.browser
@pytest.mark.skipif(bool(why_no_browser()), reason=why_no_browser() or "-")
def test_spanish_takes_the_place_of_english():
    with open_browser() as browser:
        page = browser.new_page()
        seen = {}
        for language in ("en", "es"):
            chosen = choose_language(language)
            page.set_content(CELLS + (chosen.data if chosen else ""))
            words = ("Title", "English", "one", "Español", "Castellano", "In English alone")
            seen[language] = [word for word in words if page.get_by_text(word, exact=True).is_visible()]
    assert seen["en"] == ["Title", "English", "one", "Español", "In English alone"]
    assert seen["es"] == ["Title", "Castellano", "In English alone"]


def test_other_languages_are_named_in_the_error():
    with pytest.raises(AmtError, match="'de'"):
        choose_language("de")

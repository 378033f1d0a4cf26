"""On a phone each figure has a narrow form: no wider than the page, every word whole, and the same data."""

import pytest
from drawn_pages import DESKTOP, opened, report_page
from IPython.display import HTML
from matplotlib.text import Text
from small import SMALL, small

from asif_book import figures
from asif_book.figures import style


@pytest.mark.parametrize("name", SMALL)
def test_a_narrow_form_is_as_wide_as_a_phone_and_no_word_is_cut(name):
    figure = style.narrow_form(small(name))
    figure.draw_without_rendering()
    drawn = figure.get_tightbbox()  # in inches
    assert max(text.get_size() for text in figure.findobj(Text) if text.get_text()) <= style.PHONE_LETTERS
    assert figure.get_figwidth() == style.PHONE_INCHES and small(name).get_figwidth() == style.PAGE_INCHES
    assert drawn.x0 > -0.03 and drawn.x1 < style.PHONE_INCHES + 0.03


def test_panels_stand_below_each_other():
    wide = small("faithfulness")
    tall = style.narrow_form(wide)
    (a, b), (c, d) = ([axis.get_position() for axis in figure.axes] for figure in (wide, tall))
    assert a.y0 == b.y0 and a.x1 < b.x0 and c.x0 == d.x0 and c.y0 > d.y1
    assert [axis.get_title() for axis in tall.axes] == ["deletion: taken away", "insertion: brought back"]


def test_what_is_read_once_is_drawn_twice():
    assert style.narrow_form(figures.group_sizes(iter("abb"))).alt == "Pairs in each group: b 2; a 1"


def test_a_page_shows_the_form_that_fits(browser, tmp_path):
    figure = small("trust_curves")
    page = report_page(tmp_path, HTML(style.image_html(figure, figure.alt)))
    for viewport, phone in ((DESKTOP, False), ({"width": 390, "height": 800}, True)):
        tab = opened(browser, page, viewport)
        image = tab.get_by_role("img", name="The share of right answers")
        narrow = image.evaluate("one => one.currentSrc === one.parentElement.querySelector('source').srcset")
        assert narrow == phone
        assert image.bounding_box()["x"] + image.bounding_box()["width"] <= viewport["width"]
        assert tab.complaints == []
        tab.context.close()

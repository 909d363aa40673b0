"""The report in a real browser: nothing is asked for, nothing complains, nothing sticks out, wide or narrow."""

import pytest
from PIL import Image

from tests.browser import opened
from tests.voco_model.evaluation.reports import HOSTILE, TITLES, report

pytestmark = pytest.mark.integration
WIDTHS = (1280, 400)


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("names", "numbers"), [(list(TITLES), (1, 2, 4, 8, 128)), (["gqa"], (1,))])
def test_it_is_laid_out_and_quiet(tab, tmp_path, names, numbers, width):
    page = report(tmp_path, names, numbers)
    seen = tab.show(page, width, tmp_path / "seen.png")
    assert (seen.complaints, seen.asked) == ([], [])
    assert seen.scroll <= seen.width == width
    assert seen.beyond == []
    assert seen.broken == 0
    assert HOSTILE.split()[0] in seen.text
    assert seen.title.startswith("Evaluation of a1a1")
    with Image.open(tmp_path / "seen.png") as drawn:
        assert drawn.size == (width, seen.height)
        assert len(drawn.convert("RGB").getcolors(2**24)) > 1000, "pictures are there"


def test_the_check_itself_sees_what_is_wrong(tab, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!doctype html><title>bad</title><img src='http://example.com/a.png'><script>throw Error('no')</script>"
        "<div style='width:2000px'>wide</div>"
    )
    seen = tab.show(bad, 400)
    assert seen.scroll > 400
    assert seen.beyond == ["DIV.null"]
    assert seen.broken == 1
    assert seen.asked == ["http://example.com/a.png"]
    assert any("Error: no" in complaint for complaint in seen.complaints)

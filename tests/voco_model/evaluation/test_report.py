"""The report as one file: every part is there, every text is a text, it asks for nothing and is not heavy."""

import re
from html.parser import HTMLParser

import pytest

from tests.voco_model.evaluation.reports import HOSTILE, LAYERS, TITLES, report
from voco_model.evaluation.charts import curve
from voco_model.evaluation.tables import RETENTION, Figure


class Parts(HTMLParser):
    """Tags with their attributes, and all text that is not style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text, self.inside = "", ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        self.text += "" if self.inside == "style" else data


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return report(tmp_path_factory.mktemp("report"), list(TITLES)).read_text("utf-8")


def test_every_part_is_there(page):
    parts = Parts(page)
    heads = re.findall(r"<h2 id=s\d+>(.*?)</h2>", page)
    assert heads == [
        "Tables",
        "Retention by the number of VoCo tokens",
        "The paper&#x27;s tables, ours beside",
        "By type of question",
        "Answers",
        "Where VoCo tokens look",
        "What is linearly readable from VoCo tokens",
        "To know",
        "What was evaluated",
    ]
    assert [tag for tag, _ in parts.tags].count("svg") == 1 + len(TITLES)
    kinds = [attrs.get("class") for _, attrs in parts.tags]
    assert kinds.count("card") + kinds.count("card right") == 6 * len(TITLES)
    assert kinds.count("bar") == 3 * len(TITLES)
    assert sum(str(kind).startswith("map look") for kind in kinds) == 3 * (1 + LAYERS + 8), (
        "three pictures' layers"
    )
    for text in (
        "layer 32: 3\xa0%",
        "2031-05-06 07:08 UTC",
        "a1" * 32,
        "b2" * 32,
        "torch 2.13.0",
        "64 % [58, 71]",
        "c3" * 32,
    ):
        assert text in parts.text.replace("<b>", ""), text


def test_texts_are_texts(page):
    parts = Parts(page)
    assert HOSTILE in parts.text
    assert not [tag for tag, _ in parts.tags if tag in ("script", "iframe", "object", "form")]
    assert not [attrs for _, attrs in parts.tags for name in attrs if name.startswith("on")]
    assert page.count("<script>") == 0


def test_it_asks_for_nothing_and_is_light(page):
    for tag, attrs in Parts(page).tags:
        for name in ("src", "href"):
            assert attrs.get(name, "#").startswith(("data:", "#")), (tag, attrs)
    assert "default-src 'none'" in page
    assert not re.search(r"url\((?!data:)", page)
    assert len(page) < 5_000_000


def figure(n: int, value: float, low: float | None, high: float | None, paper: float | None = None) -> Figure:
    return Figure(RETENTION, "VoCo", n, "gqa", value, low, high, paper)


def test_a_curve_is_where_its_figures_are():
    drawn = curve([figure(1, 50, 40, 60), figure(4, 75, 70, 80)], "gqa", "GQA")
    lines = re.findall(r"points='([^']*)'/>", drawn)
    (theirs, ours) = [[tuple(map(float, p.split(","))) for p in line.split()] for line in lines]
    assert len(theirs) == 3, "the paper's 1, 2 and 4, of which we have two"
    (x1, y1), (x4, y4) = ours
    assert x1 == theirs[0][0] < theirs[1][0] < theirs[2][0] == x4
    assert theirs[1][0] == pytest.approx((x1 + x4) / 2), (
        "each number of tokens is as far from the next as its double"
    )
    level = {int(v): float(y) for y, v in re.findall(r"y=([\d.]+) text-anchor=end[^>]*>(-?\d+) %", drawn)}
    assert y1 == pytest.approx(level[50])
    assert y4 == pytest.approx((level[50] + level[100]) / 2, abs=0.1)
    assert theirs[0][1] == pytest.approx(level[0] + (level[100] - level[0]) * 0.8248, abs=0.1)


@pytest.mark.parametrize("bounds", [(None, None), (float("-inf"), float("inf")), (-900.0, 1200.0)])
def test_a_band_without_end_stays_in_the_picture(bounds):
    drawn = curve([figure(1, 50, *bounds), figure(2, 400, *bounds)], "textvqa", "T")
    assert not re.search(r"\b(nan|inf)\b", drawn)
    places = [
        float(y) for points in re.findall(r"points='([^']*)'", drawn) for y in re.findall(r",(-?[\d.]+)", points)
    ]
    assert all(0 <= y <= 250 for y in places)


def test_one_number_of_tokens_is_a_point_with_its_interval():
    drawn = curve([figure(8, 50, 40, 60)], "textvqa", "TextVQA")
    assert "polygon" not in drawn
    assert "<path d='M" in drawn
    assert ">8</text>" in drawn

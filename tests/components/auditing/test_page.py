"""The audit as a page: one file, every step a box that leads to what was checked of it, and nothing gets out."""

import json
from html.parser import HTMLParser

import pytest

from components.auditing.items import RIGHT, UNKNOWN, WRONG, Item
from components.auditing.lineage import read_lineage
from components.auditing.page import edges_of, layers, page
from pipelines.cli import main
from tests.components.auditing.runs import whole_run


class Seen(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.ids, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def ran(mlflow_uri, tmp_path, monkeypatch):
    whole_run(tmp_path, monkeypatch)
    return tmp_path / "out/audit/audit/audit.json"


def test_every_step_is_a_box_that_leads_to_its_section(ran, capsys):
    capsys.readouterr()
    for subject in (str(ran), "voco-llama/1"):
        assert main(["audit", subject, "--format", "html"]) == 0
        seen = Seen(capsys.readouterr().out)
        assert len(seen.links) == seen.tags.count("rect") == 6
        assert {link.removeprefix("#") for link in seen.links} <= set(seen.ids)
        assert not {"script", "img", "iframe", "link"} & set(seen.tags)
        for word in ("✓ export", "attestation", "packages", "bytes not read"):
            assert word in seen.text


def test_what_a_forger_wrote_is_text(ran):
    evil = "<script>alert(1)</script>'\"&"
    document = json.loads(ran.read_text())
    document["records"][0]["record"]["task"] = evil
    ran.write_text(json.dumps(document))
    lineage, _ = read_lineage(ran)
    items = [Item(evil, evil, evil, evil, evil, verdict, evil) for verdict in (RIGHT, UNKNOWN, WRONG)]
    seen = Seen(page(evil, items, lineage))
    assert "script" not in seen.tags
    assert evil in seen.text
    assert len(seen.ids) == 1


def test_the_graph_goes_from_left_to_right(ran):
    lineage, _ = read_lineage(ran)
    edges = edges_of(lineage)
    assert set(edges) >= {("ingest", "validate"), ("summarise", "export"), ("export", "promote")}
    columns = layers([entry.record.task for entry in lineage.entries], edges)
    assert columns == {"ingest": 0, "validate": 1, "summarise": 1, "profile": 1, "export": 2, "promote": 3}
    assert max(layers(["a", "b"], [("a", "b"), ("b", "a")]).values()) == 1  # a circle ends


def test_a_page_without_a_lineage_lists_what_there_is():
    seen = Seen(page("model", [Item("registry", "lineage", "tag", "", "", UNKNOWN, "none")], None))
    assert "svg" not in seen.tags
    assert "? 1" in seen.text


@pytest.mark.integration
@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_shows_it_wide_and_narrow(ran, tmp_path, capsys, width):
    from tests.browser import opened

    capsys.readouterr()
    assert main(["audit", "voco-llama/1", "--deep", "--format", "html"]) == 0
    path = tmp_path / "audit.html"
    path.write_text(capsys.readouterr().out)
    with opened(tmp_path) as tab:
        seen = tab.show(path, width)
    assert (seen.complaints, seen.asked, seen.beyond) == ([], [], [])
    assert seen.scroll <= seen.width == width
    assert "attestation" in seen.text

"""Several benchmarks as tables: retention by hand, the paper's figures beside, what cannot be told apart."""

import json
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.voco_model.evaluation.made import outcome, shares
from voco_model.errors import VocoError
from voco_model.evaluation import paper
from voco_model.evaluation.outcome import ITEMS, LOWER, UPPER, VOCO, Outcome
from voco_model.evaluation.statistics import interval, mean_retention, retention
from voco_model.evaluation.summary import flat, outcomes_of, summarise

GQA = outcome("gqa", "GQA", {"voco_1": 20, "voco_8": 30, UPPER: 36, LOWER: 12})
VQA = outcome("vqav2", "VQAv2", {"voco_1": 15, "voco_8": 25, UPPER: 30, LOWER: 10})
CLIPS = outcome("msvd_qa", "MSVD-QA", {"voco_8": 10})
LEVEL = outcome("pope", "POPE", {"voco_1": 20, "voco_8": 20, UPPER: 20, LOWER: 20})


def items(one: Outcome) -> list[dict]:
    """As many questions as there are shares, half of them of each kind."""
    return [
        {
            "reading": row.name,
            "kind": f"{one.title} <{'odd' if k % 2 else 'even'}>",
            "category": "",
            "group": cluster,
            "score": float(mark[0]),
            "counts": True,
        }
        for row in one.rows
        for k, (cluster, mark) in enumerate(zip(row.shares.clusters, row.shares.numerators, strict=True))
    ]


def written(folder, outcomes):
    folders = []
    for one in outcomes:
        path = folder / "results" / one.benchmark
        path.mkdir(parents=True)
        one.write(path)
        pq.write_table(pa.Table.from_pylist(items(one)), path / ITEMS)
        folders.append(path)
    return summarise(outcomes, folders, folder / "tables")


def test_retention_on_each_and_on_average(tmp_path):
    found = flat(written(tmp_path, [GQA, VQA, CLIPS]))
    assert found["gqa.retention.voco_1"] == pytest.approx(100 * 8 / 24)
    assert found["vqav2.retention.voco_8"] == pytest.approx(75)
    assert found["retention.voco_1"] == pytest.approx((100 * 8 / 24 + 25) / 2)
    assert found["retention.voco_8.low"] < found["retention.voco_8"] < found["retention.voco_8.high"]
    entries = json.loads((tmp_path / "tables/tables.json").read_text())
    known = {(e["table"], e["row"], e["n_voco"], e["metric"]): e["paper"] for e in entries}
    assert known["scores", "VoCo", 8, "gqa"] == 59.2
    assert known["scores", "upper bound", None, "vqav2"] == 77.7
    assert known["retention, %", "VoCo", 1, "gqa"] == pytest.approx(82.48, abs=0.01)
    assert known["scores", "VoCo", 8, "msvd_qa"] is None
    text = (tmp_path / "tables/tables.md").read_text()
    assert "| upper bound, the paper |" in text
    assert len({len(line) for line in text.split("\n\n")[1].splitlines()}) == 1, "columns stand below each other"
    page = (tmp_path / "tables/report.html").read_text()
    assert page.count("<svg") == 3, "the mean's curve and each benchmark's"
    assert "://" not in page
    assert "GQA &lt;even&gt; <span class=quiet>20 questions" in page
    assert "By type of question" in page


def test_what_stands_behind_the_tables_is_kept(tmp_path):
    written(tmp_path, [GQA, VQA])
    kept = outcomes_of(tmp_path / "tables")
    assert list(kept) == ["gqa", "vqav2"]
    row = kept["gqa"].row(VOCO, 8)
    assert interval(row.shares) == GQA.row(VOCO, 8).headline
    assert (tmp_path / "tables/benchmarks/gqa/items.parquet").is_file()


def test_the_time_is_told_where_it_is_given_and_bytes_are_the_same_without(tmp_path):
    folders = []
    for name in ("one", "two"):
        written(tmp_path / name, [GQA])
        folders.append(tmp_path / name / "tables/report.html")
    assert folders[0].read_bytes() == folders[1].read_bytes()
    made = datetime(2031, 5, 6, 9, 7, tzinfo=timezone(timedelta(hours=2)))
    summarise([GQA], [tmp_path / "one/results/gqa"], tmp_path / "later", made=made)
    assert "2031-05-06 07:07 UTC" in (tmp_path / "later/report.html").read_text()


def test_bounds_that_lie_together_give_no_retention_and_say_so(tmp_path):
    figures = written(tmp_path, [LEVEL, GQA])
    assert not [f for f in figures if f.table == "retention, %" and f.metric == "pope"]
    assert {f.value for f in figures if f.metric == "mean" and f.n_voco == 8} == {75.0}
    assert "POPE: no retention, the upper bound (50.0)" in (tmp_path / "tables/tables.md").read_text()


def test_a_retention_that_could_be_anything_says_so(tmp_path):
    near = outcome("pope", "POPE", {"voco_1": 20, UPPER: 21, LOWER: 20})
    (kept,) = [f for f in written(tmp_path, [near]) if f.metric == "pope" and f.table == "retention, %"]
    assert kept.low == -float("inf")
    assert "A retention without an interval could be anything" in (tmp_path / "tables/tables.md").read_text()
    assert "A retention without an interval could be anything" in (tmp_path / "tables/paper.md").read_text()


def test_the_mean_of_one_benchmark_is_its_own():
    parts = shares(20), shares(12), shares(36)
    assert mean_retention([parts]) == retention(*parts)
    two = mean_retention([parts, parts])
    one = retention(*parts)
    assert two.value == one.value
    assert two.high - two.low < one.high - one.low, "two benchmarks are more than one"


def test_the_papers_figures_give_the_papers_retention():
    everything = list(paper.UPPER)
    assert round(paper.mean_retention(everything, 1), 1) == 83.7
    assert round(paper.mean_retention(["gqa", "mmbench", "vqav2", "seed_bench"], 128), 1) == 97.7
    assert paper.mean_retention(["gqa", "pope"], 8) is None
    assert paper.retention("msvd_qa", 1) is None


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ([], "no result to summarise"),
        ([GQA, GQA], "two results of gqa"),
        ([GQA, outcome("vqav2", "VQAv2", {"voco_1": 1}, "n" * 64)], "GQA and VQAv2 are of different models"),
    ],
)
def test_results_that_do_not_belong_together_are_refused(tmp_path, outcomes, message):
    with pytest.raises(VocoError, match=message):
        summarise(outcomes, [tmp_path] * len(outcomes), tmp_path / "tables")
    assert not (tmp_path / "tables").exists()

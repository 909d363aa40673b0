"""The paper's tables: copied without a slip, ours beside by hand, what could not be measured said."""

import csv
import json

import pytest

from tests.voco_model.evaluation.made import outcome
from voco_model.evaluation import paper
from voco_model.evaluation.beside import OURS, PAPER, RETAINED, SCORE, paper_tables, write
from voco_model.evaluation.outcome import LOWER, UPPER
from voco_model.evaluation.statistics import Interval

KINDS = {
    "voco": {
        "compressor": "voco",
        "n_voco": 8,
        "n_vision": 64,
        "vision": "clip",
        "language": "llama",
        "resolution": 32,
    },
    "upper": {"compressor": "voco", "n_voco": 8, "n_vision": 64},
    "pool": {"compressor": "avgpool", "n_voco": 1},
    "one": {"compressor": "voco", "n_voco": 1},
}
RIGHT = {"voco_1": 20, "voco_8": 30, UPPER: 36, LOWER: 12, "pool_1": 18, "one_1": 24}
GQA = outcome("gqa", "GQA", RIGHT, kinds=KINDS)
VQA = outcome("vqav2", "VQAv2", {"voco_1": 15, "voco_8": 25, UPPER: 30, LOWER: 10}, kinds=KINDS)
MISPRINTED = (6, "1")
"""Its average is not what its figures give; see `paper`."""


@pytest.mark.parametrize("layout", [one for one in paper.LAYOUTS if one.averaged])
def test_the_papers_averages_follow_from_the_copied_figures(layout):
    upper, lower = (next(r.figures for r in layout.rows if r.ours == key) for key in (UPPER, LOWER))
    for row in layout.rows:
        found = [100 * (v - lo) / (up - lo) for v, up, lo in zip(row.figures, upper, lower, strict=True)]
        mean = sum(found) / len(found)
        if row.retained:
            assert found == pytest.approx(row.retained, abs=0.11), row
        wrong = (layout.number, row.labels[-1]) == MISPRINTED and row.ours == "voco"
        assert (abs(mean - row.average) < 0.31) is not wrong, (row, mean)


def test_every_row_has_a_figure_for_every_column():
    assert [layout.number for layout in paper.LAYOUTS] == [1, 2, 3, 4, 5, 6, 8]
    for layout in paper.LAYOUTS:
        assert {len(row.figures) for row in layout.rows} == {len(layout.columns)}
        assert {len(row.labels) for row in layout.rows} == {len(layout.labels)}


def lines(number: int, outcomes=(GQA, VQA)):
    table = next(one for one in paper_tables(list(outcomes)) if one.layout.number == number)
    return table, [line for line in table.lines if line.whose == OURS]


def test_ours_stand_below_the_papers_with_retention_by_hand():
    table, ours = lines(1)
    scores = {line.method: line.figures for line in ours if line.what == SCORE}
    kept = {line.method: line.figures for line in ours if line.what == RETAINED}
    assert list(scores) == ["Upper Bound", "VoCo, trained with 8", "one", "pool", "Lower Bound"]
    assert scores["pool"]["GQA"].value == 45
    assert kept["pool"]["GQA"].value == pytest.approx(100 * (18 - 12) / (36 - 12))
    assert kept["VoCo, trained with 8"]["Avg."].value == pytest.approx((100 * 8 / 24 + 100 * 5 / 20) / 2)
    assert "VQAv2" not in kept["pool"], "it was not measured there"
    assert all(isinstance(f, Interval) and f.low <= f.value <= f.high for f in kept["pool"].values())
    methods = [(line.method, line.whose) for line in table.lines if line.what == SCORE]
    assert methods[:3] == [("Upper Bound", PAPER), ("Upper Bound", OURS), ("VoCo-LLaMA", PAPER)]
    assert "Table 1: not evaluated: MMB, MME, POPE, SEED, SQA-I" in table.remarks
    assert "Table 1: our Avg. is mean retention over GQA, VQAv2" in table.remarks


def test_each_number_of_tokens_stands_below_the_papers_with_as_many():
    table, _ = lines(2)
    order = [(line.method, line.labels[0], line.whose) for line in table.lines]
    at = order.index(("VoCo-LLaMA", "8", PAPER))
    assert order[at + 1] == ("VoCo", "8", OURS)
    assert order[-4:-2] == [("VoCo, trained with 8", "1", OURS), ("one", "1", OURS)]
    assert order[0:2] == [("Upper Bound", "576", PAPER), ("Upper Bound", "64", OURS)]


def test_one_model_read_with_fewer_tokens_is_table_4_and_other_models_are_not():
    _, ours = lines(4)
    assert [(line.method, line.labels) for line in ours] == [("VoCo", ("8",)), ("VoCo, trained with 8", ("1",))]


def test_a_baseline_that_is_evaluated_by_itself_is_called_what_it_is():
    alone = outcome("gqa", "GQA", {"voco_1": 20}, kinds={"voco": {"compressor": "qformer", "n_voco": 1}})
    table, (ours,) = lines(1, [alone])
    assert ours.method == "Q-Former"
    assert table.lines[table.lines.index(ours) - 1].method == "Q-Former"


def test_what_was_not_measured_gives_no_table():
    assert [table.layout.number for table in paper_tables([GQA, VQA])] == [1, 2, 3, 4]
    assert paper_tables([outcome("vizwiz", "VizWiz", {"voco_1": 20})]) == []


def test_bounds_that_lie_together_give_scores_alone():
    level = outcome("pope", "POPE", {"voco_1": 20, UPPER: 20, LOWER: 20})
    _, ours = lines(1, [level])
    assert {line.what for line in ours} == {SCORE}


def test_splits_and_judges_scores_are_columns_with_their_own_intervals():
    clips = outcome("msvd_qa", "MSVD-QA", {"voco_8": 10}, parts={"score": 30}, kinds=KINDS)
    _, (ours,) = lines(8, [clips])
    assert ours.labels == ("clip", "llama", "32", "8")
    assert ours.figures["MSVD-QA Acc"].value == 25
    assert ours.figures["MSVD-QA Score"].value == 75
    assert ours.figures["MSVD-QA Score"].low < 75 < ours.figures["MSVD-QA Score"].high
    rec = outcome("refcoco_plus_rec", "RefCOCO+ REC", {"voco_8": 10, UPPER: 30, LOWER: 5}, parts={"testA": 4})
    _, ours = lines(5, [rec])
    assert {tuple(line.figures) for line in ours} == {("RefCOCO+ testA",)}, "the split, not the whole"


def test_files_to_read_and_to_go_on_from(tmp_path):
    write(paper_tables([GQA, VQA]), tmp_path, ["to be known"])
    text = (tmp_path / "paper.md").read_text()
    assert "| VoCo-LLaMA, the paper " in text
    assert "- to be known\n" in text
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({len(line) for line in block.splitlines()}) == 1, "columns stand below each other"
    told = json.loads((tmp_path / "paper.json").read_text())
    assert [one["table"] for one in told] == [1, 2, 3, 4]
    with (tmp_path / "paper/table_2.csv").open() as file:
        rows = list(csv.DictReader(file))
    eight = {row["whose"]: row for row in rows if row["Token"] == "8" and row["Method"].startswith("VoCo")}
    assert float(eight[PAPER]["GQA"]) == 59.2
    assert float(eight[OURS]["GQA"]) == 75
    assert float(eight[OURS]["GQA low"]) < 75 < float(eight[OURS]["GQA high"])
    assert eight[OURS]["MMB"] == ""
    assert len({len(row) for row in rows}) == 1

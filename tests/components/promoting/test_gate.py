"""The gate's file, and every criterion held to what was found; what was not measured has failed."""

import json

import pytest

from components.promoting.evidence import GRAPHS, Evidence
from components.promoting.gate import Gate, load_gate
from components.promoting.verdict import Audited, judge
from tests.components.promoting.models import left_by_steps, read_items, row, write_items
from voco_model.errors import VocoError
from voco_model.portable.parity import Parity, write_parity


def evidence(paths):
    return Evidence(paths["tables"], paths["efficiency"])


def test_the_shipped_gate_is_read_and_named_by_its_content():
    gate = load_gate()
    assert gate.retention
    assert gate.champion
    assert gate.sha256 == load_gate().sha256 != Gate(validation=True).sha256


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("retention: [{n_voco: 0, at_least: 5}]", "retention.0.n_voco"),
        ("retention: [{n_voco: 8, at_least: .nan}]", "retention.0.at_least"),
        ("retention: [{n_voco: 8, at_least: 5, by: high}]", "retention.0.by"),
        ("champion: {n_voco: 8, margin: -1}", "champion.margin"),
        ("cache: {n_voco: 8, at_most: 1}", "cache.at_most"),
        ("speed: fast", "speed"),
        ("retention: [{n_voco: 8, at_least: 5, benchmark: popes}]", "no benchmark 'popes'; known: .*pope"),
        ("champion: {n_voco: 8, margin: 1, margins: {gqaa: 2}}", "no benchmark 'gqaa'"),
        ("champion: {n_voco: 8, margin: 1, margins: {gqa: -2}}", "champion.margins.gqa"),
        ("onnx: {at_most: 0}", "onnx.at_most"),
        ("validation: false", "asks for nothing"),
        ("[", "no gate can be read"),
        ("", "the file"),
    ],
)
def test_a_gate_that_cannot_be_meant_is_refused(tmp_path, text, said):
    (tmp_path / "gate.yaml").write_text(text)
    with pytest.raises(VocoError, match=said) as caught:
        load_gate(tmp_path / "gate.yaml")
    assert "\n" not in str(caught.value)


def test_every_criterion_is_looked_at(tmp_path):
    gate = Gate.model_validate(
        {
            "retention": [
                {"n_voco": 8, "at_least": 60, "by": "value"},
                {"n_voco": 8, "at_least": 60, "by": "low"},
                {"n_voco": 1, "at_least": 0},
            ],
            "cache": {"n_voco": 8, "at_most_share": 0.005},
        }
    )
    ours = left_by_steps(tmp_path / "ours", passed=False)
    verdict = judge(gate, evidence(ours), None, ours["report"])
    assert [one.passed for one in verdict.criteria] == [True, False, False, False, False]
    assert [one.found for one in verdict.criteria] == ["70.0 [55.0, 80.0]"] * 2 + ["none", "1.00%", "failed"]
    assert "was not measured" in verdict.reason
    assert "captions (unique ids)" in verdict.reason
    assert not verdict.met
    assert len(verdict.as_dict()["criteria"]) == 5


def test_a_missing_figure_bound_report_or_efficiency_never_passes(tmp_path):
    gate = Gate.model_validate(
        {"retention": [{"n_voco": 8, "at_least": 1}], "cache": {"n_voco": 8, "at_most_share": 1.0}}
    )
    ours = left_by_steps(tmp_path / "ours")
    (ours["tables"] / "tables.json").write_text(json.dumps([row("mean", 8, (70.0, None, None))]))
    (ours["efficiency"] / "efficiency.json").unlink()
    (ours["report"] / "result.json").unlink()
    verdict = judge(gate, evidence(ours), None, ours["report"])
    assert [one.passed for one in verdict.criteria] == [False] * 3


@pytest.mark.parametrize(
    ("theirs", "margin", "by", "passed"),
    [
        (range(30), 0, "value", True),
        (range(34), 5, "value", False),
        (range(31), 5, "value", True),
        (range(31), 5, "low", False),
        (range(10), 0, "low", True),
    ],
)
def test_the_champion_is_compared_question_by_question(tmp_path, theirs, margin, by, passed):
    gate = Gate.model_validate(
        {"validation": False, "champion": {"n_voco": 8, "margin": margin, "by": by}},
    )
    ours, champion = left_by_steps(tmp_path / "ours"), left_by_steps(tmp_path / "champion", right=theirs)
    verdict = judge(gate, evidence(ours), evidence(champion), ours["report"])
    (criterion,) = verdict.criteria
    assert criterion.passed is passed, criterion
    assert criterion.found == "75.0"


def test_what_cannot_be_compared_is_said(tmp_path):
    gate = Gate.model_validate({"champion": {"n_voco": 8, "margin": 5}, "validation": False})
    ours, champion = left_by_steps(tmp_path / "ours"), left_by_steps(tmp_path / "champion")
    items = read_items(ours["tables"], "gqa")
    write_items(champion["tables"], "pope", items)
    write_items(ours["tables"], "vqav2", items)
    write_items(ours["tables"], "gqa", [one | {"question_id": f"new-{one['question_id']}"} for one in items])
    verdict = judge(gate, evidence(ours), evidence(champion), ours["report"])
    found = {one.criterion: (one.passed, one.why) for one in verdict.criteria}
    assert found["champion on gqa"] == (False, "the two answered different questions; evaluate both on the same")
    assert found["champion on pope"] == (False, "the challenger's answers are missing")
    assert found["champion on vqav2"] == (True, "new to the champion")
    write_items(ours["tables"], "gqa", [{"reading": "voco_8"}])
    with pytest.raises(VocoError, match="no scored answers"):
        judge(gate, evidence(ours), evidence(champion), ours["report"])


@pytest.mark.parametrize(
    ("parity", "required", "passed", "why"),
    [
        ({}, True, True, "8 of 8 answers are the same"),
        ({"logits": 2e-3}, True, False, "a logit is 0.002 from the model's"),
        ({"same_answers": 7}, True, False, "7 of 8 answers are the same"),
        (None, True, False, "was exported without graphs"),
        (None, False, True, "was exported without graphs"),
    ],
)
def test_exported_graphs_must_say_what_the_model_says(tmp_path, parity, required, passed, why):
    ours = left_by_steps(tmp_path / "ours")
    graphs = ours["exported"] / GRAPHS
    if parity is not None:
        graphs.mkdir()
        found = {"keys": 1e-6, "logits": 1e-5, "largest_logit": 9.0, "same_answers": 8, "answers": 8}
        write_parity(Parity(**found | parity), graphs)
    gate = Gate.model_validate({"onnx": {"at_most": 1e-3, "required": required}, "validation": False})
    verdict = judge(gate, Evidence(ours["tables"], ours["efficiency"], graphs), None, ours["report"])
    (criterion,) = verdict.criteria
    assert (criterion.passed, criterion.why) == (passed, why)


def test_single_benchmarks_have_their_own_retention_and_margin(tmp_path):
    ours, theirs = left_by_steps(tmp_path / "ours", right=range(28)), left_by_steps(tmp_path / "theirs")
    wanted = {"retention": [{"n_voco": 8, "at_least": 60, "by": "value", "benchmark": "gqa"}]}
    champion = {"n_voco": 8, "margin": 10, "by": "value"}
    (ours["tables"] / "tables.json").write_text(
        json.dumps([row("mean", 8, (70, 60, 80)), row("gqa", 8, (50, 40, 60))])
    )

    def held(**more):
        gate = Gate.model_validate(wanted | {"champion": champion | more})
        return judge(gate, evidence(ours), evidence(theirs), ours["report"]).criteria

    own, _, against = held()
    assert (own.criterion, own.passed) == ("retention at N = 8 on gqa", False)
    assert against.passed  # 5 points worse
    assert not held(margins={"gqa": 2.0})[2].passed
    missing = held(margins={"pope": 2.0})[3]
    assert (missing.criterion, missing.passed) == ("champion on pope", False)


@pytest.mark.parametrize(
    ("audited", "passed", "why"),
    [
        (Audited(right=3), True, "everything is as it was recorded"),
        (Audited(right=3, wrong=1, first="export model: other bytes"), False, "export model: other bytes"),
        (Audited(right=3, unknown=1, first="code: no commit is known"), False, "code: no commit is known"),
        (None, False, "nothing was looked at"),
    ],
)
def test_an_audit_must_be_clean_and_what_was_not_audited_is_not(tmp_path, audited, passed, why):
    paths = left_by_steps(tmp_path)
    gate = Gate.model_validate({"audit": True, "validation": False})
    (criterion,) = judge(gate, evidence(paths), None, paths["report"], audited).criteria
    assert (criterion.passed, criterion.why) == (passed, why)

"""The retraining pipeline as KFP will see it: whole, without loose ends, and the same graph as DVC's."""

import ast
import itertools
from pathlib import Path

import pytest
import yaml

from pipelines.compiling import Images, compile_pipeline
from pipelines.profiles import SECTIONS, load_profile
from pipelines.tasks import READS, STEPS, WRITES
from tests.pipelines.compiled import broken_references, dags, edges, read_package

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    out = tmp_path_factory.mktemp("compiled") / "retraining.yaml"
    return compile_pipeline("retraining", load_profile("tiny"), out, Images(f"cpu@{DIGEST}", f"gpu@{DIGEST}"))


@pytest.fixture(scope="module")
def spec(package):
    return read_package(package)[0]


def test_nothing_that_is_referred_to_is_missing(spec):
    assert broken_references(spec) == []


@pytest.mark.parametrize("name", ["evaluation", "promotion", "audit"])
def test_the_other_pipelines_are_whole_too(name, tmp_path):
    out = compile_pipeline(
        name, load_profile("tiny"), tmp_path / "p.yaml", Images(f"cpu@{DIGEST}", f"gpu@{DIGEST}")
    )
    spec, _ = read_package(out)
    assert broken_references(spec) == []
    assert "version" in spec.root.input_definitions.parameters


def test_the_walk_itself_sees_what_is_missing(package):
    spec, _ = read_package(package)
    del spec.components["comp-align"]
    assert any("comp-align" in one for one in broken_references(spec))


def declared() -> set[tuple[str, str, str]]:
    return {(*tuple(source.split(".")), task) for task, inputs in READS.items() for source in inputs.values()}


def test_the_pipeline_has_the_edges_that_are_declared(spec):
    stopped = ("validate", "report", "refuse")
    assert edges(spec) == declared() | {stopped}


def dvc_edges() -> set[tuple[str, str, str]]:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    made, found = {}, set()
    for task, stage in stages.items():
        for path in stage.get("do", stage)["outs"]:
            made[path.replace("/${item}", "")] = task, Path(path).stem
    for task, stage in stages.items():
        command = stage.get("do", stage)["cmd"].split()
        for flag, value in itertools.pairwise(command):
            if flag in ("--in", "--each"):
                path = value.strip('"').split("=")[1].replace("/*", "")
                found.add((*made[path], task))
    return found


def test_dvc_has_the_same_edges():
    assert dvc_edges() == {edge for edge in declared() if edge[2] != "news"}


def test_every_input_of_a_dvc_stage_is_one_of_its_dependencies():
    for task, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items():
        stage = stage.get("do", stage)
        command = stage["cmd"].split()
        read = [
            v.strip('"').split("=")[1].split("/*")[0]
            for f, v in itertools.pairwise(command)
            if f in ("--in", "--each")
        ]
        assert set(read) <= set(stage["deps"]), task
        assert stage["params"] == [task]
        assert command[:3] == ["voco", "step", task]


def test_params_are_those_of_the_profile_tiny():
    shipped = yaml.safe_load((ROOT / "pipelines/configs/tiny/pipeline.yaml").read_text())
    assert yaml.safe_load((ROOT / "params.yaml").read_text()) == shipped
    assert list(shipped) == list(SECTIONS)


def test_stages_are_sections_and_steps(spec):
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert set(stages) == set(SECTIONS) - {"news"}
    assert {*WRITES} == set(stages)
    for step in {*STEPS.values()}:
        tree = ast.parse((ROOT / "components" / f"{step}.py").read_text())
        assert any(isinstance(node, ast.FunctionDef) and node.name == "step" for node in tree.body), step


def test_no_gpu_is_asked_for_before_the_data_is_accepted(spec):
    [accepted] = [g for name, g in dags(spec) if "align" in g.dag.tasks]
    outside = {t for name, g in dags(spec) if g is not accepted for t in g.dag.tasks}
    assert {"look", "ingest", "news", "validate", "refuse"} <= outside
    assert {"instruct", "instruct-2", "continue-video", "profile", "export", "promote"} <= set(accepted.dag.tasks)


def test_whatever_happens_somebody_is_told(spec):
    handlers = [t for t in spec.root.dag.tasks.values() if t.component_ref.name == "comp-notify"]
    assert [t.trigger_policy.strategy for t in handlers] == [2]  # ALL_UPSTREAM_TASKS_COMPLETED


def test_every_task_has_a_name_for_people_and_installs_nothing(package, spec):
    for _, graph in dags(spec):
        assert all(task.task_info.name for task in graph.dag.tasks.values())
    assert "pip install" not in package.read_text()


@pytest.mark.parametrize("image", ["voco:latest", "voco", "voco@sha256:12"])
def test_an_image_without_a_digest_is_refused(image):
    with pytest.raises(ValueError, match="names no digest"):
        Images.by_digest(image, f"gpu@{DIGEST}")

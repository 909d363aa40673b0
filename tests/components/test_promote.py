"""Promote: a version in a real registry, once; champion where the gate is met, the reason where it is not."""

import json

import pytest

from components.news import step as news
from components.promote import step as promote
from components.promoting.registry import Registry
from components.tracking.runs import client_of
from tests.components.promoting.models import job, left_by_steps
from voco_model.errors import VocoError

GATE = """
retention: [{n_voco: 8, at_least: 60, by: value}]
cache: {n_voco: 8, at_most_share: 0.2}
champion: {n_voco: 8, margin: 5, by: value}
"""


@pytest.fixture
def promoted(mlflow_uri, tmp_path, monkeypatch):
    """Promotes what is left in a folder, as a run of its own."""
    gate = tmp_path / "gate.yaml"
    gate.write_text(GATE)

    def do(name, run, **left):
        folder = tmp_path / name
        paths = left_by_steps(folder, **left) if not folder.exists() else {p.name: p for p in folder.iterdir()}
        monkeypatch.setenv("VOCO_RUN", run)
        inputs = {key: paths[key] for key in ("exported", "tables", "efficiency", "report", "data")}
        out = {"verdict": tmp_path / "verdicts" / f"{name}-{run}"}
        return promote(job("promote", inputs, out, tmp_path, gate=str(gate), config_sha256="c" * 64))

    return do


def test_the_first_is_champion_by_thresholds_and_a_worse_one_is_not(promoted, mlflow_uri, tmp_path):
    first = promoted("first", "run-1")
    assert (first.values["verdict"], first.values["version"]) == ("promoted", "1")
    worse = promoted("worse", "run-2", right=range(12))
    assert (worse.values["verdict"], worse.values["version"]) == ("not promoted", "2")
    assert "champion on gqa" in worse.values["reason"]
    registry = Registry(mlflow_uri)
    assert registry.by_alias("champion").number == "1"
    assert registry.by_alias("challenger").number == "2"
    assert registry.by_alias("previous") is None
    verdict = json.loads((tmp_path / "verdicts/worse-run-2/verdict.json").read_text())
    assert [one["passed"] for one in verdict["criteria"]] == [True, True, True, False]
    assert verdict["criteria"][0]["champion"] == "70.0 [55.0, 80.0]"  # as the registry kept it
    assert worse.reports[0].read_text().count("✓") == 3
    better = promoted("better", "run-3", right=range(36))
    assert better.values["verdict"] == "promoted"
    assert [registry.by_alias(a).number for a in ("champion", "previous", "challenger")] == ["3", "1", "3"]


def test_the_same_is_registered_once_and_its_files_come_back(promoted, mlflow_uri, tmp_path):
    assert promoted("one", "run-1").values["version"] == "1"
    again = promoted("one", "run-2")
    assert (again.values["version"], again.values["verdict"]) == ("1", "promoted")
    registry = Registry(mlflow_uri)
    (version,) = registry.versions()
    fetched = registry.fetch(version.source, tmp_path / "fetched")
    assert (fetched / "model/weights.bin").read_bytes() == (
        tmp_path / "one/exported/model/weights.bin"
    ).read_bytes()
    assert version.tags["voco.run"] == "run-1"
    assert client_of(mlflow_uri).get_run(version.run).data.tags["voco.run"] == "run-1"


def test_news_compares_with_the_newest_version(promoted, mlflow_uri, tmp_path):
    def asked(data, **settings):
        return news(job("news", {"data": data}, {}, tmp_path, config_sha256="c" * 64, **settings)).values

    paths = left_by_steps(tmp_path / "probe")
    assert asked(paths["data"]) == {"decision": "train", "reason": "no version of voco-llama is registered yet"}
    promoted("one", "run-1")
    same = asked(paths["data"])
    assert same["decision"] == "nothing new"
    assert "version 1" in same["reason"]
    assert "run-1" in same["reason"]
    assert asked(paths["data"], force=True)["decision"] == "train"
    assert asked(paths["data"], model_name="other")["decision"] == "train"
    (paths["data"] / "data.json").write_text('{"version": "e"}')
    assert asked(paths["data"])["reason"].startswith("data not the same as version 1")


def test_without_a_registry_news_trains_and_promote_refuses(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths = left_by_steps(tmp_path / "one")
    assert news(job("news", {"data": paths["data"]}, {}, tmp_path)).values["decision"] == "train"
    with pytest.raises(VocoError, match="MLFLOW_TRACKING_URI is not set"):
        promote(job("promote", paths, {"verdict": tmp_path / "verdict"}, tmp_path))
    with pytest.raises(VocoError, match="unknown setting"):
        news(job("news", {"data": paths["data"]}, {}, tmp_path, forced=True))

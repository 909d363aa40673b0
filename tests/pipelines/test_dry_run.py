"""`voco dry-run`: what would run, where, for how long, at what price."""

import re
from types import SimpleNamespace

import pytest
import yaml

from pipelines.cli import main
from pipelines.planning.plan import plan_of
from pipelines.planning.prices import SHIPPED, load_prices
from pipelines.profiles import load_profile
from pipelines.sizes import TASKS, resources_for
from pipelines.tasks import READS
from voco_model.errors import VocoError


def test_a_profile_for_gpus_is_foretold_and_priced(capsys, monkeypatch):
    """The foretelling itself has tests of its own, and is slow."""
    seen = SimpleNamespace(hours=2.3, need=SimpleNamespace(total=37e9), verdict=None)
    monkeypatch.setattr("voco_model.training.foresight.foresee", lambda recipe: seen)
    assert main(["dry-run", "--profile", "7b-8gpu", "--set", "evaluate.benchmarks=[gqa, pope]"]) == 0
    said = capsys.readouterr().out
    lines = {line.split()[0]: line for line in said.partition("\n\n")[0].splitlines()}
    assert set(lines) == {"TASK", *READS}
    assert set(READS) == set(TASKS) - {"refuse"}
    assert re.search(
        r"pool=gpu gpu=h100 capacity=spot +1 x 8 H100-80GB +37 GB of each GPU +2.3 h", lines["instruct"]
    )
    assert re.search(r"pool=cpu +- +28Gi asked for +~8.0 h", lines["ingest"])
    assert lines["evaluate"].startswith("evaluate x 2")
    assert re.search(r"about [\d,.]+ h from first to last, about [\d,.]+ USD", said)


@pytest.mark.integration
@pytest.mark.parametrize(("name", "hours"), [("7b-8gpu", (25, 60)), ("7b-multinode", (12, 30))])
def test_the_shipped_profiles_fit_their_gpus(name, hours):
    plan = plan_of(load_profile(name), load_prices())
    assert all(one.fits for one in plan.tasks)
    assert hours[0] < plan.hours < hours[1]


def test_what_is_small_is_reckoned_from_tiny_s_own_times():
    tiny, small = (plan_of(load_profile(name), None) for name in ("tiny", "small"))
    assert 60 < tiny.hours * 3600 < 600
    assert small.hours > 5 * tiny.hours
    assert tiny.price == 0.0
    alone = sum(one.hours * one.times for one in tiny.tasks)
    assert tiny.hours < alone, "instruct and bounds are side by side"


def test_a_price_is_the_share_of_the_nodes_that_is_used(tmp_path):
    table = yaml.safe_load(SHIPPED.read_text())
    table["spot_share"] = 0.5
    table["nodes"]["h100"]["hour"] = 80.0
    table["nodes"]["cpu"] |= {"hour": 0.8, "cpus": 8}
    (tmp_path / "prices.yaml").write_text(yaml.safe_dump(table))
    prices = load_prices(tmp_path / "prices.yaml")
    assert prices.hour(resources_for("instruct", "7b-8gpu")) == 80.0 * 0.5
    assert prices.hour(resources_for("instruct", "7b-multinode")) == 4 * 80.0 * 0.5
    assert prices.hour(resources_for("evaluate", "7b-8gpu")) == 10.0 * 0.5
    assert prices.hour(resources_for("profile", "7b-8gpu")) == 10.0
    assert prices.hour(resources_for("promote", "7b-8gpu")) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"currencies": "USD"}, "currencies: Extra inputs are not permitted"),
        ({"spot_share": 2}, "spot_share: Input should be less than or equal to 1"),
        ({"date": "yesterday"}, "date: "),
        ({"nodes": {"cpu": {"instance": "a", "hour": -1, "cpus": 8}}}, r"nodes\.cpu\.hour"),
    ],
)
def test_a_wrong_table_is_named(tmp_path, monkeypatch, change, message):
    (tmp_path / "prices.yaml").write_text(yaml.safe_dump(yaml.safe_load(SHIPPED.read_text()) | change))
    monkeypatch.setenv("VOCO_PRICES", str(tmp_path / "prices.yaml"))
    with pytest.raises(VocoError, match=message):
        load_prices()


def test_a_gpu_without_a_price_is_named(tmp_path):
    table = yaml.safe_load(SHIPPED.read_text())
    del table["nodes"]["h100"]
    (tmp_path / "prices.yaml").write_text(yaml.safe_dump(table))
    with pytest.raises(VocoError, match="no price of h100; there are a100, cpu"):
        load_prices(tmp_path / "prices.yaml").hour(resources_for("align", "7b-8gpu"))
    assert main(["dry-run", "--prices", str(tmp_path / "absent.yaml")]) == 1

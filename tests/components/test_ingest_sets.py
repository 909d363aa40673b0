"""All data sets of a run: drawn or read, the same content the same version; what changed is seen beforehand."""

import json
import shutil

import pytest

from components.ingest import step as ingest_step
from components.look import step as look_step
from components.stepping.digests import content_of
from components.stepping.job import Job
from components.validate import step as validate_step
from voco_model.errors import VocoError

SETTINGS = {
    "source": "small-world",
    "world": {"seed": 0, "images": 24, "clips": 4, "level": 1},
    "workers": 1,
    "sets": {
        "captions": {
            "kind": "llava_pretrain",
            "annotations": "train/llava_pretrain/blip_laion_cc_sbu_558k.json",
            "media": "train/llava_pretrain/images",
        },
        "clips": {
            "kind": "webvid",
            "annotations": "train/webvid/results_train.csv",
            "media": "train/webvid/videos",
        },
    },
    "benchmarks": {"names": ["pope"]},
}


def job(folder, settings, inputs=None, output="data") -> Job:
    work = folder / "work" / "now"
    work.mkdir(parents=True, exist_ok=True)
    return Job("ingest", settings, inputs or {}, {output: folder / output}, work)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ingested")
    done = ingest_step(job(folder, SETTINGS))
    return folder, done


def test_every_set_and_the_benchmarks_lie_in_one_folder(made):
    folder, done = made
    data = folder / "data"
    assert {path.name for path in data.iterdir()} == {"captions", "clips", "benchmarks", "data.json"}
    assert {path.name for path in (data / "benchmarks").iterdir()} == {"pope", "images.parquet"}
    assert done.figures["captions.records"] == 12
    assert done.figures["clips.records"] == 2


def test_the_same_world_is_the_same_data_wherever_and_whenever_it_is_made(made, tmp_path):
    ingest_step(job(tmp_path, SETTINGS))
    assert content_of(tmp_path / "data") == content_of(made[0] / "data")


def test_another_world_is_another_version(made, tmp_path):
    ingest_step(job(tmp_path, SETTINGS | {"world": SETTINGS["world"] | {"seed": 1}}))
    versions = [json.loads((f / "data" / "data.json").read_text())["version"] for f in (tmp_path, made[0])]
    assert versions[0] != versions[1]


@pytest.fixture
def raw(made, tmp_path):
    """The drawn world as somebody's own folder."""
    shutil.copytree(made[0] / "work" / "now" / "world", tmp_path / "raw")
    return tmp_path / "raw"


def of_folder(raw):
    benchmarks = {"source": str(raw / "benchmarks"), "names": ["pope"]}
    return SETTINGS | {"source": str(raw), "benchmarks": benchmarks}


def test_looking_sees_a_changed_picture_and_a_changed_record(raw, tmp_path):
    def seen():
        return look_step(job(tmp_path, of_folder(raw))).values["sources"]

    first = seen()
    assert seen() == first
    picture = next((raw / "train/llava_pretrain/images").rglob("*.jpg"))
    picture.write_bytes(picture.read_bytes() + b"more")
    second = seen()
    records = raw / "train/llava_pretrain/blip_laion_cc_sbu_558k.json"
    records.write_text(records.read_text() + " ")
    assert len({first, second, seen()}) == 3


def test_looking_for_records_that_are_gone_names_them(raw, tmp_path):
    (raw / "train/llava_pretrain/blip_laion_cc_sbu_558k.json").unlink()
    with pytest.raises(VocoError, match=f"{raw}/.*blip_laion_cc_sbu_558k.json: "):
        look_step(job(tmp_path, of_folder(raw)))


def test_what_did_not_change_is_not_read_again(raw, tmp_path):
    settings = of_folder(raw) | {"benchmarks": {}}
    ingest_step(job(tmp_path, settings))
    (tmp_path / "data").rename(tmp_path / "before")
    (tmp_path / "work" / "latest").write_text(str(tmp_path / "before"))
    done = ingest_step(job(tmp_path, settings))
    assert done.figures["captions.reused"] == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sorce": "x"}, "unknown setting sorce"),
        ({"sets": {}}, "sets is empty"),
        ({"sets": {"a": {"kind": "webvid"}}}, "ingest.sets.a: annotations is missing"),
        ({"sets": {"a": {"kind": "webvid", "annotations": "x", "metia": "y"}}}, "unknown setting metia"),
        ({"world": {"image": 3}}, "unknown setting image"),
        ({"source": None}, "source is missing"),
        ({"benchmarks": {"names": ["popes"]}}, "no folder popes; there are"),
    ],
)
def test_mistakes_get_one_line(made, tmp_path, change, message):
    with pytest.raises(VocoError, match=message):
        ingest_step(job(tmp_path, SETTINGS | change))


def test_validation_of_everything_gives_one_verdict(made, tmp_path):
    done = validate_step(job(tmp_path, {}, {"data": made[0] / "data"}, "report"))
    assert done.values["passed"] == "yes"
    assert {p.name for p in (tmp_path / "report").iterdir()} == {"captions", "clips", "index.html", "result.json"}
    assert "All contracts hold" in done.reports[0].read_text()


def test_a_bound_that_is_not_met_says_which(made, tmp_path):
    settings = {"thresholds": {"captions": {"min_side": 4096}}}
    done = validate_step(job(tmp_path, settings, {"data": made[0] / "data"}, "report"))
    assert done.values["passed"] == "no"
    assert "captions" in done.values["reason"]
    assert "clips" not in done.values["reason"]

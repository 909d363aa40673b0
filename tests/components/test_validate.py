"""The step and its command: what is written, what a person reads, how it ends; nothing leaves the machine."""

import json
import subprocess
import sys
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.tracking import log_figures
from components.validate import ValidateConfig, validate
from pipelines import cli
from pipelines.commands import validate as command
from tests.data.manifests import changed, row, rows, said, sha, write
from voco_model.data.manifest import QUARANTINE_SCHEMA
from voco_model.errors import VocoError

KIND = "llava_pretrain"
HOSTILE = '<img src="http://203.0.113.9/x.png" onerror="alert(1)"><script src="//203.0.113.9/x.js"></script>'
TESTED = row("benchmark", 100)
FAULTS = changed(
    KIND,
    (2, {"digest": TESTED["digest"]}),
    (3, {"conversation": said("<image>\nWhat?", "")}),
    (4, {"width": 3, "height": 5, "file": "other.json", "line": 77}),
    (5, {"id": HOSTILE}),
    (6, {"id": HOSTILE}),
    (9, {"conversation": said("What is it?", "A red ball on a table")}),
    (8, {"digest": sha(7), "perceptual_hash": row(KIND, 7)["perceptual_hash"]}),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set's manifest with several faults, a good one, and a benchmark's digest list."""
    made = tmp_path_factory.mktemp("contracts")
    write(made / "faulty" / "manifest.parquet", FAULTS)
    write(made / "good" / "manifest.parquet", rows(KIND))
    (made / "tested.txt").write_text(f"# digests\n{TESTED['digest']} {TESTED['perceptual_hash']}\n")
    return made


@pytest.fixture(scope="module")
def outcome(folder):
    config = ValidateConfig(folder / "faulty", KIND, folder / "out", benchmarks=(folder / "tested.txt",))
    validate(config)
    return validate(config)  # again: what the first run wrote is replaced


def test_the_result_file_says_what_the_outcome_says(outcome):
    result = json.loads(outcome.result.read_text())
    assert result["status"] == "failed"
    assert result["contract"] == KIND
    assert result["bounds"]["min_side"] == 16
    by_name = {one["name"]: one for one in result["expectations"]}
    assert {name for name, one in by_name.items() if one["verdict"] == "failed"} == {
        "unique_ids", "short_side", "turn_order", "image_tags", "leak_digest",
    }  # fmt: skip
    assert by_name["exact_duplicates"]["verdict"] == "warned"
    assert by_name["text_length_drift"] | {"says": ""} == {
        "name": "text_length_drift", "expectation": "", "severity": "warning", "says": "", "success": None,
        "observed": "no previous version to compare with", "unexpected_count": 0, "applies_to": 0, "allowed": 0.0,
        "examples": [], "verdict": "skipped",
    }  # fmt: skip
    assert by_name["short_side"]["examples"] == ["r4"]
    assert by_name["short_side"]["expectation"] == "expect_column_values_to_be_between"
    assert by_name["turn_order"]["unexpected_count"] == 1
    assert by_name["turn_order"]["applies_to"] == 40
    assert result["figures"] == outcome.figures
    assert result["figures"]["share.unique_ids"] == 2 / 40
    assert result["figures"]["checks.failed"] == 5


def test_failing_records_are_set_aside_with_reason_file_and_line(outcome):
    table = pq.read_table(outcome.quarantine)
    assert table.schema.equals(QUARANTINE_SCHEMA)
    found = [(one["file"], one["line"], one["id"], one["code"], one["reason"]) for one in table.to_pylist()]
    file = f"{KIND}.json"
    assert found == [
        (file, 3, "r2", "leak_digest", "is a benchmark's picture or clip: tested.txt line 2"),
        (file, 4, "r3", "turn_order", "empty answer"),
        ("other.json", 77, "r4", "short_side", "short_side is 3, expected at least 16"),
        (file, 6, HOSTILE, "unique_ids", "the id stands in several records"),
        (file, 7, HOSTILE, "unique_ids", "the id stands in several records"),
        (file, 9, "r8", "exact_duplicates", "same media as an earlier record: r7"),
        (file, 10, "r9", "image_tags", "no <image> tag"),
    ]


class Tags(HTMLParser):
    """What a browser makes of a page: its tags, and what they refer to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.targets: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.targets += [
            value or "" for name, value in attrs if name in ("src", "href", "data", "action", "srcset")
        ]


def test_the_site_reads_without_a_network_and_runs_nothing(outcome, folder):
    pages = list((folder / "out" / "data_docs").rglob("*.html"))
    assert len(pages) == 3
    for page in pages:
        text = page.read_text("utf-8")
        assert "default-src 'none'" in text
        assert "@import" not in text
        assert "url(" not in text
        read = Tags(text)
        assert not read.names & {"script", "img", "image", "link", "iframe", "object", "svg", "base"}
        assert not [target for target in read.targets if ":" in target or target.startswith("//")]
    results = next(page for page in pages if "validations" in page.parts).read_text("utf-8")
    assert escape(HOSTILE, quote=False) in results
    assert "&lt;image&gt;" in results
    first = outcome.data_docs.read_text("utf-8")
    assert "Contract llava_pretrain: failed" in first
    assert first.index("turn_order") < first.index("caption_words"), "what failed comes first"
    links = [part.split('"')[0] for part in first.split('href="')[1:]]
    assert len(links) == 2
    assert all((outcome.data_docs.parent / link).is_file() for link in links)


def test_nothing_else_is_left_in_the_folder(outcome, folder):
    assert {path.name for path in (folder / "out").iterdir()} == {"data_docs", "result.json", "quarantine.parquet"}


def test_severities_and_thresholds_can_be_changed(folder, tmp_path):
    lenient = dict.fromkeys(("unique_ids", "turn_order", "image_tags"), "warning")
    thresholds = {"min_side": 2, "allowed.exact_duplicates": 0.5}
    config = ValidateConfig(folder / "faulty", KIND, tmp_path, thresholds=thresholds, severities=lenient)
    changed_outcome = validate(config)
    verdicts = {one.name: one.verdict for one in changed_outcome.results}
    assert changed_outcome.passed
    assert verdicts["unique_ids"] == verdicts["turn_order"] == "warned"
    assert verdicts["short_side"] == verdicts["exact_duplicates"] == "passed"
    stricter = ValidateConfig(folder / "faulty", KIND, tmp_path, severities={"exact_duplicates": "error"})
    assert {one.name: one.verdict for one in validate(stricter).results}["exact_duplicates"] == "failed"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "unknown key colour; there are data, contract, out"),
        ({"out": None, "data": None}, "data is missing"),
        ({"thresholds": {"min_side": -1}}, "min_side is -1; give a number from 0"),
        ({"thresholds": {"min_side": "wide"}}, "min_side is 'wide'"),
        ({"thresholds": {"allowed.kind": 2}}, "give a share from 0 to 1"),
    ],
)
def test_a_wrong_config_is_refused(change, message):
    given = {"data": "d", "contract": KIND, "out": "o"} | change
    with pytest.raises(VocoError, match=message):
        ValidateConfig.from_mapping({key: value for key, value in given.items() if value is not None})


def test_a_config_from_a_mapping_is_frozen():
    config = ValidateConfig.from_mapping({"data": "d", "contract": KIND, "out": "o", "benchmarks": ["b"]})
    assert config == ValidateConfig(Path("d"), KIND, Path("o"), benchmarks=(Path("b"),))
    with pytest.raises(AttributeError):
        config.contract = "webvid"


def ended(monkeypatch, *arguments: object) -> int:
    monkeypatch.setattr(cli, "COMMANDS", (command,))
    return cli.main(["validate", *map(str, arguments)])


def test_the_command_ends_with_0_where_the_contract_holds(folder, tmp_path, capsys, monkeypatch):
    previous = ["--previous", folder / "good"]
    good = ended(monkeypatch, folder / "good", "--contract", KIND, *previous, "--out", tmp_path)
    assert good == 0
    said_so = capsys.readouterr().out
    assert "text_length_drift  warning  passed   quantiles 5 %: " in said_so
    assert f"read {tmp_path}/data_docs/index.html" in said_so


def test_the_command_ends_with_1_where_it_is_broken(folder, tmp_path, capsys, monkeypatch):
    against = ["--against-benchmark", folder / "tested.txt", folder / "good"]
    assert ended(monkeypatch, folder / "faulty", "--contract", KIND, *against, "--out", tmp_path) == 1
    said_so = capsys.readouterr().out
    assert "turn_order         error    failed   1 of 40 (2.50 %): empty answer" in said_so
    assert "failed: llava_pretrain, 40 records" in said_so


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/absent", "--contract", KIND], "absent: no such manifest; give a folder that ingest wrote"),
        (["{}/tested.txt", "--contract", KIND], "tested.txt: cannot be read as Parquet"),
        (["{}/cut.parquet", "--contract", KIND], "cut.parquet: cannot be read as Parquet"),
        (["{}/other.parquet", "--contract", KIND], "column digest is missing"),
        (["{}/good", "--contract", "coco"], "contract coco: unknown; there are llava_pretrain, "),
        (["{}/good", "--contract", KIND, "--previous", "{}/absent"], "absent: no such manifest"),
        (["{}/good", "--contract", KIND, "--against-benchmark", "{}/absent"], "absent: cannot be read"),
        (
            ["{}/good", "--contract", KIND, "--against-benchmark", "{}/words.txt"],
            "words.txt: line 2 is not a SHA-256",
        ),
        (["{}/good", "--contract", KIND, "--threshold", "min_side"], "--threshold min_side: write NAME=VALUE"),
        (["{}/good", "--contract", KIND, "--threshold", "min_side=x"], "'x' is not a number"),
        (
            ["{}/good", "--contract", KIND, "--threshold", "min_sides=1"],
            "threshold min_sides: llava_pretrain has none",
        ),
        (["{}/good", "--contract", KIND, "--threshold", "near_distance=9"], "give whole bits from 0 to 8"),
        (["{}/good", "--contract", KIND, "--severity", "boxes=error"], "llava_pretrain has no such check"),
        (["{}/good", "--contract", KIND, "--severity", "kind=fatal"], "say error or warning"),
    ],
)
def test_the_command_ends_with_2_where_it_cannot_validate(
    arguments, message, folder, tmp_path, capsys, monkeypatch
):
    whole = (folder / "good" / "manifest.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (folder / "words.txt").write_text(f"{sha(1)}\nnot a digest\n")
    pq.write_table(
        pq.read_table(folder / "good" / "manifest.parquet").drop_columns("digest"), folder / "other.parquet"
    )
    out = tmp_path / "out"
    assert ended(monkeypatch, *(text.format(folder) for text in arguments), "--out", out) == 2
    error = capsys.readouterr().err
    assert error.startswith("voco: error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not out.exists()


GUARD = """
import socket, sys
tried = []
def guarded(self, address, *rest):
    tried.append(address)
    raise OSError("no network here")
socket.socket.connect = socket.socket.connect_ex = guarded
def lookup(host, *rest, **named):
    tried.append(host)
    raise OSError("no network here")
socket.getaddrinfo = lookup
from pathlib import Path
from components.validate import ValidateConfig, validate
validate(ValidateConfig(Path(sys.argv[1]), "llava_pretrain", Path(sys.argv[2])))
assert "great_expectations" in sys.modules and "mlflow" not in sys.modules
import time; time.sleep(1)  # what a thread in the background would try
print("tried", tried)
"""


def test_nothing_leaves_the_machine(folder, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", GUARD, str(folder / "good"), str(tmp_path / "out")],
        capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2], env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "tried []\n"
    assert list((tmp_path).iterdir()) == [tmp_path / "out"], "nothing is written to the home folder"


def test_figures_are_logged_where_mlflow_is_configured(folder, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert log_figures("nowhere", {"a": 1.0}) is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "gopher://nowhere")
    with pytest.raises(VocoError, match="MLFLOW_TRACKING_URI: nothing can be logged there"):
        log_figures("nowhere", {"a": 1.0})
    uri = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    made = validate(ValidateConfig(folder / "good", KIND, tmp_path / "out"))
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("data")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "validate llava_pretrain"
    assert run.info.status == "FINISHED"
    assert run.data.metrics == pytest.approx(made.figures)
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == ["result.json"]
    assert (tmp_path / "mlartifacts").is_dir()

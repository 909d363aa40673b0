"""A step is done again at its commit, from its inputs by digest, with its threads; what differs first is named."""

import json
import os
import shutil
import signal
import threading
import time

import pytest

from components.stepping.digests import text_digest
from pipelines.cli import main
from tests.components.tracing.toys import ROOT, do, git, repository, toy_repository, toy_run


@pytest.fixture
def code(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "VOCO_HOME", "TOY_NOISE", "VOCO_COMMIT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the toy writes it down; a machine may have none, or any
    monkeypatch.chdir(tmp_path)
    return toy_repository(tmp_path / "code", monkeypatch)


def reproduced(capsys, lineage, *more):
    """Status, and each step's verdict and notes."""
    status = main(["reproduce", str(lineage), "--json", *(more or ("--step", "toy_train"))])
    out, error = capsys.readouterr()
    assert out, error
    found = json.loads(out)
    assert found["status"] == status
    return status, {one["task"]: (one["verdict"], " | ".join(one["notes"])) for one in found["steps"]}


def edited(path, edit):
    """The document with something changed, sealed anew."""
    document = json.loads(path.read_text())
    signature = document.pop("attestation", None)
    document.pop("sha256")
    for one in document["records"]:
        edit(one["record"])
    path.write_text(json.dumps(document | {"sha256": text_digest(document), "attestation": signature}))


def test_the_same_code_data_settings_and_threads_give_the_same_bits(code, tmp_path, capsys):
    lineage = toy_run(code, tmp_path / "run", OMP_NUM_THREADS="3")
    (code / "components/toy_train.py").write_text("raise SystemExit('the code as it is now')")
    assert reproduced(capsys, lineage) == (0, {"toy_train": ("identical", "")})
    shutil.rmtree(tmp_path / "run/toy_data")
    shutil.rmtree(tmp_path / "run/toy_train")
    status, found = reproduced(capsys, lineage, "--all")  # all is in the remote
    assert (status, list(found)) == (0, ["toy_data", "toy_train"])
    assert {verdict for verdict, _ in found.values()} == {"identical"}
    assert len(git(code, "worktree", "list").splitlines()) == 1


def test_a_difference_is_named_and_small_ones_pass_only_elsewhere(code, tmp_path, capsys):
    lineage = toy_run(code, tmp_path / "run", TOY_NOISE="0.5")
    status, found = reproduced(capsys, lineage)
    assert status == 1
    verdict, notes = found["toy_train"]
    assert verdict == "different"
    # The greatest value is 5, so 5e-4 would be allowed.
    assert notes.startswith(
        "first in model/model.safetensors: tensor w: greatest difference 0.5 (tolerance 0.0005)"
    )
    assert reproduced(capsys, lineage, "--step", "toy_train", "--tolerance", "0.2")[0] == 1
    edited(lineage, lambda record: record.pop("threads"))  # as older records are
    status, found = reproduced(capsys, lineage, "--step", "toy_train", "--tolerance", "0.2")
    assert (status, found["toy_train"][0]) == (0, "within tolerance")
    assert "the number of threads was not recorded" in found["toy_train"][1]
    assert reproduced(capsys, lineage, "--step", "toy_train", "--tolerance", "0.09")[0] == 1


def test_other_packages_and_threads_are_named(code, tmp_path, capsys, monkeypatch):
    lineage = toy_run(code, tmp_path / "run", TOY_NOISE="1e-5")
    document = json.loads(lineage.read_text())
    [(_, installed)] = document["packages"].items()
    then = installed.replace("numpy==", "numpy==0.").replace("torch==", "torch==0.") + "gone==1\n"
    digest = text_digest(then)
    signature = document.pop("attestation", None)
    document.pop("sha256")
    document["packages"] = {digest: then}
    for one in document["records"]:
        one["record"].update(packages_sha256=digest, python="3.10.1")
    lineage.write_text(json.dumps(document | {"sha256": text_digest(document), "attestation": signature}))
    status, found = reproduced(capsys, lineage)
    verdict, notes = found["toy_train"]
    assert (status, verdict) == (0, "within tolerance")  # 1e-5 of 5, where 5e-4 is allowed
    assert "tensor w: greatest difference" in notes
    assert "other packages: gone 1 -> -, numpy 0." in notes
    assert "another Python: 3.10.1 then" in notes
    edited(lineage, lambda record: record.update(packages_sha256="f" * 64))
    assert "no list was kept of those of then" in reproduced(capsys, lineage)[1]["toy_train"][1]


def test_code_that_nobody_has_is_refused_unless_that_here_is_meant(code, tmp_path, capsys):
    lineage = toy_run(code, tmp_path / "run")
    changed = (code / "components/toy_train.py").read_text().replace('"seed"', '"grain"', 1)
    (code / "components/toy_train.py").write_text(changed)
    for change, said in (
        ({"dirty": True}, "ran from files that differed from commit"),
        ({"commit": None}, "no commit is known"),
        ({"commit": "0" * 40}, "is not in this repository"),
        ({"commit": git(code, "rev-parse", "HEAD").strip(), "sha256": "f" * 64}, "holds other files"),
    ):
        edited(lineage, lambda record, change=change: record["code"].update({"dirty": False} | change))
        assert main(["reproduce", str(lineage), "--step", "toy_train"]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    status, found = reproduced(capsys, lineage, "--step", "toy_train", "--here")
    assert status == 1
    assert "first in model/config.json: seed is missing" in found["toy_train"][1]
    assert "other code: ffffffffffff then" in found["toy_train"][1]


def test_what_is_lost_or_unknown_is_one_line_and_leaves_nothing(code, tmp_path, capsys, monkeypatch):
    lineage = toy_run(code, tmp_path / "run")
    shutil.rmtree(tmp_path / "run/toy_data")
    kept = next(p for p in (tmp_path / "run/remote").rglob("*") if p.is_file() and p.read_text() == "three")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    for break_it, said in ((lambda: kept.write_text("four"), "was changed"), (kept.unlink, "the DVC remote lost")):
        break_it()
        assert main(["reproduce", str(lineage), "--step", "toy_train"]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "a.txt of toy_data.data" in error
        assert error.count("\n") == 1
    status, found = reproduced(capsys, lineage, "--all")
    assert (status, found["toy_data"][0], found["toy_train"][0]) == (2, "identical", "could not be done")
    for more, said in (
        (("--step", "other"), "no step other in its lineage; there are toy_train, toy_data"),
        (("--step", "toy_data", "--tolerance", "-1"), "--tolerance -1"),
    ):
        assert main(["reproduce", str(lineage), *more]) == 2
        assert said in capsys.readouterr().err
    assert main(["reproduce", "voco-llama@champion", "--all"]) == 2
    assert "no registry there" in capsys.readouterr().err
    lineage.write_text(lineage.read_text().replace("run-1", "run-2"))
    assert main(["reproduce", str(lineage), "--all"]) == 2
    assert "the lineage was changed" in capsys.readouterr().err
    assert not list(scratch.iterdir())
    assert len(git(code, "worktree", "list").splitlines()) == 1


def test_sigterm_leaves_no_checkout_and_no_step_behind(code, tmp_path, monkeypatch):
    lineage = toy_run(code, tmp_path / "run")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setenv("TOY_SLEEP", "100")

    def stop():
        until = time.monotonic() + 60
        while time.monotonic() < until and not list(scratch.rglob("model")):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(SystemExit) as ended:
        main(["reproduce", str(lineage), "--step", "toy_train"])
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    assert not list(scratch.iterdir())
    assert len(git(code, "worktree", "list").splitlines()) == 1


def test_steps_that_write_outside_or_measure_time_are_not_done_again(code, tmp_path, capsys):
    lineage = toy_run(code, tmp_path / "run")
    edited(lineage, lambda record: record.update(step="promote" if record["task"] == "toy_train" else "toy_data"))
    assert main(["reproduce", str(lineage), "--step", "toy_train"]) == 2
    assert "it decides by what the registry held then" in capsys.readouterr().err
    status, found = reproduced(capsys, lineage, "--all")
    assert (status, found["toy_train"][0], found["toy_data"][0]) == (0, "left out", "identical")


WORLD = {"seed": 0, "images": 40, "clips": 6, "level": 1}
CAPTIONS = {
    "kind": "llava_pretrain",
    "annotations": "train/llava_pretrain/blip_laion_cc_sbu_558k.json",
    "media": "train/llava_pretrain/images",
}


@pytest.mark.integration
def test_a_real_alignment_is_done_again_to_the_last_bit(tmp_path, capsys, monkeypatch):
    from components.auditing.lineage import gather, write_lineage

    listed = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "voco_model", "components")
    listed += git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "pipelines", "data")
    code = repository(tmp_path / "code", listed.split(), monkeypatch)
    run, threads = tmp_path / "run", {"OMP_NUM_THREADS": "1"}
    settings = {"source": "small-world", "world": WORLD, "workers": 1, "sets": {"captions": CAPTIONS}}
    ingest = do(code, run, "ingest", "data", settings, {}, **threads)
    settings = {"recipe": "tiny/align.yaml", "base": "small-world", "seed": 0, "steps": 3}
    align = do(code, run, "align", "model", settings, {"data": run / "ingest/data"}, **threads)
    lineage = write_lineage(gather({"ingest": ingest, "align": align}, "run-1"), run)
    shutil.rmtree(run / "ingest")
    assert reproduced(capsys, lineage, "--all") == (0, {"ingest": ("identical", ""), "align": ("identical", "")})

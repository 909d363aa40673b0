"""The small world's benchmark files are built as the official ones, held against genuine excerpts."""

import re

from tests.data.benchmark_files import genuine, kinds, lines, load


def test_gqa_has_the_official_structure(root):
    theirs = load(genuine("gqa/questions.json")) | load(genuine("gqa/questions1.json"))
    model = next(iter(theirs.values()))
    for r in load(root / "gqa/testdev_all_questions.json").values():
        assert kinds(r) == kinds(model)
        assert r["types"].keys() == model["types"].keys()
        assert r["groups"].keys() == model["groups"].keys()
        assert r["annotations"].keys() == model["annotations"].keys()
        assert all(kinds(step) == kinds(model["semantic"][0]) for step in r["semantic"])
    arrows = {q["semanticStr"].count("->") + 1 == len(q["semantic"]) for q in theirs.values()}
    assert arrows == {True}


def test_line_and_list_files_have_the_official_structure(root):
    for split in ("random", "popular", "adversarial"):
        model = lines(genuine(f"pope/coco_pope_{split}.first120.json"))
        ours = lines(root / f"pope/coco_pope_{split}.json")
        assert {str(kinds(r)) for r in ours} == {str(kinds(r)) for r in model}
        assert re.sub(r"\d", "0", ours[0]["image"]) == re.sub(r"\d", "0", model[0]["image"])
    assert _records(root / "msvd_qa/test_qa.json") == _records(genuine("msvd_qa/test_qa.first200.json"))
    assert _records(root / "activitynet_qa/test_q.json") == _records(
        genuine("activitynet_qa/test_q.first200.json")
    )
    assert _records(root / "activitynet_qa/test_a.json") == _records(
        genuine("activitynet_qa/test_a.first200.json")
    )
    mapping = genuine("msvd_qa/youtube_mapping.txt").read_text().splitlines()
    ours = (root / "msvd_qa/youtube_mapping.txt").read_text().splitlines()
    assert all(re.fullmatch(r"\S{11}_\d+_\d+ vid\d+", line) for line in [*mapping, *ours])


def _records(path):
    return {str(sorted(kinds(r).items())) for r in load(path)}


def test_scienceqa_has_the_official_structure(root):
    model = load(genuine("scienceqa/problems.first60.json"))
    assert {str(kinds(p)) for p in load(root / "scienceqa/problems.json").values()} <= {
        str(kinds(p)) for p in model.values()
    }


def test_vqav2_and_textvqa_have_the_official_structure(root):
    ours, model = (
        load(root / "vqav2/v2_OpenEnded_mscoco_val2014_questions.json"),
        load(genuine("vqav2/questions.json")),
    )
    assert kinds(ours) == kinds(model)
    assert kinds(ours["info"]) == kinds(model["info"])
    assert kinds(ours["questions"][0]) == kinds(model["questions"][0])
    ours, model = load(root / "vqav2/v2_mscoco_val2014_annotations.json"), load(genuine("vqav2/annotations.json"))
    assert kinds(ours) == kinds(model)
    assert set(model["annotations"][0]) <= set(ours["annotations"][0])
    assert kinds(ours["annotations"][0]["answers"][0]) == kinds(model["annotations"][0]["answers"][0])
    ours, model = load(root / "textvqa/TextVQA_0.5.1_val.json"), load(genuine("textvqa/TextVQA_0.5.1_val.json"))
    assert {str(kinds(q)) for q in ours["data"]} == {str(kinds(q)) for q in model["data"]}
    assert len(ours["data"][0]["image_id"]) == len(model["data"][0]["image_id"])


def test_refcoco_has_the_official_structure(root):
    ours, model = load(root / "refcoco/refs(unc).json"), load(genuine("refcoco/refs_unc_record0.json"))
    assert {str(sorted(kinds(r).items())) for r in ours} == {str(sorted(kinds(r).items())) for r in model}
    assert kinds(ours[0]["sentences"][0]) == kinds(model[0]["sentences"][0])
    assert re.sub(r"\d+", "0", ours[0]["file_name"]) == re.sub(r"\d+", "0", model[0]["file_name"])


def test_mme_lines_read_like_the_official_ones(root):
    model = genuine("mme/eval_tool/LaVIN/existence.first40.txt").read_text().splitlines()
    end = " Please answer yes or no."
    assert all(line.split("\t")[1].endswith(end) for line in model)
    for path in (root / "mme/existence").glob("*.txt"):
        assert all(
            re.fullmatch(r".+\? Please answer yes or no\.\t(Yes|No)", x) for x in path.read_text().splitlines()
        )

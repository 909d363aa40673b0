"""The small world's benchmarks as a whole: nothing to be had without looking; same bytes; all pictures listed."""

import csv
import hashlib
import math
import re

import pandas as pd
import pyarrow.parquet as pq

from data.world.benchmarks import image_list, write_all
from data.world.scenes import make_scene, scene_at, signature, split_of
from tests.data.benchmark_files import CLIPS, LEVEL, SEED, clip, load, scene
from voco_model.video import probe


def test_guessing_from_the_text_is_no_better_than_chance(tmp_path):
    summary = write_all(tmp_path, 3, LEVEL, 400, 40)
    assert len(summary) == 13
    for name, found in summary.items():
        # Two and a half standard deviations of a guesser who is right by chance.
        slack = 2.5 * math.sqrt(found["chance"] * (1 - found["chance"]) / (found["questions"] / 2))
        assert found["text_only"] <= found["chance"] + slack, name
        assert found["questions"] > 100, name


def test_a_small_set_still_has_questions_of_every_kind(tmp_path):
    write_all(tmp_path, 1, LEVEL, 20, 4)
    questions = load(tmp_path / "benchmarks/seed_bench/SEED-Bench.json")["questions"]
    assert {q["data_type"] for q in questions} == {"image", "video"}
    table = pd.read_csv(tmp_path / "benchmarks/mmbench/mmbench_dev_20230712.tsv", sep="\t")
    assert table["D"].notna().any()
    assert all((tmp_path / "benchmarks/mme" / task).is_dir() for task in ("existence", "OCR", "code_reasoning"))


def test_the_guesser_finds_what_the_text_gives_away():
    from data.world.benchmarks.picking import choice_score, open_score

    given_away = [(f"Is the {c} circle small?", "yes" if c == "red" else "no") for c in ("red", "blue") * 20]
    assert open_score(given_away)[0] == 1
    asked = [("Which?", ["sun", "map"] if i % 2 else ["map", "sun"], i % 2 == 0) for i in range(40)]
    assert choice_score(asked)[0] == 1


def test_same_seed_same_bytes_and_another_seed_other_bytes(tmp_path):
    def digests(folder, seed):
        write_all(folder, seed, 1, 20, 4)
        return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    first = digests(tmp_path / "a", 1)
    assert first == digests(tmp_path / "b", 1)
    assert first != digests(tmp_path / "c", 2)


def test_all_scenes_are_of_the_test_split():
    train = {signature(make_scene(SEED, "train", i, LEVEL)) for i in range(300)}
    assert not train & {signature(scene(i)) for i in range(300)}
    assert all(split_of(scene_at(clip(i), t)) == "test" for i in range(CLIPS) for t in (0, clip(i).seconds))


def test_image_list_has_every_picture_and_clip_also_those_inside_a_table(benchmark_world):
    out, _ = benchmark_world
    listed = image_list(out)
    table = pq.read_table(out / "benchmarks/images.parquet").to_pylist()
    assert [(r["id"], r["digest"]) for r in table] == listed
    assert all(re.fullmatch("[0-9a-f]{16}", r["perceptual_hash"]) for r in table)
    plain = [(name, digest) for name, digest in listed if "#" not in name]
    assert all(hashlib.sha256((out / name).read_bytes()).hexdigest() == digest for name, digest in plain)
    opened = [p for p in (out / "benchmarks").rglob("*") if p.is_file() and _is_seen(p)]
    assert {p.relative_to(out).as_posix() for p in opened} == {name for name, _ in plain}
    with (out / "benchmarks/mmbench/mmbench_dev_20230712.tsv").open(newline="") as file:
        pictures = {row["image"] for row in csv.DictReader(file, delimiter="\t")}
    assert len([name for name, _ in listed if "#" in name]) == len(pictures)


def _is_seen(path):
    head = path.read_bytes()[:8]
    return head[:3] in (b"\xff\xd8\xff", b"\x89PN") or head[4:] == b"ftyp"


def test_videos_can_be_read(root):
    video = next(iter(sorted((root / "activitynet_qa/videos").glob("*.mp4"))))
    assert probe(video).frames > 8

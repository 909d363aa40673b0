"""The files of the small world: real formats, the same bytes, all or nothing."""

import argparse
import csv
import hashlib
import json
import re

import pytest
from PIL import Image

from data.world import make
from data.world.drawing import draw
from data.world.make import make_world, tree_digest
from data.world.parallel import in_parallel
from data.world.scenes import make_clip, make_scene
from pipelines.commands import world as command
from voco_model.errors import VocoError
from voco_model.video import probe

IMAGES, CLIPS = 130, 12


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    out = tmp_path_factory.mktemp("worlds") / "one"
    return out, make_world(out, 5, IMAGES, CLIPS, workers=1, benchmarks=False)


def read(out, path):
    return json.loads((out / "train" / path).read_text(encoding="utf-8"))


def files(folder):
    paths = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def test_the_same_bytes_with_any_number_of_workers(small, tmp_path):
    out, world = small
    assert make_world(tmp_path / "two", 5, IMAGES, CLIPS, workers=2, benchmarks=False) == world
    assert files(tmp_path / "two") == files(out)
    make_world(tmp_path / "other", 6, IMAGES, CLIPS, workers=1, benchmarks=False)
    assert files(tmp_path / "other").keys() & files(out).keys()
    assert read(tmp_path / "other", CAPTIONS) != read(out, CAPTIONS)


CAPTIONS = "llava_pretrain/blip_laion_cc_sbu_558k.json"
MIX = "llava_instruct/llava_v1_5_mix665k.json"


def test_captions_are_as_the_real_file(small):
    out, world = small
    records = read(out, CAPTIONS)
    assert len(records) == world["records"]["llava_pretrain"] == IMAGES // 2
    places = set()
    for number, record in enumerate(records):
        assert list(record) == ["id", "image", "conversations"]
        assert re.fullmatch(r"\d{9}", record["id"])
        assert record["image"] == f"{record['id'][:5]}/{record['id']}.jpg"
        human, gpt = record["conversations"]
        assert (human["from"], gpt["from"]) == ("human", "gpt")
        assert human["value"].count("<image>") == 1
        places.add(human["value"].startswith("<image>\n"))
        assert gpt["value"]
        drawn = draw(make_scene(5, "train", number, 2))
        with Image.open(out / "train/llava_pretrain/images" / record["image"]) as image:
            assert (image.format, image.size) == ("JPEG", drawn.size)
    assert places == {True, False}, "the tag stands before or after the text"
    assert len({r["id"] for r in records}) == len(records)


def test_the_mix_has_every_kind_of_record(small):
    out, world = small
    records = read(out, MIX)
    assert len(records) == world["records"]["llava_instruct"] == IMAGES // 2 + IMAGES // 20
    folders = set()
    for record in records:
        roles = [turn["from"] for turn in record["conversations"]]
        assert roles == ["human", "gpt"] * (len(roles) // 2)
        assert all(turn["value"].strip() for turn in record["conversations"])
        tags = ["<image>" in turn["value"] for turn in record["conversations"]]
        if "image" in record:
            assert tags[0]
            assert not any(tags[1:])
            folders.add(record["image"].rsplit("/", 1)[0])
            with Image.open(out / "train/llava_instruct" / record["image"]) as image:
                assert image.format == {"jpg": "JPEG", "png": "PNG"}[record["image"].rsplit(".", 1)[1]]
        else:
            assert not any(tags)
    assert folders == {"coco/train2017", "gqa/images", "ocr_vqa/images", "textvqa/train_images", "vg/VG_100K"}
    assert {type(r["id"]) for r in records} == {int, str}
    assert len({str(r["id"]) for r in records}) == len(records)
    assert sum("image" not in r for r in records) == IMAGES // 20
    assert max(len(r["conversations"]) for r in records) >= 8
    said = "\n".join(turn["value"] for r in records for turn in r["conversations"] if turn["from"] == "gpt")
    boxes = re.findall(r"\[(\d\.\d\d), (\d\.\d\d), (\d\.\d\d), (\d\.\d\d)\]", said)
    assert len(boxes) > 5
    assert all(0 <= float(x0) < float(x1) <= 1 and 0 <= float(y0) < float(y1) <= 1 for x0, y0, x1, y1 in boxes)
    letters = [r for r in records if re.search(r"\nA\. .*\nB\. .*\nC\. .*\nD\. ", r["conversations"][0]["value"])]
    assert {r["conversations"][1]["value"] for r in letters} <= set("ABCD")
    assert letters


def test_webvid_is_a_table_with_its_clips(small):
    out, world = small
    with (out / "train/webvid/results_train.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["videoid", "name", "page_idx", "page_dir", "duration", "contentUrl"]
    assert len(rows) == world["records"]["webvid"] == CLIPS // 2
    for number, row in enumerate(rows):
        assert re.fullmatch(r"PT00H00M\d\dS", row["duration"])
        assert re.fullmatch(r"\d{6}_\d{6}", row["page_dir"])
        info = probe(out / "train/webvid/videos" / row["page_dir"] / f"{row['videoid']}.mp4")
        assert info.duration == pytest.approx(make_clip(5, "train", number).seconds)
        assert abs(info.duration - int(row["duration"][-3:-1])) <= 0.5
        assert row["name"][0].isupper()


def test_video_chatgpt_asks_about_its_clips(small):
    out, world = small
    pairs = read(out, "video_chatgpt/video_chatgpt_training.json")
    assert len(pairs) == world["records"]["video_chatgpt"]
    assert all(list(p) == ["q", "a", "video_id"] and p["q"] and p["a"] for p in pairs)
    videos = {p.stem for p in (out / "train/video_chatgpt/videos").glob("*.mp4")}
    assert {p["video_id"] for p in pairs} == videos
    clips = [hashlib.sha256(p.read_bytes()).hexdigest() for p in (out / "train").rglob("*.mp4")]
    assert len(set(clips)) == CLIPS, "no clip is in both sets"


def test_world_json_says_what_is_there(small):
    out, world = small
    assert json.loads((out / "world.json").read_text()) == world
    assert (world["seed"], world["level"], world["bits"]) == (5, 2, 41.74)
    assert set(world["digests"]) == {
        f"train/{name}" for name in ("llava_pretrain", "llava_instruct", "webvid", "video_chatgpt")
    }
    for path, digest in world["digests"].items():
        assert tree_digest(out / path) == digest


def test_a_digest_notices_names_and_contents(tmp_path):
    def digest(**texts):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name, text in texts.items():
            (folder / name).write_text(text)
        return tree_digest(folder)

    assert digest(a="1", b="2") == digest(b="2", a="1")
    assert len({digest(a="1"), digest(a="2"), digest(b="1"), digest(a="1", b="")}) == 4


def test_a_folder_that_has_something_is_left_alone(tmp_path):
    (tmp_path / "kept").write_text("mine")
    for out in (tmp_path, tmp_path / "kept"):
        with pytest.raises(VocoError, match="not an empty folder"):
            make_world(out, 0, 1, 0)
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("there", [True, False])
def test_nothing_half_made_is_left(tmp_path, monkeypatch, there):
    out = tmp_path / "world"
    if there:
        out.mkdir()

    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(make, "tree_digest", full)
    with pytest.raises(OSError, match="No space"):
        make_world(out, 0, 4, 1, workers=1, benchmarks=False)
    assert [p.name for p in tmp_path.iterdir()] == (["world"] if there else [])
    assert not there or not list(out.iterdir())
    monkeypatch.undo()
    make_world(out, 0, 1, 0, workers=1, benchmarks=False)
    assert read(out, MIX) == []


@pytest.mark.parametrize(
    ("key", "value"), [("images", 0), ("clips", -1), ("seed", -1), ("level", 9), ("workers", 0)]
)
def test_mistakes_are_named(tmp_path, key, value):
    with pytest.raises(VocoError, match=f"{key}.*{value}|{value} {key}"):
        make_world(tmp_path / "out", **{"seed": 0, "images": 1, "clips": 0, key: value})
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    command.add(parser)
    arguments = [
        "make",
        "--out",
        str(tmp_path / "w"),
        "--seed",
        "1",
        "--images",
        "6",
        "--clips",
        "2",
        "--level",
        "1",
    ]
    command.run(parser.parse_args([*arguments, "--workers", "1"]))
    assert "3 llava_pretrain" in capsys.readouterr().out
    assert json.loads((tmp_path / "w/world.json").read_text())["level"] == 1


def test_results_come_in_order_and_are_counted():
    told = []
    assert in_parallel(_square, range(100), 2, told.append) == [n * n for n in range(100)]
    assert sum(told) == 100


def _square(n):
    return n * n


def test_the_contract_reads_the_benchmarks_image_list_and_finds_its_pictures(tmp_path):
    from data.contracts.benchmarks import read_images

    make_world(tmp_path / "world", seed=1, images=20, clips=2, workers=1)
    listed = read_images(tmp_path / "world" / "benchmarks" / "images.parquet")
    assert len(listed.digests) > 20
    picture = next((tmp_path / "world" / "benchmarks" / "gqa" / "images").iterdir())
    assert hashlib.sha256(picture.read_bytes()).hexdigest() in listed.digests

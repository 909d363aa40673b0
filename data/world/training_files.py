"""The training files, in the real formats, with pictures and clips.

    llava_pretrain/
      blip_laion_cc_sbu_558k.json            [{id, image, conversations}], one question and the caption
      images/00000/000000011.jpg             `image` is the path below images/
    llava_instruct/
      llava_v1_5_mix665k.json                the same with several turns; some records have no image
      coco/train2017/... gqa/images/... ocr_vqa/images/... textvqa/train_images/... vg/VG_100K/...
    webvid/
      results_train.csv                      videoid,name,page_idx,page_dir,duration,contentUrl
      videos/000001_000050/1000000007.mp4    page_dir/videoid.mp4
    video_chatgpt/
      video_chatgpt_training.json            [{q, a, video_id}]
      videos/v_0123456789a.mp4               video_id.mp4

Half of the pictures have captions; half are in the mix, with one record of text alone for every ten pictures.
Half of the clips go to each of the two sets of clips. All scenes belong to the split "train".
"""

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image

from data.world.drawing import draw, write_mp4
from data.world.facts import generator
from data.world.parallel import in_parallel
from data.world.scenes import make_clip, make_scene
from data.world.speech import clip_caption
from data.world.training_records import (
    Json,
    caption_record,
    clip_pairs,
    mixed_record,
    text_record,
    video_name,
)

PER_PAGE = 50
"""Clips in a page of WebVid."""
WEBVID_COLUMNS = ("videoid", "name", "page_idx", "page_dir", "duration", "contentUrl")
Progress = Callable[[int], None]


def write_training_files(
    out: Path, seed: int, images: int, clips: int, level: int, workers: int, progress: Progress
) -> dict[str, int]:
    """Write everything below `out`; the number of records of each file by its folder's name."""
    captioned, described = images - images // 2, clips - clips // 2
    mixed, texts = range(captioned, images), images // 20
    run = partial(in_parallel, workers=workers, progress=progress)
    captions = run(partial(_caption, out / "llava_pretrain", seed, level), range(captioned))
    mix = run(partial(_mixed, out / "llava_instruct", seed, level), mixed)
    mix += [text_record(generator("text", seed, i), i) for i in range(texts)]
    order = generator("order", seed).permutation(len(mix))
    told = run(partial(_webvid, out / "webvid" / "videos", seed, level), range(described))
    asked = run(partial(_video_chatgpt, out / "video_chatgpt" / "videos", seed, level), range(described, clips))
    pairs = [pair for of_clip in asked for pair in of_clip]
    _write_array(out / "llava_pretrain" / "blip_laion_cc_sbu_558k.json", captions)
    _write_array(out / "llava_instruct" / "llava_v1_5_mix665k.json", [mix[i] for i in order])
    _write_csv(out / "webvid" / "results_train.csv", told)
    _write_array(out / "video_chatgpt" / "video_chatgpt_training.json", pairs)
    return {
        "llava_pretrain": len(captions),
        "llava_instruct": len(mix),
        "webvid": len(told),
        "video_chatgpt": len(pairs),
    }


def save_picture(image: Image.Image, path: Path) -> None:
    """As PNG or, in full colour resolution, as JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        image.save(path, compress_level=1)
    else:
        image.save(path, quality=92, subsampling=0)


def _caption(folder: Path, seed: int, level: int, number: int) -> Json:
    scene = make_scene(seed, "train", number, level)
    name = f"{number * 37 + 11:09d}"  # the real ids have gaps, and a folder holds a few hundred of them
    image = f"{name[:5]}/{name}.jpg"
    save_picture(draw(scene), folder / "images" / image)
    return caption_record(scene, generator("said", seed, number, level), name, image)


def _mixed(folder: Path, seed: int, level: int, number: int) -> Json:
    scene = make_scene(seed, "train", number, level)
    record = mixed_record(scene, generator("said", seed, number, level), number)
    save_picture(draw(scene), folder / record["image"])
    return record


def _webvid(folder: Path, seed: int, level: int, number: int) -> Json:
    clip = make_clip(seed, "train", number, level)
    page = number // PER_PAGE
    page_dir = f"{page * PER_PAGE + 1:06d}_{(page + 1) * PER_PAGE:06d}"
    videoid = 1000000007 + number * 13
    text = clip_caption(clip, generator("told", seed, number, level))
    (folder / page_dir).mkdir(parents=True, exist_ok=True)
    write_mp4(clip, folder / page_dir / f"{videoid}.mp4")
    values = (
        videoid,
        f"{text[0].upper()}{text[1:]}.",
        page,
        page_dir,
        f"PT00H00M{round(clip.seconds):02d}S",
        f"https://example.org/videos/{videoid}.mp4",
    )
    return dict(zip(WEBVID_COLUMNS, values, strict=True))


def _video_chatgpt(folder: Path, seed: int, level: int, number: int) -> list[Json]:
    clip = make_clip(seed, "train", number, level)
    folder.mkdir(parents=True, exist_ok=True)
    write_mp4(clip, folder / f"{video_name(number)}.mp4")
    return clip_pairs(clip, generator("told", seed, number, level), video_name(number))


def _write_array(path: Path, rows: list[Json]) -> None:
    """A JSON array with one record a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _write_csv(path: Path, rows: list[Json]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, WEBVID_COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)

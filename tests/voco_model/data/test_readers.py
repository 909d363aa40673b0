"""Records as they were written, from every container; kinds, ids, places; whole-file mistakes in one line."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.voco_model.data.malformed import CLIPS, GOOD, HEADER, array, chat, dumped, lines, pair, table
from voco_model.data.faults import Limits
from voco_model.data.readers import read_records
from voco_model.data.records import KINDS, Quarantined, Record
from voco_model.errors import VocoError

EXCERPTS = Path(__file__).parents[4] / "shared/benchmarks"

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30) | st.sampled_from(
    ['{"id":', '"}]},', "\\", '\\"', "<image>\n", "[[[[", "\u2028", "\ufeff", "=1+1", "{" * 70]
)
turn = st.fixed_dictionaries({"from": st.sampled_from(["human", "gpt"]), "value": text})
row = st.fixed_dictionaries(
    {
        "id": st.integers(0, 10**12) | text.filter(bool),
        "conversations": st.lists(turn, min_size=1, max_size=4),
    },
    optional={"image": st.from_regex(r"[a-z0-9é]{1,8}(/[a-z ]{1,8}){0,2}\.jpg", fullmatch=True), "note": text},
)
rows = st.lists(row, min_size=1, max_size=12)
chunks = st.sampled_from([1, 2, 3, 7, 64, 1000, 1 << 18])
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(tmp_path, content, kind, chunk=1 << 18, **options):
    path = tmp_path / "data.of.any.name"
    path.write_bytes(content)
    return list(read_records(path, kind, limits=Limits(chunk=chunk), **options))


def said(found):
    return [(r.line, r.id, r.media, [t._asdict() for t in r.turns], r.extra.get("note")) for r in found]


def expected(rows, places=None):
    turns = [[{"speaker": t["from"], "text": t["value"]} for t in row["conversations"]] for row in rows]
    places = places or range(1, len(rows) + 1)
    return [
        (place, str(row["id"]), row.get("image"), said, row.get("note"))
        for place, row, said in zip(places, rows, turns, strict=True)
    ]


@quick
@given(
    rows, chunks, st.sampled_from([None, 0, 1, 4]), st.booleans(), st.booleans(), st.sampled_from(["", "\ufeff"])
)
def test_an_array_reads_as_written(tmp_path, rows, chunk, indent, ascii_only, pack, mark):
    content = (mark + json.dumps(rows, indent=indent, ensure_ascii=ascii_only)).encode()
    content = gzip.compress(content) if pack else content
    assert said(read(tmp_path, content, "llava_instruct", chunk)) == expected(rows)


@quick
@given(rows, chunks, st.lists(st.integers(0, 2), min_size=12, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_lines_read_as_written_with_their_numbers(tmp_path, rows, chunk, blanks, newline):
    written, places = "", []
    for row, blank in zip(rows, blanks, strict=False):
        written += newline * blank
        places.append(written.count("\n") + 1)
        written += json.dumps(row, ensure_ascii=False) + newline
    assert said(read(tmp_path, written.encode(), "llava_instruct", chunk)) == expected(rows, places)
    assert said(read(tmp_path, written.rstrip().encode(), "llava_instruct", chunk)) == expected(rows, places)


@settings(quick, max_examples=25)
@given(rows, st.integers(1, 5), st.booleans())
def test_parquet_reads_as_written(tmp_path, rows, group, pack):
    rows = [{**row, "id": str(row["id"])} for row in rows]
    content = table(rows, row_group_size=group)
    content = gzip.compress(content) if pack else content
    assert said(read(tmp_path, content, "llava_instruct")) == expected(rows)


@quick
@given(st.lists(st.tuples(st.integers(0, 10**9), text, text), min_size=1, max_size=10), chunks, st.booleans())
@example([(1, 'a "b",\n"', "x")], 1, True)
def test_csv_reads_as_written(tmp_path, clips, chunk, pack):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(HEADER.decode().split(","))
    places = []
    for number, name, link in clips:
        places.append(stream.getvalue().count("\n") + 1)
        writer.writerow([number, f"a {name}", 3, "000_050", "PT5S", f"h {link}"])
    content = gzip.compress(stream.getvalue().encode()) if pack else stream.getvalue().encode()
    found = read(tmp_path, content, "webvid", chunk)
    assert [(r.line, r.id, r.media, r.turns[1].text, r.extra["contentUrl"]) for r in found] == [
        (place, str(number), f"000_050/{number}.mp4", f"a {name}", f"h {link}")
        for place, (number, name, link) in zip(places, clips, strict=True)
    ]
    assert all(r.turns[0] == ("human", "<video>") and r.media_kind == "video" for r in found)


@quick
@given(rows, chunks, st.data())
def test_a_cut_array_gives_all_that_was_whole_and_one_fault(tmp_path, rows, chunk, data):
    parts = [json.dumps(row) for row in rows]
    whole = "[" + ",".join(parts) + "]"
    cut = data.draw(st.integers(1, len(whole) - 1))
    *found, fault = read(tmp_path, whole[:cut].encode(), "llava_instruct", chunk)
    ends = [len("[" + ",".join(parts[: i + 1])) for i in range(len(parts))]
    survivors = sum(end <= cut for end in ends)
    assert said(found) == expected(rows[:survivors])
    assert isinstance(fault, Quarantined)
    assert (fault.code, fault.line) == ("truncated", survivors + 1)


def test_a_quote_struck_out_before_many_brackets_is_a_nul(tmp_path):
    row = json.dumps({"id": 0, "note": "{" * 100}).encode()
    (fault,) = read(tmp_path, lines(b"{\0" + row[2:]), "llava_instruct", 1)
    assert fault.code == "nul"


@quick
@given(st.lists(row, min_size=3, max_size=8), chunks, st.data())
def test_a_byte_struck_out_costs_one_record_of_lines(tmp_path, rows, chunk, data):
    parts = [json.dumps(row).encode() for row in rows]
    broken = data.draw(st.integers(0, len(parts) - 1))
    at = data.draw(st.integers(0, len(parts[broken]) - 1))
    parts[broken] = parts[broken][:at] + b"\0" + parts[broken][at + 1 :]
    found = read(tmp_path, lines(*parts), "llava_instruct", chunk)
    places = [i + 1 for i in range(len(rows)) if i != broken]
    rest = [row for i, row in enumerate(rows) if i != broken]
    assert said([r for r in found if isinstance(r, Record)]) == expected(rest, places)
    assert [(f.line, f.code) for f in found if isinstance(f, Quarantined)] == [(broken + 1, "nul")]


def test_the_instruction_mix_has_pictures_text_alone_and_ids_of_both_types(tmp_path):
    alone = chat(2, id=7)
    del alone["image"]
    found = read(tmp_path, array(dumped(chat(1, model="x")), dumped(alone)), "llava_instruct")
    assert [(r.id, r.media_kind, r.media, r.extra) for r in found] == [
        ("r1", "image", "a/1.jpg", {"model": "x"}),
        ("7", "text", None, {}),
    ]


def test_pairs_of_one_clip_are_numbered_and_the_clip_is_the_file_that_exists(tmp_path):
    root = tmp_path / "clips"
    root.mkdir()
    (root / "v1.webm").touch()
    content = array(*(dumped(pair(i)) for i in (1, 2, 1)))
    found = read(tmp_path, content, "video_chatgpt", root=root)
    assert [(r.id, r.media) for r in found] == [("v1-1", "v1.webm"), ("v2-1", "v2.mp4"), ("v1-2", "v1.webm")]
    assert found[0].turns == (("human", "<video>\nWhat falls?"), ("gpt", "A leaf, slowly."))


def test_converted_pairs_name_features_and_mean_clips(tmp_path):
    row = {**chat(1), "video": "v_a.pkl"}
    del row["image"]
    (found,) = read(tmp_path, array(dumped(row)), "video_chatgpt")
    assert (found.id, found.media, found.media_kind) == ("v_a-1", "v_a.mp4", "video")


def test_captions_that_begin_with_a_sign_are_ordinary(tmp_path):
    content = lines(HEADER, b"1,- a kite,1,001,PT,u", b"2,+1 for kites,1,001,PT,u")
    assert [r.turns[1].text for r in read(tmp_path, content, "webvid")] == ["- a kite", "+1 for kites"]


def test_clips_are_read_from_json_too(tmp_path):
    clip = {"videoid": 7, "name": "A kite", "page_dir": "001"}
    (found,) = read(tmp_path, array(dumped(clip)), "webvid")
    assert (found.id, found.media) == ("7", "001/7.mp4")


def test_columns_that_are_not_json_are_left_in_the_table(tmp_path):
    (found,) = read(tmp_path, table([chat(1, thumbnail=b"\xff\xd8", note="x")]), "llava_pretrain")
    assert found.extra == {"note": "x"}


def test_a_conversation_may_be_json_within_a_table(tmp_path):
    rows = [chat(i, conversations=json.dumps(chat(i)["conversations"])) for i in range(2)]
    rows.append(chat(2, conversations='[{"from": "human"'))
    *found, fault = read(tmp_path, table(rows), "llava_pretrain")
    assert said(found) == expected([chat(0), chat(1)])
    assert fault.code == "bad_json"


def test_a_file_below_the_root_is_named_from_it(tmp_path):
    (tmp_path / "a").mkdir()
    (found,) = read(tmp_path, array(GOOD[0]), "llava_pretrain", root=tmp_path)
    assert found.file == "data.of.any.name"


def test_gzip_members_and_padding_are_one_stream(tmp_path):
    content = gzip.compress(GOOD[0] + b"\n" + GOOD[1][:30]) + gzip.compress(GOOD[1][30:]) + b"\0" * 600
    assert [r.id for r in read(tmp_path, content, "llava_pretrain", chunk=5)] == ["r0", "r1"]


def test_a_damaged_gzip_gives_every_byte_before_the_damage(tmp_path):
    content = lines(*(dumped(chat(i, note=str(hash((i, "x"))))) for i in range(3000)))
    packed = gzip.compress(content)
    for cut in (len(packed) // 3, len(packed) - 4):
        *found, fault = read(tmp_path, packed[:cut], "llava_pretrain")
        assert fault.code == "truncated"
        assert [r.line for r in found] == list(range(1, len(found) + 1))
        assert len(found) > 3000 * cut / len(packed) * 0.8


WHOLE_FILE = [
    ("empty", "llava_pretrain", b"", "is empty"),
    ("blank", "webvid", b" \r\n\n", "is empty"),
    ("a mark alone", "llava_pretrain", b"\xef\xbb\xbf", "is empty"),
    ("empty gzip", "llava_pretrain", gzip.compress(b""), "is empty"),
    ("empty array", "llava_pretrain", b"[ ]", "holds no records"),
    ("a header alone", "webvid", HEADER + b"\n", "holds no records"),
    ("pairs as chats", "llava_instruct", array(dumped(pair(1))), "looks like video_chatgpt"),
    ("chats as pairs", "video_chatgpt", array(*GOOD), "looks like llava_pretrain"),
    ("chats as clips", "webvid", lines(*GOOD), "looks like llava_pretrain"),
    ("clips as chats", "llava_pretrain", lines(HEADER, *CLIPS), "looks like webvid"),
    ("text", "llava_pretrain", b"Dear reader,\nthis is a letter.\n", "no record of it can be read"),
    ("other columns", "webvid", b"key,vid_key,split\n1,2,3\n", "'key, split, vid_key'"),
    ("old line ends", "webvid", HEADER + b"\r1,A kite,1,001,PT,u\r", "no record of it can be read"),
    ("zip", "webvid", b"PK\x03\x04rest", "zip archive"),
    ("zstd", "webvid", b"\x28\xb5\x2f\xfdrest", "zstd"),
    ("UTF-16", "llava_pretrain", "[]".encode("utf-16"), "UTF-16"),
    ("gzip twice", "llava_pretrain", gzip.compress(gzip.compress(GOOD[0])), "gzip inside gzip"),
    ("Parquet cut", "llava_pretrain", table([chat(0)])[:-20], "cannot be read as Parquet"),
    ("Parquet's first bytes", "llava_pretrain", b"PAR1", "cannot be read as Parquet"),
    ("Parquet's ends alone", "llava_pretrain", b"PAR1\xff\xff\xff\x7fPAR1", "cannot be read as Parquet"),
    ("Parquet without rows", "llava_pretrain", table([]), "holds no records"),
]


@pytest.mark.parametrize(
    ("kind", "content", "message"), [c[1:] for c in WHOLE_FILE], ids=[c[0] for c in WHOLE_FILE]
)
def test_a_mistake_in_the_whole_file_is_one_line_with_its_name(tmp_path, kind, content, message):
    with pytest.raises(VocoError, match=message) as caught:
        read(tmp_path, content, kind)
    assert str(tmp_path / "data.of.any.name") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_arguments_are_checked_at_the_call(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(VocoError, match=", ".join(KINDS)):
        read_records(path, "llava")
    with pytest.raises(VocoError, match="no such file"):
        read_records(path, "webvid")
    with pytest.raises(VocoError, match="no such file"):
        read_records(tmp_path, "webvid")
    path.write_bytes(array(*GOOD))
    with pytest.raises(VocoError, match="no such folder"):
        read_records(path, "llava_pretrain", root=tmp_path / "missing")


def test_a_root_without_the_media_folders_is_one_mistake(tmp_path):
    with pytest.raises(VocoError, match=r"none of the media folders.*\(a\)"):
        read(tmp_path, array(*GOOD), "llava_pretrain", root=tmp_path)
    many = array(*(dumped(chat(i)) for i in range(1001)), GOOD[0])
    path = tmp_path / "many.json"
    path.write_bytes(many)
    found = read_records(path, "llava_pretrain", root=tmp_path)
    with pytest.raises(VocoError, match="none of the media folders"):
        [next(found) for _ in range(1000)]


def test_one_folder_that_exists_is_enough(tmp_path):
    (tmp_path / "b").mkdir()
    mixed = array(GOOD[0], dumped(chat(1, image="b/1.jpg")))
    assert len(read(tmp_path, mixed, "llava_pretrain", root=tmp_path)) == 2


def test_a_table_that_claims_to_be_enormous_is_not_read(tmp_path):
    stream = io.BytesIO()
    pq.write_table(pa.table({"id": ["x" * 10_000] * 2000}), stream, use_dictionary=False, compression="zstd")
    path = tmp_path / "bomb"
    path.write_bytes(stream.getvalue())
    with pytest.raises(VocoError, match="unpacks to"):
        read_records(path, "llava_pretrain", limits=Limits(ratio=20, unpacked=1 << 20))


@pytest.mark.skipif(not EXCERPTS.is_dir(), reason="the genuine excerpts are not here")
@pytest.mark.parametrize(
    ("file", "kind", "count"),
    [
        ("llava_pretrain/blip_laion_cc_sbu_558k.json", "llava_pretrain", 10),
        ("llava_pretrain/cc3m_595k_chat.first100.json", "llava_pretrain", 100),
        ("llava_mix665k/llava_v1_5_mix.excerpt.json", "llava_instruct", 90),
        ("webvid/results_2M_val.sample9.csv", "webvid", 9),
        ("video_chatgpt/video_chatgpt_training.third_party.json", "video_chatgpt", 45),
    ],
)
def test_genuine_files_are_read_fully(file, kind, count):
    found = list(read_records(EXCERPTS / file, kind))
    assert [type(r) for r in found] == [Record] * count
    assert len({r.id for r in found}) == count
    assert all(r.turns[0].speaker == "human" and all(t.text for t in r.turns) for r in found)
    if file.endswith(".json"):
        said = [
            turn["value"] for row in json.loads((EXCERPTS / file).read_text()) for turn in row["conversations"]
        ]
        assert [t.text for r in found for t in r.turns] == said

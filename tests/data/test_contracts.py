"""Every expectation of every contract: a small manifest that breaks it and nothing else, and one that keeps it."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.validate import ValidateConfig, validate
from data.contracts import near
from data.contracts.conversations import BOXES, FIELDS, IMAGE_TAGS, TURN_ORDER, examine
from data.contracts.kinds import CONTRACTS
from data.contracts.site import standing_alone
from tests.data.manifests import changed, counted, near_hash, row, rows, said, sha, write

PRETRAIN, INSTRUCT = "llava_pretrain", "llava_instruct"
HASH = row(PRETRAIN, 1)["perceptual_hash"]
MEDIA = {"media_kind": "image", "bytes": 9, "width": 336, "height": 336, "perceptual_hash": None}
TESTED = [row("benchmark", i) for i in range(100, 103)]


def validated(tmp_path, kind, records, previous=None, benchmark=None, **options):
    given = ValidateConfig(
        data=write(tmp_path / "manifest.parquet", records),
        contract=kind,
        out=tmp_path / "out",
        previous=previous and write(tmp_path / "previous.parquet", previous),
        benchmarks=(write(tmp_path / "tested.parquet", benchmark),) if benchmark else (),
        **options,
    )
    return validate(given)


def broken(outcome) -> set[str]:
    return {one.name for one in outcome.results if one.success is False}


BREAKING = {
    "records": (PRETRAIN, []),
    "required": (PRETRAIN, changed(PRETRAIN, (3, {"file": ""}))),
    "unique_ids": (PRETRAIN, changed(PRETRAIN, (4, {"id": "r3"}))),
    "media_stored": (PRETRAIN, changed(PRETRAIN, (3, {"digest": None}))),
    "decodable": (PRETRAIN, changed(PRETRAIN, (3, {"width": None, "height": None}))),
    "short_side": (PRETRAIN, changed(PRETRAIN, (3, {"width": 12, "height": 15}))),
    "long_side": (PRETRAIN, changed(PRETRAIN, (3, {"width": 20_000, "height": 10_000}))),
    "aspect": (PRETRAIN, changed(PRETRAIN, (3, {"width": 2000, "height": 100}))),
    "exact_duplicates": (PRETRAIN, changed(PRETRAIN, (3, {"digest": sha(2)}))),
    "kind": (PRETRAIN, changed(PRETRAIN, (3, {"source": "webvid"}))),
    "fields": (PRETRAIN, changed(PRETRAIN, (3, {"conversation": "{broken"}))),
    "turn_order": (PRETRAIN, changed(PRETRAIN, (3, {"conversation": said("<image>\nWhat?", " \n")}))),
    "image_tags": (PRETRAIN, changed(PRETRAIN, (3, {"conversation": said("What is it?", "A red ball")}))),
    "boxes": (
        INSTRUCT, changed(INSTRUCT, (3, {"conversation": said("<image>\nWhere?", "At [0.1, 0.2, 1.5, 0.9]")})),
    ),
    "language": (
        PRETRAIN, changed(PRETRAIN, *((i, {"conversation": said("<image>", "一个 红色 球")}) for i in (3, 4, 5))),
    ),
    "caption_words": (
        PRETRAIN, changed(PRETRAIN, *((i, {"conversation": said("<image>\nWhat?", "Ball")}) for i in (3, 4, 5))),
    ),
    "near_duplicates": (
        PRETRAIN, changed(PRETRAIN, *((i, {"perceptual_hash": near_hash(HASH, i - 2)}) for i in (3, 4, 5))),
    ),
    "duration": ("webvid", changed("webvid", (3, {"duration": 0.1}))),
    "frame_count": ("webvid", changed("webvid", (3, {"frames": 1}))),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKING)
def test_a_fault_breaks_its_expectation_and_no_other(name, tmp_path):
    kind, records = BREAKING[name]
    outcome = validated(tmp_path, kind, records)
    assert broken(outcome) == {name}
    (result,) = [one for one in outcome.results if one.name == name]
    assert outcome.passed == (result.severity == "warning")
    if records:
        assert "r3" in result.examples


@pytest.mark.parametrize("kind", CONTRACTS)
def test_good_records_break_nothing(kind, tmp_path):
    records = rows(kind)
    outcome = validated(tmp_path, kind, records, previous=records, benchmark=TESTED)
    assert not broken(outcome)
    unchecked = {one.name for one in outcome.results if one.success is None}
    assert unchecked == ({"boxes"} if kind == INSTRUCT else set())


def test_every_expectation_of_every_contract_is_broken_by_some_test():
    elsewhere = {"text_length_drift", "leak_digest", "leak_near"}
    assert {
        check.name for contract in CONTRACTS.values() for check in contract.checks
    } == BREAKING.keys() | elsewhere


def test_longer_texts_than_the_previous_version_are_drift(tmp_path):
    longer = [(i, {"conversation": said("<image>\nWhat is it?", "A long caption " * 9)}) for i in range(20)]
    outcome = validated(tmp_path, PRETRAIN, changed(PRETRAIN, *longer), previous=rows(PRETRAIN))
    assert broken(outcome) == {"text_length_drift"}
    assert outcome.passed
    wider = {"drift": 10.0}
    assert not broken(
        validated(tmp_path, PRETRAIN, changed(PRETRAIN, *longer), previous=rows(PRETRAIN), thresholds=wider)
    )


def test_a_benchmarks_picture_is_found_by_its_bytes(tmp_path):
    leaked = {"digest": TESTED[1]["digest"], "perceptual_hash": TESTED[1]["perceptual_hash"]}
    outcome = validated(tmp_path, PRETRAIN, changed(PRETRAIN, (3, leaked)), benchmark=TESTED)
    assert broken(outcome) == {"leak_digest"}
    assert not outcome.passed


@pytest.mark.parametrize("bits", [0, 1, 3])
def test_a_benchmarks_picture_is_found_by_its_looks(bits, tmp_path):
    alike = {"perceptual_hash": near_hash(TESTED[1]["perceptual_hash"], bits)}
    outcome = validated(tmp_path, PRETRAIN, changed(PRETRAIN, (3, alike)), benchmark=TESTED)
    assert broken(outcome) == {"leak_near"}


def test_farther_pictures_and_plain_ones_do_not_look_alike(tmp_path):
    farther = {"perceptual_hash": near_hash(TESTED[1]["perceptual_hash"], 4)}
    plain = [(i, {"perceptual_hash": "0" * 16}) for i in range(10, 30)]
    tested = [*TESTED, row("benchmark", 200) | {"perceptual_hash": "0" * 15 + "1"}]
    outcome = validated(tmp_path, PRETRAIN, changed(PRETRAIN, (3, farther), *plain), benchmark=tested)
    assert not broken(outcome)
    assert outcome.figures["records.plain_pictures"] == 20


def test_one_picture_with_several_conversations_is_no_duplicate_in_the_mix(tmp_path):
    same = {"digest": sha(2), "perceptual_hash": row(INSTRUCT, 2)["perceptual_hash"]}
    assert not broken(validated(tmp_path, INSTRUCT, changed(INSTRUCT, (3, same))))
    repeated = row(INSTRUCT, 2) | {"id": "r3"}
    assert broken(validated(tmp_path, INSTRUCT, changed(INSTRUCT, (3, repeated)))) == {"exact_duplicates"}


def test_without_decoding_sizes_are_not_checked_but_all_else_is(tmp_path):
    bare = [(i, {"width": None, "height": None, "perceptual_hash": None}) for i in range(40)]
    outcome = validated(tmp_path, PRETRAIN, changed(PRETRAIN, *bare))
    skipped = {one.name: one.observed for one in outcome.results if one.success is None}
    assert {"decodable", "short_side", "long_side", "aspect", "near_duplicates"} <= skipped.keys()
    assert "without decoding" in skipped["decodable"]
    assert not broken(outcome)


def found(conversation: object, media: str = "image", turns: int | None = None):
    text = conversation if isinstance(conversation, str) else json.dumps(conversation)
    count = turns if turns is not None else len(conversation) if isinstance(conversation, list) else 2
    (result,) = zip(*examine([text], np.array([count]), np.array([media], dtype=object)), strict=True)
    return result


def turns(*pairs: str) -> list[dict[str, str]]:
    return [dict(zip(("from", "value"), pair.split(": ", 1), strict=True)) for pair in pairs]


@pytest.mark.parametrize(
    ("conversation", "fault"),
    [
        ("nonsense", 1),
        ("[" * 100_000, 1),
        ('{"from": "human", "value": "x"}', 1),
        ('[{"from": "human"}]', 1),
        ('[{"from": "human", "value": 7}]', 1),
        ('[{"from": "human", "value": "half \\ud800"}]', 1),
        ("[]", 2),
        (turns("human: <image> a", "gpt: b"), 0),
    ],
)
def test_conversations_that_cannot_be_read(conversation, fault):
    result = found(conversation)
    assert FIELDS[int(result[0])] == FIELDS[fault]
    assert (result[1] == -1) == (fault > 0)


def test_a_wrong_count_of_turns_is_a_fault():
    assert FIELDS[int(found(turns("human: <image> a", "gpt: b"), turns=3)[0])].startswith("turns is not")


@pytest.mark.parametrize(
    ("said_turns", "fault"),
    [
        (("gpt: a", "human: b"), 1),
        (("human: a", "human: b"), 2),
        (("human: a", "gpt: b", "gpt: c"), 2),
        (("human: a", "gpt: b", "human: c"), 3),
        (("human: a", "gpt: "), 4),
        (("human: a", "gpt: b", "human: c", "gpt: \t"), 4),
        (("human: a", "gpt: b", "human: c", "gpt: d"), 0),
        (("system: a", "gpt: b"), 1),
    ],
)
def test_turn_order(said_turns, fault):
    assert TURN_ORDER[int(found(turns(*said_turns))[1])] == TURN_ORDER[fault]


@pytest.mark.parametrize(
    ("said_turns", "media", "fault"),
    [
        (("human: a", "gpt: b"), "image", 1),
        (("human: <image> <image>", "gpt: b"), "image", 2),
        (("human: a", "gpt: <image>"), "image", 3),
        (("human: <image>", "gpt: b"), "text", 4),
        (("human: a", "gpt: b"), "text", 0),
        (("human: <video>", "gpt: b"), "video", 0),
    ],
)
def test_image_tags(said_turns, media, fault):
    assert IMAGE_TAGS[int(found(turns(*said_turns), media)[2])] == IMAGE_TAGS[fault]


@pytest.mark.parametrize(
    ("text", "media", "fault"),
    [
        ("[0.1, 0.2, 0.3, 0.4] and [0.0,0.0,1.0,1]", "image", 0),
        ("[0.1, 0.2, 0.3, 0.4] and [-0.1, 0, 1, 1]", "image", 1),
        ("[12, 30, 200, 400]", "image", 1),
        ("[0.5, 0.2, 0.3, 0.4]", "image", 2),
        ("[0.1, 0.9, 0.3, 0.4]", "image", 2),
        ("[1, 2, 3]", "image", -1),
        ("a list [1, 2, 3, 4] of code", "text", -1),
    ],
)
def test_boxes(text, media, fault):
    code = int(found(turns("human: <image>", f"gpt: {text}"), media)[3])
    assert code == fault
    assert fault < len(BOXES)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=12).filter(lambda t: not any("\ud800" <= c <= "\udfff" for c in t)), max_size=4))
def test_words_and_letters_are_those_of_python(answers):
    conversation = [
        turn for a in answers for turn in ({"from": "human", "value": ""}, {"from": "gpt", "value": a})
    ]
    result = found(conversation)
    words = sum(len(a.encode().translate(bytes.maketrans(b"\v\f", b"  ")).split()) for a in answers)
    assert result[4] == words or (np.isnan(result[4]) and not words)
    text = "".join(answers)
    ascii_letters = sum(c.isascii() and c.isalpha() for c in text)
    foreign = sum(not c.isascii() for c in text)
    if ascii_letters + foreign:
        assert result[5] == pytest.approx(ascii_letters / (ascii_letters + foreign))
    else:
        assert np.isnan(result[5])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.sets(st.integers(0, 63), max_size=6)), max_size=20),
    st.integers(0, 8),
)
def test_near_pairs_are_those_of_comparing_all(bases, turned, distance):
    values = bases + [bases[i % len(bases)] ^ sum(1 << bit for bit in bits) for i, bits in turned]
    hashes = np.unique(np.array(values, dtype=np.uint64))
    one, other = near.near_pairs(hashes, distance)
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    expected = {(i, j) for i, j in zip(*np.nonzero(apart <= distance), strict=True) if i < j}
    assert set(zip(one.tolist(), other.tolist(), strict=True)) == expected


def test_masses_of_likenesses_are_bounded(monkeypatch):
    monkeypatch.setattr(near, "MAX_PAIRS", 1000)
    hashes = np.arange(4096, dtype=np.uint64) | np.uint64(0xABCD << 40)
    one, other = near.near_pairs(hashes, 3)
    assert len(one) < 1000 + 11 * len(hashes)
    assert len(np.unique(near.groups(len(hashes), one, other))) <= len(hashes) / 8


def test_hashes_that_are_none_say_nothing():
    column = pa.chunked_array([["0f0f0f0f0f0f0f0f", None, "xyz", "0" * 16, "f" * 16, "0F0F0F0F0F0F0F0F"]])
    hashes, telling = near.hashes_of(column)
    assert telling.tolist() == [True, False, False, False, False, True]
    assert hashes[0] == hashes[5] == 0x0F0F0F0F0F0F0F0F


def test_a_page_that_stands_alone_fetches_nothing():
    page = (
        '<html><head><link href="https://x/a.css"><script src="//x/a.js"></script></head><img src="https://x/i">'
    )
    alone = standing_alone(page + "<style>@import url(https://x)</style><script>$()</script>kept")
    assert "//x" not in alone
    assert "kept" in alone


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        (PRETRAIN, "llava_pretrain/blip_laion_cc_sbu_558k.json"),
        (INSTRUCT, "llava_mix665k/llava_v1_5_mix.excerpt.json"),
    ],
)
def test_the_genuine_conversations_break_nothing(kind, file, tmp_path):
    path = Path(__file__).parents[2].parent / "shared/benchmarks" / file
    if not path.is_file():
        pytest.skip("the genuine excerpts are not beside the project")
    records = [
        counted(row(kind, i + 1) | {"conversation": json.dumps(one["conversations"])} | MEDIA)
        for i, one in enumerate(json.loads(path.read_text()))
        if "image" in one
    ]
    outcome = validated(
        tmp_path, kind, [r | {"media": f"{i}.jpg", "digest": sha(i)} for i, r in enumerate(records)]
    )
    assert not broken(outcome)
    assert outcome.figures["records.image"] == len(records) > 5

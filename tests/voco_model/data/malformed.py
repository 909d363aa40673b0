"""Malformed files, made here: what each holds, which faults it must give, and which records must survive."""

import gzip
import io
import json
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

RECORD_BYTES, DEPTH, UNPACKED = 4096, 64, 1 << 20
"""The limits that these files are made for."""


class Case(NamedTuple):
    """A file, and what reading it must give."""

    name: str
    kind: str
    content: bytes
    codes: tuple[str, ...]
    survivors: tuple[int, ...]


def chat(number: int, **changes: object) -> dict:
    """A good record of a picture."""
    turns = [{"from": "human", "value": f'<image>\nWhat is "{number}"? {{[é,'}, {"from": "gpt", "value": "A cat."}]
    return {"id": f"r{number}", "image": f"a/{number}.jpg", "conversations": turns, **changes}


def pair(number: int, **changes: object) -> dict:
    """A good question about a clip."""
    return {"q": "What falls?", "a": "A leaf, slowly.", "video_id": f"v{number}", **changes}


def without(row: dict, name: str) -> dict:
    return {key: value for key, value in row.items() if key != name}


GOOD = [json.dumps(chat(i), ensure_ascii=False).encode() for i in range(5)]
HEADER = b"videoid,name,page_idx,page_dir,duration,contentUrl"
CLIPS = [f'{i},"A ""red"" kite,\nhigh",1,00{i},PT00H00M05S,http://x/{i}.mp4'.encode() for i in range(5)]


def array(*elements: bytes, start: bytes = b"[", between: bytes = b", ", end: bytes = b"]") -> bytes:
    return start + between.join(elements) + end


def lines(*elements: bytes) -> bytes:
    return b"\n".join(elements) + b"\n"


def table(rows: list[dict], **options: object) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.BytesIO()
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), stream, **options)
    return stream.getvalue()


def dumped(row: object) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def turns(*said: object) -> dict:
    return chat(1, conversations=list(said))


_NESTED = b"[" * 100 + b"]" * 100
_LONG = dumped(chat(1, note="x" * 2 * RECORD_BYTES))
_BAD_UTF8 = GOOD[1].replace("é".encode(), b"\xc3\x28")

# What may be wrong within one record, whatever file it stands in: (name, its bytes, its code).
INSIDE = [
    ("a word", b"nope", "bad_json"),
    ("single quotes", GOOD[1].replace(b'"', b"'"), "bad_json"),
    ("a comma too many", GOOD[1][:-1] + b",}", "bad_json"),
    ("a colon missing", GOOD[1].replace(b'"id":', b'"id"'), "bad_json"),
    ("NaN", dumped(chat(1, score=float("nan"))), "bad_json"),
    ("a number of 5000 digits", GOOD[1].replace(b'"r1"', b"7" * 5000)[:RECORD_BYTES], "bad_json"),
    ("a bad escape", GOOD[1].replace(b"cat", b"\\x41"), "bad_json"),
    ("a tab in a string", GOOD[1].replace(b"cat", b"c\tat"), "bad_json"),
    ("two values", GOOD[1] + b" 7", "bad_json"),
    ("a long string", _LONG, "too_long"),
    ("100 brackets", b'{"id": "r1", "x": ' + _NESTED + b"}", "too_deep"),
    ("UTF-8 cut short", _BAD_UTF8, "bad_utf8"),
    ("Latin-1", GOOD[1].replace("é".encode(), b"\xe9"), "bad_utf8"),
    ("an overlong slash", GOOD[1].replace(b"cat", b"\xc0\xaf"), "bad_utf8"),
    ("half a surrogate pair", GOOD[1].replace(b"cat", b"\\ud83d"), "bad_utf8"),
    ("a NUL byte", GOOD[1].replace(b"cat", b"c\0t"), "nul"),
    ("an escaped NUL", GOOD[1].replace(b"cat", b"c\\u0000t"), "nul"),
    ("a number", b"7", "wrong_shape"),
    ("null", b"null", "wrong_shape"),
    ("a list", b"[1, 2]", "wrong_shape"),
    ("a pair among chats", dumped(pair(1)), "wrong_shape"),
    ("no id", dumped(without(chat(1), "id")), "wrong_shape"),
    ("an empty id", dumped(chat(1, id="")), "wrong_shape"),
    ("true as id", dumped(chat(1, id=True)), "wrong_shape"),
    ("no image", dumped(without(chat(1), "image")), "wrong_shape"),
    ("two images", dumped(chat(1, image=["a.jpg", "b.jpg"])), "wrong_shape"),
    ("no conversations", dumped(without(chat(1), "conversations")), "wrong_shape"),
    ("no turns", dumped(turns()), "wrong_shape"),
    ("a turn that is text", dumped(turns("hello")), "wrong_shape"),
    ("a turn without value", dumped(turns({"from": "human"})), "wrong_shape"),
    ("a turn of nobody's", dumped(turns({"from": "system", "value": "x"})), "wrong_shape"),
    ("a parent folder", dumped(chat(1, image="a/../../etc/passwd")), "path_escape"),
    ("an absolute path", dumped(chat(1, image="/etc/passwd")), "path_escape"),
    ("a backslash", dumped(chat(1, image="..\\x.jpg")), "path_escape"),
    ("a drive", dumped(chat(1, image="C:/x.jpg")), "path_escape"),
    ("a folder as image", dumped(chat(1, image="./")), "path_escape"),
]


def _within() -> list[Case]:
    """Each of them among good records, in an array and in lines."""
    cases = []
    for name, bad, code in INSIDE:
        mixed = (GOOD[0], bad, GOOD[2], GOOD[3])
        cases.append(Case(f"array: {name}", "llava_pretrain", array(*mixed), (code,), (0, 2, 3)))
        cases.append(Case(f"lines: {name}", "llava_pretrain", lines(*mixed), (code,), (0, 2, 3)))
    return cases


def _arrays() -> list[Case]:
    head, rest = GOOD[1][:60], (GOOD[2], GOOD[3])
    made = [
        ("a bracket missing", array(GOOD[0], GOOD[1][:-1], *rest), ("bad_json",), (0, 2, 3)),
        ("brackets missing", array(GOOD[0], GOOD[1][:-3], *rest), ("bad_json",), (0, 2, 3)),
        ("a bracket too many", array(GOOD[0], GOOD[1] + b"}", *rest), ("bad_json",), (0, 2, 3)),
        ("a quote missing", array(GOOD[0], GOOD[1].replace(b'cat."', b"cat."), *rest), ("bad_json",), (0, 2, 3)),
        (
            "a quote too many",
            array(GOOD[0], GOOD[1].replace(b"A cat", b'A "cat'), *rest),
            ("bad_json",),
            (0, 2, 3),
        ),
        ("half a record", array(GOOD[0], head, *rest), ("bad_json",), (0, 2, 3)),
        ("the first broken", array(GOOD[0][:-1], *rest), ("bad_json",), (2, 3)),
        ("the first without beginning", array(GOOD[0][5:], GOOD[1], *rest), ("bad_json",) * 3, (1, 2, 3)),
        ("the first a broken word", array(b'"nope', GOOD[1], *rest), ("bad_json",), (1, 2, 3)),
        ("every second broken", array(GOOD[0], head, GOOD[2], head, GOOD[4]), ("bad_json",) * 2, (0, 2, 4)),
        ("brackets never closed", array(GOOD[0], b"[{" * 500, *rest), ("too_deep",), (0, 2, 3)),
        ("long and never closed", array(GOOD[0], _LONG[:-9], *rest), ("too_long",), (0, 2, 3)),
        ("a comma missing", array(GOOD[0], GOOD[1] + b" " + GOOD[2], GOOD[3]), ("bad_json",), (0, 2, 3)),
        ("a comma twice", array(GOOD[0], b"", *rest), ("bad_json",), (0, 2, 3)),
        ("a comma at the end", array(GOOD[0], *rest, b""), ("bad_json",), (0, 2, 3)),
        ("ended in the middle", array(GOOD[0], GOOD[1] + b"]", *rest), ("bad_json",), (0, 1, 2, 3)),
        ("two arrays", array(GOOD[0]) + array(*rest), ("bad_json",), (0, 2, 3)),
        ("text after the end", array(GOOD[0], *rest) + b"\nthat is all", ("bad_json",), (0, 2, 3)),
        ("cut in a record", array(GOOD[0], *rest, head, end=b""), ("truncated",), (0, 2, 3)),
        ("cut in an escape", array(GOOD[0], *rest, b'{"id": "x\\', end=b""), ("truncated",), (0, 2, 3)),
        ("cut after a record", array(GOOD[0], *rest, end=b""), ("truncated",), (0, 2, 3)),
        ("cut after a comma", array(GOOD[0], *rest, end=b","), ("truncated",), (0, 2, 3)),
        ("cut in the first", b"[" + head, ("truncated",), ()),
        ("cut at once", b"[", ("truncated",), ()),
    ]
    return [Case(f"array: {name}", "llava_instruct", *rest) for name, *rest in made]


def _lines() -> list[Case]:
    made = [
        ("cut in the last", lines(GOOD[0], GOOD[1]) + GOOD[2][:70], ("truncated",), (0, 1)),
        (
            "a record over two lines",
            lines(GOOD[0], GOOD[1][:60], GOOD[1][60:], GOOD[2]),
            ("bad_json",) * 2,
            (0, 2),
        ),
        ("two records on a line", lines(GOOD[0], GOOD[1] + GOOD[2], GOOD[3]), ("bad_json",), (0, 3)),
        ("commas after each", lines(GOOD[0], GOOD[1] + b",", GOOD[2]), ("bad_json",), (0, 2)),
        ("the first not JSON", lines(b"# my data", GOOD[0], GOOD[1]), ("bad_json",), (0, 1)),
        ("a long last line", lines(GOOD[0]) + b'{"id": "' + b"x" * 3 * RECORD_BYTES, ("too_long",), (0,)),
        ("a lone long line", b"{" + b" " * 40 * RECORD_BYTES, ("too_long",), ()),
        (
            "a byte order mark in the middle",
            lines(GOOD[0], b"\xef\xbb\xbf" + GOOD[1], GOOD[2]),
            ("bad_json",),
            (0, 2),
        ),
    ]
    return [Case(f"lines: {name}", "llava_pretrain", *rest) for name, *rest in made]


def _rows() -> list[Case]:
    def row(**changes: str) -> bytes:
        cells = {
            "videoid": "1",
            "name": "A kite",
            "i": "1",
            "page_dir": "001",
            "d": "PT",
            "u": "http://x",
            **changes,
        }
        return ",".join(cells.values()).encode()

    middle = [
        ("a cell missing", b"1,A kite,1,001,PT", "wrong_shape"),
        ("a cell too many", row() + b",x", "wrong_shape"),
        ("an empty videoid", row(videoid=""), "wrong_shape"),
        ("an empty page_dir", row(page_dir=""), "wrong_shape"),
        ("a formula", row(name='=HYPERLINK("http://x")'), "formula"),
        ("a quoted formula", row(name='"=1+1"'), "formula"),
        ("an at sign", row(name="@SUM(A1)"), "formula"),
        ("a tab and a formula", row(name="\t+1"), "formula"),
        ("a formula as link", row(u="=cmd"), "formula"),
        ("a parent folder", row(page_dir=".."), "path_escape"),
        ("a parent folder in the id", row(videoid="../../x"), "path_escape"),
        ("an absolute folder", row(page_dir="/etc"), "path_escape"),
        ("a NUL", row(name="a\0b"), "nul"),
        ("Latin-1", row(name="caf").replace(b"caf", b"caf\xe9"), "bad_utf8"),
        ("a long caption", row(name="x" * 2 * RECORD_BYTES), "too_long"),
        ("an open quote", row(name='"A kite'), "bad_csv"),
        ("text after a quote", row(name='"A" kite'), "bad_csv"),
    ]
    cases = [
        Case(f"csv: {name}", "webvid", lines(HEADER, CLIPS[0], bad, CLIPS[2], CLIPS[3]), (code,), (0, 2, 3))
        for name, bad, code in middle
    ]
    cut = lines(HEADER, CLIPS[0], CLIPS[2])
    return [
        *cases,
        Case("csv: cut in a row", "webvid", cut + b"3,A kite,1", ("truncated",), (0, 2)),
        Case("csv: cut in quotes", "webvid", cut + b'3,"A kite', ("truncated",), (0, 2)),
        Case("csv: a long last row", "webvid", cut + b"3," + b"x" * 9 * RECORD_BYTES, ("too_long",), (0, 2)),
    ]


def _packed() -> list[Case]:
    whole = gzip.compress(array(*GOOD), mtime=0)
    many = [dumped(chat(i, note=f"{i * 7919 % 10007}")) for i in range(2000)]
    cut = gzip.compress(lines(*many), mtime=0)
    bomb = gzip.compress(lines(*GOOD) + b" " * (3 * UNPACKED), mtime=0)
    stop = gzip.compress(lines(*GOOD), mtime=0)
    return [
        Case(
            "gzip: bad checksum", "llava_pretrain", flipped(whole, len(whole) - 6), ("truncated",), (0, 1, 2, 3, 4)
        ),
        Case("gzip: text after it", "llava_pretrain", stop + b"hello", ("truncated",), (0, 1, 2, 3, 4)),
        Case("gzip: only its first bytes", "llava_pretrain", cut[:12], ("truncated",), ()),
        Case("gzip: a bomb of spaces", "llava_pretrain", bomb, ("too_long", "archive_bomb"), (0, 1, 2, 3, 4)),
        Case(
            "gzip: a bomb in a record",
            "llava_pretrain",
            gzip.compress(array(*GOOD, b'"' + b"x" * (3 * UNPACKED), end=b""), mtime=0),
            ("archive_bomb",),
            (0, 1, 2, 3, 4),
        ),
    ]


def _tables() -> list[Case]:
    def mixed(*bad: dict) -> bytes:
        return table([chat(0), *bad, chat(2)])

    long = chat(1, image="x" * 2 * RECORD_BYTES)
    latin = pa.array([b"r0", b"caf\xe9", b"r2"]).view(pa.string())
    columns = pa.Table.from_pylist([chat(i) for i in range(3)]).set_column(0, "id", latin)
    stream = io.BytesIO()
    pq.write_table(columns, stream)
    groups = table([pair(i, a=f"answer {i}") for i in range(3)], row_group_size=1, compression="none")
    damaged = groups.index(b"answer 1") - 30
    return [
        Case("parquet: no image", "llava_pretrain", mixed(chat(1, image=None)), ("wrong_shape",), (0, 2)),
        Case("parquet: a parent folder", "llava_pretrain", mixed(chat(1, image="../x")), ("path_escape",), (0, 2)),
        Case("parquet: a NUL", "llava_pretrain", mixed(chat(1, image="a\0b")), ("nul",), (0, 2)),
        Case("parquet: a long cell", "llava_pretrain", mixed(long), ("too_long",), (0, 2)),
        Case("parquet: Latin-1", "llava_pretrain", stream.getvalue(), ("bad_utf8",), (0, 2)),
        Case(
            "parquet: a damaged group",
            "video_chatgpt",
            groups[:damaged] + b"\xff" * 20 + groups[damaged + 20 :],
            ("truncated",),
            (0, 2),
        ),
    ]


def _pairs() -> list[Case]:
    made = [
        ("no answer", without(pair(1), "a"), "wrong_shape"),
        ("a number as answer", pair(1, a=7), "wrong_shape"),
        ("a clip above the root", pair(1, video_id="../v1"), "path_escape"),
        ("an absolute clip", pair(1, video_id="/v1"), "path_escape"),
        ("a chat among pairs", chat(1), "wrong_shape"),
    ]
    return [
        Case(
            f"pairs: {name}",
            "video_chatgpt",
            array(dumped(pair(0)), dumped(bad), dumped(pair(2))),
            (code,),
            (0, 2),
        )
        for name, bad, code in made
    ]


CASES = [*_within(), *_arrays(), *_lines(), *_rows(), *_packed(), *_tables(), *_pairs()]

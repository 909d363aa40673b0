"""Every malformed file costs the records that are broken, and nothing else; so it is with time and memory."""

import tracemalloc

import pytest

from tests.voco_model.data.malformed import CASES, DEPTH, RECORD_BYTES, UNPACKED
from voco_model.data.faults import CODES, Limits
from voco_model.data.readers import read_records
from voco_model.data.records import Quarantined, Record

NAMES = {"llava_pretrain": "r{}", "llava_instruct": "r{}", "webvid": "{}", "video_chatgpt": "v{}-1"}


def read(path, kind, chunk):
    limits = Limits(record_bytes=RECORD_BYTES, depth=DEPTH, ratio=20, unpacked=UNPACKED, chunk=chunk)
    return list(read_records(path, kind, limits=limits))


def test_the_corpus_is_as_large_as_promised():
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("chunk", [7, 1024])
def test_only_what_is_broken_is_lost(case, chunk, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(case.content)
    found = read(path, case.kind, chunk if len(case.content) < 1 << 20 else 1024)
    faults = [f for f in found if isinstance(f, Quarantined)]
    assert [r.id for r in found if isinstance(r, Record)] == [NAMES[case.kind].format(i) for i in case.survivors]
    assert tuple(f.code for f in faults) == case.codes
    for fault in faults:
        assert fault.code in CODES
        assert fault.file == str(path)
        assert fault.line >= 1
        assert fault.reason.isprintable()
        assert len(fault.reason) < 300
    places = [f.line for f in found]
    assert places == sorted(places), "places go forwards"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_memory_is_bounded(case, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(case.content)
    read(path, case.kind, 1024)  # what is imported and compiled once is not counted
    tracemalloc.start()
    try:
        read(path, case.kind, 1024)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20

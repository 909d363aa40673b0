"""Every record's media fetched and looked into, by several threads, in the records' order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from components.ingesting.config import IngestConfig
from components.ingesting.increments import Earlier
from components.sources import Source, Stamp, unsafe
from voco_model.data.media import MediaFacts, MediaFault, inspect_media
from voco_model.data.records import Quarantined, Record
from voco_model.data.shards import Span, record_json

BATCH = 4
"""Records that a worker takes at once."""


class Prepared(NamedTuple):
    """A record and its media, looked into; or why it is set aside."""

    record: Record | Quarantined
    conversation: str = ""
    path: str | None = None
    stamp: Stamp | None = None
    facts: MediaFacts | None = None
    span: Span | None = None
    reused: bool = False


class _Seen(NamedTuple):
    """One media file, looked into."""

    stamp: Stamp | None
    facts: MediaFacts | MediaFault
    span: Span | None = None
    reused: bool = False


class Looker:
    """Looks into media, each file once however many records share it."""

    def __init__(self, config: IngestConfig, source: Source, earlier: Earlier | None) -> None:
        self._config, self._source, self._earlier = config, source, earlier
        self._look = lru_cache(65536)(self._look_into)

    def prepared(self, records: Iterable[Record | Quarantined]) -> Iterator[Prepared]:
        """The records with what was found, in order; only a few are held at a time."""
        if not self._config.decode and "://" not in self._config.source:
            return map(self._prepare, records)  # nothing to wait for: threads would only stand in each other's way
        return _in_order(records, self._prepare, self._config.workers)

    def _prepare(self, record: Record | Quarantined) -> Prepared:
        if isinstance(record, Quarantined):
            return Prepared(_sayable(record))
        try:
            conversation = record.conversation
            record_json(record) if self._config.shards else f"{record.id}{conversation}".encode()
        except ValueError:  # half of a surrogate pair
            return Prepared(_set_aside(record, MediaFault("bad_text", "a text in it cannot be written as UTF-8")))
        if record.media is None:
            return Prepared(record, conversation)
        if fault := unsafe(record.media):
            return Prepared(_set_aside(record, fault))
        path = self._config.media_prefix + record.media
        seen = self._look(path, "video" if record.media_kind == "video" else "image")
        if isinstance(seen.facts, MediaFault):
            return Prepared(_set_aside(record, seen.facts), "", path, seen.stamp)
        return Prepared(record, conversation, path, seen.stamp, seen.facts, seen.span, seen.reused)

    def _look_into(self, path: str, kind: Any) -> _Seen:
        stamp = self._source.stamp(path)
        if isinstance(stamp, MediaFault):
            return _Seen(None, stamp)
        found = self._earlier.find(path, stamp, self._config.shards) if self._earlier else None
        if found:
            return _Seen(stamp, *found, reused=True)
        local = self._source.fetch(path, stamp)
        if isinstance(local, MediaFault):
            return _Seen(stamp, local)
        facts = inspect_media(local, kind, decode=self._config.decode)
        return _Seen(stamp, facts, None if isinstance(facts, MediaFault) else Span(local, 0, facts.bytes))


def _set_aside(record: Record, fault: MediaFault) -> Quarantined:
    reason = f"media {record.media}: {fault.reason}" if record.media else fault.reason
    return _sayable(Quarantined(record.file, record.line, reason, fault.code, record.id))


def _sayable(record: Quarantined) -> Quarantined:
    """The same with texts that UTF-8 can write, and no longer than a person reads."""
    reason, name = (
        text.encode(errors="backslashreplace").decode()[:500] for text in (record.reason, record.id or "")
    )
    return replace(record, reason=reason, id=name or None)


def _in_order(
    records: Iterable[Record | Quarantined],
    work: Callable[[Record | Quarantined], Prepared],
    workers: int,
) -> Iterator[Prepared]:
    """The work on each record, done by threads, given out in the records' order; few are held at a time."""
    source = iter(records)
    waiting: deque[Future[list[Prepared]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ingest")
    try:
        while True:
            while len(waiting) < 2 * workers and (batch := list(islice(source, BATCH))):
                waiting.append(pool.submit(lambda batch: [work(record) for record in batch], batch))
            if not waiting:
                return
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)

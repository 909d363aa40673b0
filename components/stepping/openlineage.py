"""What a step does as OpenLineage events (spec 2-0-2), to a file or a URL; that nobody listens stops no step.

VOCO_OPENLINEAGE names a file, to which a line is added for each event, or an http(s) URL that takes them.
"""

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.stepping.digests import Content
from voco_model.errors import VocoError

WHERE = "VOCO_OPENLINEAGE"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS = "https://openlineage.io/spec/facets/"
VERSION = f"{FACETS}1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet"
ERROR = f"{FACETS}1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet"
DIGESTS = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetFacet"
"""Our own facet keeps to what every data set's facet must have."""
PRODUCER, NAMESPACE = "urn:voco-pipeline", "voco"
LONGEST = 5.0
"""Seconds for one event."""


class Events:
    """One step's, from its start to its end."""

    def __init__(self, where: str, task: str) -> None:
        self._where, self._task = where, task
        self._id, self._run = str(uuid.uuid4()), os.environ.get("VOCO_RUN")
        self._inputs: list[dict[str, Any]] = []
        self._outputs: list[dict[str, Any]] = []
        self._silent, self._begun = not where, False

    def started(self, inputs: Mapping[str, Content]) -> None:
        """The step knows what it reads."""
        self._inputs = [_dataset(name, one) for name, one in sorted(inputs.items())]
        self.send("START")

    def made(self, outputs: Mapping[str, Content]) -> None:
        """The step knows what it made."""
        self._outputs = [_dataset(f"{self._task}.{name}", one) for name, one in sorted(outputs.items())]

    def send(self, kind: str, error: str | None = None) -> None:
        """START, COMPLETE or FAIL. That it cannot be sent is told once."""
        if self._silent:
            return
        if kind != "START" and not self._begun:  # each run has one, even one that failed on its inputs
            self.send("START")
        self._begun = True
        try:
            _deliver(self._where, self._event(kind, error))
        except Exception as failure:  # nobody's step fails because a listener did
            self._silent = True
            why = getattr(failure, "strerror", None) or type(failure).__name__  # an URL may hold a password
            print(f"{self._task}: OpenLineage events are not sent ({why}); see {WHERE}", flush=True)

    def _event(self, kind: str, error: str | None) -> dict[str, Any]:
        facets: dict[str, Any] = {"voco_run": _facet(DIGESTS, run=self._run)} if self._run else {}
        if error is not None:
            facets["errorMessage"] = _facet(ERROR, message=error, programmingLanguage="Python")
        return {
            "eventType": kind,
            "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "producer": PRODUCER,
            "schemaURL": SCHEMA,
            "run": {"runId": self._id, "facets": facets},
            "job": {"namespace": NAMESPACE, "name": self._task, "facets": {}},
            "inputs": self._inputs,
            "outputs": self._outputs,
        }


@contextmanager
def told_of(task: str) -> Iterator[Events]:
    """The step's events; its end is told when the block ends."""
    events = Events(os.environ.get(WHERE, ""), task)
    try:
        yield events
    except BaseException as error:
        # Other errors' texts may hold anything; ours are written for people.
        events.send("FAIL", str(error) if isinstance(error, VocoError) else type(error).__name__)
        raise
    events.send("COMPLETE")


def _dataset(name: str, one: Content) -> dict[str, Any]:
    """Named by its content, so that what one step made and another reads is one data set."""
    digests = _facet(DIGESTS, sha256=one.sha256, md5=one.md5, bytes=one.bytes, files=one.files, name=name)
    facets = {"version": _facet(VERSION, datasetVersion=f"sha256:{one.sha256}"), "voco_digest": digests}
    return {"namespace": NAMESPACE, "name": f"sha256:{one.sha256}", "facets": facets}


def _facet(schema: str, **values: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": schema, **values}


def _deliver(where: str, event: Mapping[str, Any]) -> None:
    line = json.dumps(event, ensure_ascii=False) + "\n"
    if where.startswith(("http://", "https://")):
        import requests

        requests.post(where, json=event, timeout=LONGEST).raise_for_status()
        return
    path = Path(where)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:  # one write: lines of two steps do not mix
        file.write(line)

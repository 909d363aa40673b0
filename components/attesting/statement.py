"""A step's record as an in-toto Statement v1 with SLSA Provenance v1, by the published classes of both."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from components.stepping.digests import Content

if TYPE_CHECKING:
    from components.stepping.record import Record

PREDICATE = "https://slsa.dev/provenance/v1"
STEP, LINEAGE = "urn:voco-pipeline:build:step:1", "urn:voco-pipeline:build:lineage:1"
"""How the parameters are to be read: those of a step, and those of a run's lineage."""
BUILDER = "urn:voco-pipeline:builder:{}:1"


def statement_of(record: "Record") -> dict[str, Any]:
    """What a step's attestation says: always the same for the same record."""
    external = {"step": record.step, "task": record.task, "config": dict(record.config)}
    internal = {"run": record.run, "seed": record.seed, "config_sha256": record.config_sha256}
    dependencies = [_content(name, one) for name, one in sorted(record.inputs.items())]
    return _statement(
        subjects=[_content(name, one) for name, one in sorted(record.outputs.items())],
        kind=STEP,
        parameters=(external, internal),
        dependencies=[*dependencies, *_environment(record)],
        builder=("container" if record.image else "process", {"python": record.python}),
        invocation=f"{record.run}/{record.task}",
        times=_times(record),
        made=[_descriptor("record", record.sha256)],
    )


def statement_of_lineage(sha256: str, run: str, records: Mapping[str, str]) -> dict[str, Any]:
    """What the signature under a run's lineage says. records: task to its record's digest."""
    return _statement(
        subjects=[_descriptor("audit.json", sha256)],
        kind=LINEAGE,
        parameters=({"run": run}, {}),
        dependencies=[_descriptor(task, digest) for task, digest in sorted(records.items())],
        builder=("audit", {}),
        invocation=f"{run}/audit",
    )


def _statement(
    *,
    subjects: list[dict[str, Any]],
    kind: str,
    parameters: tuple[Mapping[str, Any], Mapping[str, Any]],
    dependencies: list[dict[str, Any]],
    builder: tuple[str, Mapping[str, str]],
    invocation: str,
    times: tuple[str, str] | None = None,
    made: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict
    from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
    from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
    from in_toto_attestation.v1.statement import Statement

    predicate = Provenance()
    definition, details = predicate.build_definition, predicate.run_details
    definition.build_type = kind
    definition.external_parameters.update(parameters[0])
    definition.internal_parameters.update(parameters[1])
    definition.resolved_dependencies.extend(ResourceDescriptor(**one).pb for one in dependencies)
    details.builder.id = BUILDER.format(builder[0])
    details.builder.version.update(builder[1])
    details.metadata.invocation_id = invocation
    if times is not None:
        details.metadata.started_on.FromJsonString(times[0])
        details.metadata.finished_on.FromJsonString(times[1])
    details.byproducts.extend(ResourceDescriptor(**one).pb for one in made or [])
    listed = [ResourceDescriptor(**one).pb for one in subjects]
    statement = Statement(listed, PREDICATE, MessageToDict(predicate))
    statement.validate()
    found: dict[str, Any] = MessageToDict(statement.pb)
    return found


def _environment(record: "Record") -> list[dict[str, Any]]:
    """Code, image and packages, as far as they are known."""
    code = record.code
    digests = {"sha256": code.sha256} | ({"gitCommit": code.commit} if code.commit else {})
    found = [_descriptor("code", digests, annotations={"dirty": code.dirty})]
    if record.image is not None:
        name, _, digest = record.image.partition("@sha256:")
        found.append(_descriptor("image", digest or {}, uri=name if digest else record.image))
    return [*found, _descriptor("packages", record.packages_sha256)]


def _content(name: str, one: Content) -> dict[str, Any]:
    """An input or output. A folder's digest is that of its files' lines, as `sha256sum` prints them."""
    return _descriptor(name, one.sha256, annotations={"kind": one.kind, "bytes": one.bytes, "files": one.files})


def _descriptor(name: str, digest: str | Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest} if isinstance(digest, str) else dict(digest), **more}


def _times(record: "Record") -> tuple[str, str]:
    started = datetime.fromisoformat(record.started)
    ended = started + timedelta(seconds=record.seconds)
    return record.started, ended.isoformat(timespec="milliseconds")

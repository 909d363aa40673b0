"""Compiled pipelines: what they ask for, and their place among a cluster's pipelines and versions."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.cluster.connection import Cluster
from voco_model.errors import VocoError

TYPES: dict[str, tuple[type, ...]] = {
    "STRING": (str,),
    "BOOLEAN": (bool,),
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "LIST": (list,),
    "STRUCT": (dict,),
}


@dataclass(frozen=True)
class Package:
    """A compiled pipeline in a file."""

    path: Path
    name: str
    version: str
    """By content: the same pipeline is the same version."""
    parameters: Mapping[str, Mapping[str, Any]]

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Values for its parameters; unknown, missing and wrong ones are refused."""
        known = ", ".join(sorted(self.parameters)) or "none"
        for name, value in given.items():
            if name not in self.parameters:
                raise VocoError(f"--param {name}: {self.name} has no such parameter; there are {known}")
            wanted = self.parameters[name].get("parameterType", "STRING")
            fits = isinstance(value, TYPES.get(wanted, (object,)))
            if not fits or (isinstance(value, bool) and wanted != "BOOLEAN"):
                raise VocoError(f"--param {name}: {value!r} is not of the type {wanted}")
        optional = {n for n, p in self.parameters.items() if p.get("isOptional") or "defaultValue" in p}
        if missing := sorted(set(self.parameters) - optional - set(given)):
            raise VocoError(
                f"{self.name}: the parameter {missing[0]} has no default; give --param {missing[0]}=VALUE"
            )
        return dict(given)


def read_package(path: Path) -> Package:
    """A file as `voco compile` writes it."""
    try:
        text = path.read_text("utf-8")
        pipeline = next(iter(yaml.safe_load_all(text)))
        name = pipeline["pipelineInfo"]["name"]
        parameters = pipeline["root"].get("inputDefinitions", {}).get("parameters", {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, StopIteration, KeyError, TypeError) as error:
        raise VocoError(
            f"{path}: not a compiled pipeline ({error}); make one with `voco compile --out FILE`"
        ) from None
    return Package(path, name, hashlib.sha256(text.encode()).hexdigest()[:12], parameters)


def without_cache(package: Package, out: Path) -> Package:
    """The same pipeline with every task done anew."""
    documents = list(yaml.safe_load_all(package.path.read_text("utf-8")))
    for dag in _dags(documents[0]):
        for task in dag.get("tasks", {}).values():
            task["cachingOptions"] = {}
    out.write_text(yaml.safe_dump_all(documents, sort_keys=True), "utf-8")
    return read_package(out)


def read_parameters(texts: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE`, each value YAML."""
    found: dict[str, Any] = {}
    for text in texts:
        key, is_given, value = text.partition("=")
        if not is_given or not key:
            raise VocoError(f"--param {text}: write KEY=VALUE")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise VocoError(f"--param {text}: the value is not YAML; quote it") from None
    return found


@dataclass(frozen=True)
class Version:
    """A pipeline's version at the cluster, which never changes."""

    pipeline: str
    id: str
    name: str


def put_version(cluster: Cluster, package: Package) -> Version:
    """Upload it, unless it is there."""
    pipeline = _find(cluster, package.name) or _make(cluster, package.name)
    with cluster.asking("look for the pipeline's versions"):
        filter_by = _named(package.version)
        found = cluster.pipelines.pipeline_service_list_pipeline_versions(pipeline, filter=filter_by)
    for one in found.pipeline_versions or []:
        if package.version in (one.display_name, one.name):
            return Version(pipeline, one.pipeline_version_id, package.version)
    with cluster.asking("upload the pipeline"):
        made = cluster.uploads.upload_pipeline_version(
            str(package.path), name=package.version, display_name=package.version, pipelineid=pipeline
        )
    return Version(pipeline, made.pipeline_version_id, package.version)


def _find(cluster: Cluster, name: str) -> str | None:
    with cluster.asking("look for the pipeline"):
        found = cluster.pipelines.pipeline_service_list_pipelines(filter=_named(name), **cluster.in_namespace)
    return next((one.pipeline_id for one in found.pipelines or [] if name in (one.display_name, one.name)), None)


def _make(cluster: Cluster, name: str) -> str:
    body = cluster.api.V2beta1Pipeline(display_name=name, name=name, **cluster.in_namespace)
    with cluster.asking("make the pipeline"):
        made = cluster.pipelines.pipeline_service_create_pipeline(body)
    return str(made.pipeline_id)


def _named(name: str) -> str:
    """KFP's filter for one name."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "name", "stringValue": name}]})


def _dags(pipeline: Mapping[str, Any]) -> list[dict[str, Any]]:
    components = [pipeline["root"], *pipeline.get("components", {}).values()]
    return [one["dag"] for one in components if "dag" in one]

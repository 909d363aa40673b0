"""A compiled pipeline read back with KFP's own parser, and walked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

WITHIN_TEXT = "pipelinechannel--"
"""What KFP calls a parameter that stands within a longer text."""


def read_package(path: Path) -> tuple[Any, dict]:
    """The pipeline's spec as KFP parses it, and the platform's part as it stands."""
    spec, *platform = yaml.safe_load_all(path.read_text())
    return json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec()), platform[0] if platform else {}


def dags(spec: Any) -> Iterator[tuple[str, Any]]:
    """Every graph by its component's name; the outermost is `root`."""
    yield "root", spec.root
    for name in list(spec.components):
        if spec.components[name].WhichOneof("implementation") == "dag":
            yield name, spec.components[name]


def broken_references(spec: Any) -> list[str]:
    """What is referred to and does not exist: components, executors, tasks, outputs, parameters."""
    wrong = []
    known = set(spec.components)  # before asking for one that is not there makes it
    executors = set(spec.deployment_spec.fields["executors"].struct_value.fields)
    for name, component in spec.components.items():
        if (
            component.WhichOneof("implementation") == "executor_label"
            and component.executor_label not in executors
        ):
            wrong.append(f"{name}: executor {component.executor_label}")
    for name, graph in list(dags(spec)):
        for label, task in graph.dag.tasks.items():
            if task.component_ref.name not in known:
                wrong.append(f"{name}/{label}: component {task.component_ref.name}")
                continue
            wrong += [f"{name}/{label}: {what}" for what in _broken_inputs(spec, graph, task)]
            wrong += [f"{name}/{label}: after {t}" for t in task.dependent_tasks if t not in graph.dag.tasks]
    return wrong


def _broken_inputs(spec: Any, graph: Any, task: Any) -> Iterator[str]:
    definitions = spec.components[task.component_ref.name].input_definitions
    known = {*definitions.parameters, *definitions.artifacts}
    for name, source in task.inputs.artifacts.items():
        if name not in known:
            yield f"input {name} is not the component's"
        if source.WhichOneof("kind") == "task_output_artifact":
            made = source.task_output_artifact
            yield from _broken_output(spec, graph, made.producer_task, made.output_artifact_key, "artifacts")
        elif source.component_input_artifact not in graph.input_definitions.artifacts:
            yield f"artifact {source.component_input_artifact}"
    for name, source in task.inputs.parameters.items():
        if name not in known and not name.startswith(WITHIN_TEXT):
            yield f"input {name} is not the component's"
        kind = source.WhichOneof("kind")
        if kind == "task_output_parameter":
            made = source.task_output_parameter
            yield from _broken_output(spec, graph, made.producer_task, made.output_parameter_key, "parameters")
        elif kind == "component_input_parameter":
            wanted = source.component_input_parameter
            if wanted not in graph.input_definitions.parameters and "loop-item" not in wanted:
                yield f"parameter {wanted}"


def _broken_output(spec: Any, graph: Any, producer: str, key: str, what: str) -> Iterator[str]:
    if producer not in graph.dag.tasks:
        yield f"producer {producer}"
    elif key not in getattr(
        spec.components[graph.dag.tasks[producer].component_ref.name].output_definitions, what
    ):
        yield f"{producer} has no output {key}"


def edges(spec: Any) -> set[tuple[str, str, str]]:
    """(task that writes, its output, task that reads): artifacts alone, through all graphs."""
    found = set()

    def walk(graph: Any, given: dict[str, tuple[str, str]]) -> None:
        for task in graph.dag.tasks.values():
            sources = {name: _source(spec, graph, one, given) for name, one in task.inputs.artifacts.items()}
            component = spec.components[task.component_ref.name]
            if component.WhichOneof("implementation") == "dag":
                walk(component, sources)
            else:
                found.update((*source, _plain(task, component)) for source in sources.values())

    walk(spec.root, {})
    return found


def _source(spec: Any, graph: Any, one: Any, given: dict[str, tuple[str, str]]) -> tuple[str, str]:
    if one.WhichOneof("kind") == "component_input_artifact":
        return given[one.component_input_artifact]
    return _made(spec, graph, one.task_output_artifact.producer_task, one.task_output_artifact.output_artifact_key)


def _made(spec: Any, graph: Any, producer: str, key: str) -> tuple[str, str]:
    """A group's output is that of a task inside."""
    task = graph.dag.tasks[producer]
    component = spec.components[task.component_ref.name]
    if component.WhichOneof("implementation") != "dag":
        return _plain(task, component), key
    chosen = component.dag.outputs.artifacts[key].artifact_selectors[0]
    return _made(spec, component, chosen.producer_subtask, chosen.output_artifact_key)


def _plain(task: Any, component: Any) -> str:
    """The section's name: KFP calls the second use of a component NAME-2."""
    constant = (
        task.inputs.parameters["task"].runtime_value.constant.string_value
        if "task" in task.inputs.parameters
        else ""
    )
    return constant or component.executor_label.removeprefix("exec-").removesuffix("-2").replace("-", "_")

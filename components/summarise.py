"""Summarise: all benchmarks' results as the paper's tables."""

from components.stepping.job import Done, Job
from voco_model.errors import VocoError


def step(job: Job) -> Done:
    """As a pipeline runs it: results of several benchmarks in, `tables` out."""
    from voco_model.evaluation.outcome import read_outcome, result_folders
    from voco_model.evaluation.summary import flat, summarise

    job.check_settings(set())
    if not job.inputs:
        raise VocoError(f"{job.task}: no results were given; evaluate at least one benchmark")
    folders = [folder for path in job.inputs.values() for folder in result_folders(path)]
    outcomes = [read_outcome(folder) for folder in folders]
    by_name = sorted(zip(outcomes, folders, strict=True), key=lambda pair: pair[0].benchmark)
    tables = job.outputs["tables"]
    outcomes, sources = [outcome for outcome, _ in by_name], [folder for _, folder in by_name]
    figures = summarise(outcomes, sources, tables)  # the record says when: the same results are the same bytes
    names = "report.html", "tables.md", "tables.json", "paper.md"
    return Done(flat(figures), reports=tuple(tables / name for name in names))

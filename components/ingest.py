"""Ingest: records and media from a folder, S3 or HTTP become a versioned data set, the same bytes every time."""

import errno
import os
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from components.ingesting.config import IngestConfig, IngestReport
from components.ingesting.run import Ingestion, Reader
from components.stepping.job import Done, Job
from voco_model.errors import VocoError

__all__ = ["IngestConfig", "IngestReport", "ingest", "step"]


def ingest(config: IngestConfig, read: Reader | None = None) -> IngestReport:
    """Make the data set; it appears under its name only when it is whole.

    A run that was interrupted continues its downloads when it is started again. Raises VocoError, also for a
    full disk; then nothing but those downloads is left, and the quarantine where its limit was passed.
    read: the reader of annotation files (default: `voco_model.data.readers.read_records`).
    """
    out = config.out
    if os.path.lexists(out):
        raise VocoError(f"{out}: is there already; give another folder, or remove it first")
    staging, cache = (out.parent / f".{out.name}.{part}" for part in ("partial", "fetched"))
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out.parent / f".{out.name}.lock", timeout=0):
            shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
            staging.mkdir()
            try:
                report = Ingestion(config, staging, cache, read or _default_reader()).run()
                os.rename(staging, out)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            shutil.rmtree(cache, ignore_errors=True)
            return report
    except Timeout:
        raise VocoError(f"{out}: another ingest is writing it; wait for that, or give another folder") from None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        way = "free space, then run again to continue" if full else "mend that, then run again to continue"
        raise VocoError(f"{error.filename or out}: {error.strerror or error}; {way}") from None


def _default_reader() -> Reader:
    from voco_model.data.readers import read_records

    return read_records


def step(job: Job) -> Done:
    """As a pipeline runs it: every data set of the section, and the benchmarks' files, in `data`."""
    from components.ingesting.sets import Sets

    latest = job.work.parent / "latest"
    previous = Path(latest.read_text()) if latest.is_file() else None
    out = job.outputs["data"]
    reports = Sets(job.settings).make(out, job.work, previous if previous and previous.is_dir() else None)
    latest.write_text(str(out.absolute()))
    figures: dict[str, float] = {}
    for name, report in reports.items():
        figures |= {f"{name}.records": report.records, f"{name}.quarantined": report.quarantined}
        figures |= {f"{name}.bytes": report.bytes, f"{name}.reused": report.reused}
    return Done(figures)

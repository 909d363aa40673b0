"""Make a versioned data set of records and media from a folder, S3 or HTTP."""

import argparse
import re
from pathlib import Path

UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="a folder, s3://bucket/prefix or http(s)://host/path")
    parser.add_argument("--kind", required=True, help="llava_pretrain, llava_instruct, webvid or video_chatgpt")
    parser.add_argument("--annotations", required=True, metavar="PATH", help="the file of records, in the source")
    parser.add_argument("--media", default="", metavar="PATH", help="where the media paths start, in the source")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the new data set")
    parser.add_argument("--name", help="what it is called (default: the name of FOLDER)")
    parser.add_argument("--split", default="train")
    parser.add_argument("--shard-size", type=_bytes, default="256MiB", help="such as 1GB (default: 256MiB)")
    parser.add_argument(
        "--quarantine-limit", type=float, default=0.01, metavar="SHARE", help="of records that may be set aside"
    )
    parser.add_argument("--workers", type=int, default=4, help="threads that fetch and decode (default: 4)")
    parser.add_argument("--endpoint-url", metavar="URL", help="of an S3 store that is not AWS")
    parser.add_argument("--previous", type=Path, metavar="FOLDER", help="an earlier version, to add to")
    parser.add_argument("--pins", type=Path, metavar="FOLDER", help="read the S3 versions that this data set read")
    parser.add_argument("--no-decode", action="store_true", help="believe the headers of pictures and clips")
    parser.add_argument("--no-shards", action="store_true", help="write the manifest alone")
    parser.add_argument("--dvc", type=Path, metavar="REPO", help="track the data set in this DVC repository")
    parser.add_argument("--dvc-remote", metavar="URL", help="its remote: a folder or s3://bucket/prefix")
    parser.add_argument("--push", action="store_true", help="push it to the remote")


def run(options: argparse.Namespace) -> None:
    from components.ingest import IngestConfig, ingest
    from voco_model.errors import VocoError

    if options.dvc is None and (options.dvc_remote or options.push):
        raise VocoError("--dvc-remote and --push need --dvc REPO; name the DVC repository")
    config = IngestConfig(
        name=options.name or options.out.name,
        kind=options.kind,
        source=options.source,
        annotations=options.annotations,
        out=options.out,
        media=options.media,
        split=options.split,
        shard_size=options.shard_size,
        quarantine_limit=options.quarantine_limit,
        workers=options.workers,
        endpoint_url=options.endpoint_url,
        decode=not options.no_decode,
        shards=not options.no_shards,
        previous=options.previous,
        pins=options.pins,
    )
    report = ingest(config)
    print(f"{report.out}: {report.records} records in {report.shards} shards, version {report.version[:12]}")
    if report.quarantined:
        reasons = ", ".join(f"{code} {count}" for code, count in report.reasons.items())
        print(f"set aside: {report.quarantined} ({reasons})")
    if report.changes:
        for what in ("added", "changed", "removed"):
            ids = getattr(report.changes, what)
            print(
                f"{what}: {len(ids)}"
                + (f" ({', '.join(ids[:5])}{', ...' if len(ids) > 5 else ''})" if ids else "")
            )
        print(f"not read again: {report.reused}")
    if options.dvc:
        from components.dvc_tracking import track

        pointer = track(
            report.out,
            options.dvc,
            remote_url=options.dvc_remote,
            endpoint_url=options.endpoint_url if (options.dvc_remote or "").startswith("s3://") else None,
            push=options.push,
        )
        print(f"{pointer}: commit it to git")


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)\s*([a-z]*)", text.strip().lower())
    if not match or match[2] not in UNITS:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write a number and B, MB, GB, MiB or GiB")
    return int(match[1]) * UNITS[match[2]]

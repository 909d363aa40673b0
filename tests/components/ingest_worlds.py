"""Small sources to ingest, a plain reader of their records, and an S3 store of one's own on a loopback port."""

import io
import json
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image

from components.ingest import IngestConfig, ingest
from voco_model.data.records import Quarantined, Record, Said


def read_json(path, kind, *, root=None, split="train"):
    """A reader as ingest expects one: a JSON array, records without an id set aside."""
    for line, item in enumerate(json.loads(path.read_text()), 1):
        if "id" not in item:
            yield Quarantined(str(path), line, "the record has no id", "no_id")
            continue
        turns = tuple(Said(turn["from"], turn["value"]) for turn in item["conversations"])
        media = item.get("image")
        yield Record(item["id"], "image" if media else "text", media, turns, kind, str(path), line, {"n": line})


def jpeg(seed, side=48):
    rough = np.random.default_rng(seed).integers(0, 255, (5, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(rough).resize((side, side)).save(buffer, "JPEG")
    return buffer.getvalue()


def item(n, image=None, said="a thing"):
    image = f"{n % 3}/{n:05d}.jpg" if image is None else image
    turns = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": f"{said} {n}"}]
    return {"id": f"r{n}", "conversations": turns} | ({"image": image} if image else {})


def make_source(folder, n=20):
    """`chat.json` and `images/`, every fourth record without a picture."""
    items = [item(i, "" if i % 4 == 3 else None) for i in range(n)]
    for i, one in enumerate(items):
        if "image" in one:
            path = folder / "images" / one["image"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(i))
    write_items(folder, items)
    return items


def write_items(folder, items):
    (folder / "chat.json").write_text(json.dumps(items))


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class RangeHandler(SimpleHTTPRequestHandler):
    """A folder with ETags and ranges; `server.seen` has what was asked, `server.hook` may answer instead."""

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.seen.append((self.command, self.path, self.headers.get("Range")))
        if self.server.hook and self.server.hook(self):
            return
        try:
            with open(self.translate_path(self.path), "rb") as file:
                data = file.read()
        except OSError:
            self.send_error(404)
            return
        tag, start = f'"{hash(data) & 0xFFFFFFFF:x}"', 0
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range", tag) == tag:
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", tag)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[start : start + self.server.cut] if self.server.cut else data[start:])


@contextmanager
def http_server(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(RangeHandler, directory=str(folder)))
    server.seen, server.hook, server.cut = [], None, None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def picture_set(folder: Path) -> Path:
    """A small data set of pictures with a question each, ingested."""
    source = folder / "source"
    source.mkdir()
    write_items(source, [item for item in make_source(source) if "image" in item])
    files = {"source": str(source), "annotations": "chat.json", "media": "images"}
    return ingest(IngestConfig(name="data", kind="llava_instruct", out=folder / "data", **files), read_json).out

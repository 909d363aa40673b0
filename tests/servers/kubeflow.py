"""A stand-in for Kubeflow Pipelines' REST API v2beta1 on the loopback. No real backend is behind it.

What it holds requests to is what the generated client knows: every body must be one of kfp_server_api's models,
with those fields alone, of those types; ids must exist; a token, where one is set, must be right.
"""

import inspect
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import kfp_server_api

BASE = "/apis/v2beta1"
NOW = "2026-01-05T03:00:00Z"


class Kubeflow:
    """What the server holds, and what it was asked."""

    def __init__(self, token: str | None = None, namespace: str | None = "voco") -> None:
        self.token, self.namespace = token, namespace
        self.experiments: dict[str, dict] = {}
        self.pipelines: dict[str, dict] = {}
        self.versions: dict[str, dict] = {}
        self.runs: dict[str, dict] = {}
        self.recurring: dict[str, dict] = {}
        self.logs: dict[str, str] = {}
        self.states: list[str] = []
        """What each look at a run finds next; then the last one."""
        self.uploads: list[bytes] = []
        self.asked: list[str] = []
        self.broken = 0
        """Requests still to be answered with 503."""
        self.url = ""

    def new_id(self, kind: str) -> str:
        numbers = [len(getattr(self, name)) for name in ("experiments", "pipelines", "versions", "runs")]
        return f"{kind}-{sum(numbers) + len(self.recurring) + len(self.asked)}"


class Refused(Exception):
    """A request that KFP would not take."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def checked(body: Any, model: str) -> Any:
    """A body held against a generated model, fields within fields included."""
    kind = getattr(kfp_server_api, model)
    types, names = kind.openapi_types, {json_name: own for own, json_name in kind.attribute_map.items()}
    if unknown := set(body) - set(names):
        raise Refused(400, f"{model}: unknown field {sorted(unknown)}")
    values = {}
    for json_name, value in body.items():
        declared = types[names[json_name]]
        if hasattr(kfp_server_api, declared):
            inner = getattr(kfp_server_api, declared)
            if inner.openapi_types:
                checked(value, declared)
            elif value not in inner.allowable_values:
                raise Refused(400, f"{model}.{json_name}: {value!r} is none of {inner.allowable_values}")
        elif (expected := {"str": str, "bool": bool, "object": dict}.get(declared)) and not isinstance(
            value, expected
        ):
            raise Refused(400, f"{model}.{json_name}: {value!r} is no {declared}")
        values[names[json_name]] = value
    inspect.signature(kind.__init__).bind(None, **values)
    return body


class Handler(BaseHTTPRequestHandler):
    state: Kubeflow

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(body, bytes) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _serve(self, method: str) -> None:
        url = urlparse(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.state.asked.append(f"{method} {url.path}")
        try:
            if self.state.broken:
                self.state.broken -= 1
                raise Refused(503, "upstream is away")
            self._allow(url.path, query)
            self._answer(200, self._route(method, url.path, query, raw))
        except Refused as error:
            self._answer(error.status, {"error": str(error), "message": str(error), "code": 16})

    def _allow(self, path: str, query: dict[str, str]) -> None:
        if path == f"{BASE}/healthz":
            return
        if self.state.token is not None and self.headers.get("authorization") != f"Bearer {self.state.token}":
            raise Refused(401, "Request header error: there is no user identity header")
        self._in_namespace(query.get("namespace"))

    def _in_namespace(self, namespace: str | None) -> None:
        if self.state.namespace is None and namespace:
            raise Refused(400, "In single-user mode, the request shouldn't contain a namespace")
        if namespace and namespace != self.state.namespace:
            raise Refused(403, f"User is not authorized with reason: no access to namespace {namespace}")

    def _route(self, method: str, path: str, query: dict[str, str], raw: bytes) -> Any:
        own, state = path.removeprefix(BASE), self.state
        body = json.loads(raw) if raw and "json" in self.headers.get("Content-Type", "") else None
        if own == "/healthz":
            return {"multi_user": state.namespace is not None}
        if own == "/experiments":
            if method == "GET":
                return {"experiments": list(state.experiments.values())}
            return self._make(state.experiments, "experiment", checked(body, "V2beta1Experiment"))
        if own == "/pipelines" and method == "GET":
            return {"pipelines": self._named(state.pipelines, query)}
        if own == "/pipelines":
            return self._make(state.pipelines, "pipeline", checked(body, "V2beta1Pipeline"))
        if own == "/pipelines/upload_version":
            return self._upload(query, raw)
        if match := re.fullmatch(r"/pipelines/([^/]+)/versions", own):
            of_it = {k: v for k, v in state.versions.items() if v["pipeline_id"] == match[1]}
            return {"pipeline_versions": self._named(of_it, query)}
        if own.startswith("/runs"):
            return self._runs(method, own, query, body)
        if own.startswith("/recurringruns"):
            return self._recurring(method, own, body)
        if match := re.fullmatch(r"/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log", path):
            self._known(state.runs, match[1])
            return self._known(state.logs, match[2]).encode()
        raise Refused(404, f"{path}: no such path")

    def _runs(self, method: str, own: str, query: dict[str, str], body: Any) -> Any:
        state = self.state
        if own == "/runs" and method == "POST":
            self._check_version(checked(body, "V2beta1Run"))
            return self._make(state.runs, "run", body | {"state": "PENDING"})
        if own == "/runs":
            at, size = int(query.get("page_token") or 0), int(query["page_size"])
            newest = list(reversed(state.runs.values()))
            more = {"next_page_token": str(at + size)} if at + size < len(newest) else {}
            return {"runs": newest[at : at + size]} | more
        run = self._known(state.runs, own.removeprefix("/runs/"))
        if state.states:
            run["state"] = state.states.pop(0)
        return run

    def _recurring(self, method: str, own: str, body: Any) -> Any:
        state = self.state
        if own == "/recurringruns":
            if method == "GET":
                return {"recurringRuns": list(state.recurring.values())}
            self._check_version(checked(body, "V2beta1RecurringRun"))
            if len(body["trigger"]) != 1:
                raise Refused(400, "a trigger is cron or periodic")
            status = "ENABLED" if body["mode"] == "ENABLE" else "DISABLED"
            return self._make(state.recurring, "recurring_run", body | {"status": status})
        name, _, verb = own.removeprefix("/recurringruns/").partition(":")
        found = self._known(state.recurring, name)
        if method == "DELETE":
            for run in list(state.runs.values()):  # as Kubernetes does with what a schedule owns
                if run.get("recurring_run_id") == name and run["state"] in ("RUNNING", "PENDING"):
                    run["state"] = "FAILED"
            del state.recurring[name]
        else:
            found["status"] = {"enable": "ENABLED", "disable": "DISABLED"}[verb]
        return {}

    def _check_version(self, body: dict) -> None:
        self._known(self.state.experiments, body["experiment_id"])
        named = body["pipeline_version_reference"]
        version = self._known(self.state.versions, named["pipeline_version_id"])
        if version["pipeline_id"] != named["pipeline_id"]:
            raise Refused(400, "the version is of another pipeline")

    def _upload(self, query: dict[str, str], raw: bytes) -> dict:
        self._known(self.state.pipelines, query["pipelineid"])
        self.state.uploads.append(raw)
        made = {"pipeline_id": query["pipelineid"], "display_name": query["name"], "name": query["name"]}
        version = self.state.new_id("version")
        self.state.versions[version] = made | {"pipeline_version_id": version, "created_at": NOW}
        return self.state.versions[version]

    def _make(self, held: dict[str, dict], kind: str, body: dict) -> dict:
        if kind in ("experiment", "pipeline"):
            self._in_namespace(body.get("namespace"))
            if self.state.namespace and not body.get("namespace"):
                raise Refused(400, "in multi-user mode, the namespace is missing")
        made = self.state.new_id(kind)
        held[made] = body | {f"{kind}_id": made, "created_at": NOW}
        return held[made]

    @staticmethod
    def _named(held: dict[str, dict], query: dict[str, str]) -> list[dict]:
        (predicate,) = json.loads(query["filter"])["predicates"]
        assert predicate["operation"] == "EQUALS"
        return [one for one in held.values() if one[predicate["key"]] == predicate["stringValue"]]

    @staticmethod
    def _known(held: dict[str, Any], name: str) -> Any:
        if name not in held:
            raise Refused(404, f"{name} not found")
        return held[name]

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")


@contextmanager
def kubeflow(token: str | None = None, namespace: str | None = "voco") -> Iterator[Kubeflow]:
    """A server while the block lasts. namespace None: a KFP for one user."""
    state = Kubeflow(token, namespace)
    handler = type("Bound", (Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)

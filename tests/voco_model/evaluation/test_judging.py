"""The judge behind an endpoint, against a server on loopback that misbehaves in every way."""

import json
import socket
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voco_model.errors import VocoError
from voco_model.evaluation.judging import Case, Verdict, default_judge
from voco_model.evaluation.judging.offline import OfflineJudge
from voco_model.evaluation.judging.remote import RemoteJudge, parse_verdict

SECRET = "sk-canary-5c1f"
CASE = Case("what is it?", "dog", "a dog")
GOOD = "{'pred': 'yes', 'score': 4.8}"


class Server:
    """Does what a list says, one entry for each request, and after its end the last one again."""

    def __init__(self, *script):
        self.script, self.requests, self.lock = list(script), [], threading.Lock()
        handler = type("Handler", (_Handler,), {"server_state": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(10)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with state.lock:
            step = state.script[min(len(state.requests), len(state.script) - 1)]
            state.requests.append((self.path, self.headers.get("Authorization"), body))
        if callable(step):
            step(self)
        elif isinstance(step, tuple):
            self.send(step[0], b"{}", step[1])
        else:
            self.send(200, json.dumps({"choices": [{"message": {"content": step}}]}).encode())

    def send(self, status, body, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def half_a_json(handler):
    body = json.dumps({"choices": [{"message": {"content": GOOD}}]}).encode()
    handler.send(200, body[: len(body) // 2])


def cut_off(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices"')
    handler.connection.shutdown(socket.SHUT_RDWR)


def too_slow(handler):
    time.sleep(0.5)


def judge_of(server, **more):
    waits = []
    options = {"key": SECRET, "timeout": 0.2, "sleep": waits.append, "workers": 4, **more}
    return RemoteJudge(server.url, "model-x", **options), waits


def test_a_verdict_and_what_was_asked():
    with Server(GOOD) as server:
        judge, waits = judge_of(server)
        assert judge.judge([CASE]) == [Verdict(True, 4)]
    ((path, authorization, body),) = server.requests
    assert path == "/v1/chat/completions"
    assert authorization == f"Bearer {SECRET}"
    assert body["model"] == "model-x"
    asked = body["messages"][1]["content"]
    for text in ("Question: what is it?", "Correct answer: dog", "Predicted answer: a dog"):
        assert text in asked
    assert waits == []


@pytest.mark.parametrize("bad", [(429, {}), (500, {}), (503, {}), half_a_json, cut_off, too_slow, "not chat"])
def test_what_fails_in_passing_is_tried_again(bad):
    script = [lambda h: h.send(200, b"[1, 2]")] if bad == "not chat" else [bad]
    with Server(*script, *script, GOOD) as server:
        judge, waits = judge_of(server)
        assert judge.judge([CASE]) == [Verdict(True, 4)]
    assert len(server.requests) == 3
    assert 0.5 <= waits[0] <= 1
    assert 1 <= waits[1] <= 2  # twice as long, with jitter


def test_retry_after_is_honoured_in_seconds_and_as_a_date():
    with Server((429, {"Retry-After": "7"}), (429, {"Retry-After": formatdate(time.time() + 30)}), GOOD) as server:
        judge, waits = judge_of(server)
        assert judge.judge([CASE]) == [Verdict(True, 4)]
    assert waits[0] == 7
    assert 25 < waits[1] <= 31


def test_a_server_that_never_recovers_is_given_up_without_the_key_in_the_error():
    with Server((500, {})) as server:
        judge, waits = judge_of(server, tries=3)
        with pytest.raises(VocoError, match="failed 3 times, last with HTTP 500") as told:
            judge.judge([CASE])
    assert len(server.requests) == 3
    assert len(waits) == 2
    assert SECRET not in str(told.value) + repr(judge) + judge.about


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "check VOCO_JUDGE_KEY"), (404, "check VOCO_JUDGE_URL"), (302, "302")]
)
def test_what_will_not_pass_is_not_tried_again(status, advice):
    with Server((status, {"Location": "http://127.0.0.1:9/elsewhere"})) as server:
        judge, waits = judge_of(server)
        with pytest.raises(VocoError, match=advice) as told:
            judge.judge([CASE])
    assert len(server.requests) == 1
    assert SECRET not in str(told.value)
    assert waits == []


def test_replies_of_no_use_are_asked_for_anew_three_times_and_then_counted():
    with Server("I think so", "{'pred': 'yes'}", "{'pred': 'yes', 'score': 9}", "yes, 5") as server:
        judge, _ = judge_of(server)
        assert judge.judge([CASE]) == [None]
    assert len(server.requests) == 4
    with Server("I think so", GOOD) as server:
        judge, _ = judge_of(server)
        assert judge.judge([CASE]) == [Verdict(True, 4)]


def test_many_at_once_in_order_and_equal_ones_once():
    cases = [Case("q", "a", f"prediction {i % 10}") for i in range(40)]
    with Server(lambda h: (time.sleep(0.05), h.send(200, _completion(GOOD)))) as server:
        judge, _ = judge_of(server, timeout=20, workers=10)
        began = time.monotonic()
        assert judge.judge(cases) == [Verdict(True, 4)] * 40
        assert len(server.requests) == 10
        assert time.monotonic() - began < 10 * 0.05 + 5


def _completion(text):
    return json.dumps({"choices": [{"message": {"content": text}}]}).encode()


def test_verdicts_are_kept_on_disk_even_where_a_line_was_cut(tmp_path):
    kept = tmp_path / "below" / "verdicts.jsonl"
    with Server(GOOD, "{'pred': 'no', 'score': 0}") as server:
        judge, _ = judge_of(server, cache=kept, workers=1)
        assert judge.judge([CASE, Case("q", "a", "p")]) == [Verdict(True, 4), Verdict(False, 0)]
    assert SECRET not in kept.read_text()
    kept.write_text(kept.read_text() + '\n{"key": "cut')
    with Server("never asked") as server:
        again, _ = judge_of(server, cache=kept)
        assert again.judge([CASE, Case("q", "a", "p")]) == [Verdict(True, 4), Verdict(False, 0)]
        assert server.requests == []
        other = RemoteJudge(server.url, "model-y", cache=kept, asks_again=0)
        assert other.judge([CASE]) == [None]  # another model's verdict is another
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("{'pred': 'yes', 'score': 4}", Verdict(True, 4)),
        ('{"pred": "No", "score": 0}', Verdict(False, 0)),
        ("Sure: ```python\n{'pred': 'yes', 'score': '3'}\n```", Verdict(True, 3)),
        ("{'pred': 'unsure', 'score': 2}", Verdict(None, 2)),
        ("{'pred': 'yes', 'score': -1}", None),
        ("{'pred': True, 'score': 4}", None),
        ("{'pred': 'yes', 'score': None}", None),
        ("{'pred': 'yes', 'score': 1e999}", None),
        ("{__import__('os')}", None),
        ("", None),
    ],
)
def test_reading_a_reply(reply, verdict):
    assert parse_verdict(reply) == verdict


@given(st.text(alphabet="{}'\"predscoyn: ,015", max_size=60))
def test_no_reply_breaks_the_reader(reply):
    assert parse_verdict(reply) is None or isinstance(parse_verdict(reply), Verdict)


def test_the_environment_names_the_judge(monkeypatch, tmp_path):
    for name in ("URL", "MODEL", "KEY", "CACHE"):
        monkeypatch.delenv(f"VOCO_JUDGE_{name}", raising=False)
    assert isinstance(default_judge(), OfflineJudge)
    monkeypatch.setenv("VOCO_JUDGE_URL", "https://host/v1/")
    with pytest.raises(VocoError, match="VOCO_JUDGE_MODEL names no model"):
        default_judge()
    monkeypatch.setenv("VOCO_JUDGE_MODEL", "m")
    monkeypatch.setenv("VOCO_HOME", str(tmp_path))
    judge = default_judge()
    assert (judge.url, judge.name, judge.cache) == (
        "https://host/v1",
        "model_judge",
        tmp_path / "judge-cache.jsonl",
    )
    monkeypatch.setenv("VOCO_JUDGE_URL", f"https://me:{SECRET}@host/v1")
    with pytest.raises(VocoError, match="expected http") as told:
        default_judge()
    assert SECRET not in str(told.value)

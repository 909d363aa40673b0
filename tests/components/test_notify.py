"""Notify: to a webhook, by mail, into a file; tried again, never failing, never telling the address."""

import json
import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components import notify
from components.stepping.job import Job

SECRET = "T00/B00/canary-of-the-webhook"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(notify, "PAUSE", 0.01)
    monkeypatch.setenv("VOCO_RUN", "run-7")
    for name in ("VOCO_SMTP", "VOCO_MAIL_FROM", "VOCO_NOTIFY"):
        monkeypatch.delenv(name, raising=False)


def told(tmp_path, state="FAILED", error="align: the disk is full\nby 3 GB"):
    settings = {"pipeline": "voco-retraining", "state": state, "error": error}
    return notify.step(Job("notify", settings, {}, {}, tmp_path)).values


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def webhook(*answers):
    """Answers requests with these codes in turn; `seen` are their paths and bodies."""
    seen, codes = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers["Content-Type"], json.loads(body)))
            self.send_response(codes.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments): ...

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}/{SECRET}", seen


@contextmanager
def mail_server():
    """Takes letters, speaking just enough SMTP; `letters` are their lines."""
    letters = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.say("220 here")
            for line in self.rfile:
                word = line.decode().strip().upper().split(" ")[0]
                if word == "DATA":
                    self.say("354 go on")
                    letters.append(self.letter())
                self.say({"QUIT": "221 bye", "EHLO": "250 here"}.get(word, "250 ok"))
                if word == "QUIT":
                    return

        def letter(self):
            lines = []
            for line in self.rfile:
                if line == b".\r\n":
                    break
                lines.append(line.decode().strip())
            return lines

        def say(self, text):
            self.wfile.write(f"{text}\r\n".encode())

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as server:
        yield server.server_address[1], letters


def test_a_webhook_is_told_in_slacks_words(tmp_path, monkeypatch):
    with webhook(200) as (url, seen):
        monkeypatch.setenv("VOCO_NOTIFY", url)
        assert told(tmp_path) == {"sent": "yes", "reason": ""}
    text = "voco-retraining: run run-7 failed\nalign: the disk is full by 3 GB"
    assert seen == [(f"/{SECRET}", "application/json", {"text": text})]


def test_what_may_pass_is_tried_again_and_what_will_not_is_left(tmp_path, monkeypatch, capfd):
    for answers, sent, count in (((503, 429, 200), "yes", 3), ((500, 500, 500), "no", 3), ((404,), "no", 1)):
        with webhook(*answers) as (url, seen):
            monkeypatch.setenv("VOCO_NOTIFY", url)
            found = told(tmp_path)
        assert (found["sent"], len(seen)) == (sent, count)
        assert "canary" not in json.dumps(found)
    assert told(tmp_path)["reason"] == "webhook: URLError, tried 3 times"  # nobody there any more
    assert "canary" not in "".join(capfd.readouterr())


def test_a_place_that_makes_no_sense_fails_nothing(tmp_path, monkeypatch):
    for place in ("https://[canary", "http://user:canary@:x/", "/proc/canary/file", "mailto:someone@example.org"):
        monkeypatch.setenv("VOCO_NOTIFY", place)
        found = told(tmp_path)
        assert found["sent"] == "no"
        assert "canary" not in found["reason"]


def test_a_letter_is_sent(tmp_path, monkeypatch):
    with mail_server() as (port, letters):
        monkeypatch.setenv("VOCO_NOTIFY", "mailto:team@example.org")
        monkeypatch.setenv("VOCO_SMTP", f"smtp://127.0.0.1:{port}")
        assert told(tmp_path, "SUCCEEDED", "")["sent"] == "yes"
        monkeypatch.setenv("VOCO_SMTP", f"smtp://user:canary@127.0.0.1:{port}")
        found = told(tmp_path)
        assert "a password is not sent without" in found["reason"]
    (letter,) = letters
    assert "Subject: voco-retraining: run run-7 succeeded" in letter
    assert "To: team@example.org" in letter


def test_a_file_takes_a_line_for_each(tmp_path, monkeypatch, capfd):
    for place in (str(tmp_path / "new" / "told.jsonl"), f"file://{tmp_path}/new/told.jsonl"):
        monkeypatch.setenv("VOCO_NOTIFY", place)
        assert told(tmp_path)["sent"] == "yes"
    lines = [json.loads(line) for line in (tmp_path / "new" / "told.jsonl").read_text().splitlines()]
    assert [line["title"] for line in lines] == ["voco-retraining: run run-7 failed"] * 2
    assert lines[0]["text"] == "align: the disk is full by 3 GB"


def test_without_a_place_the_log_is_told(tmp_path, capfd):
    assert told(tmp_path)["sent"] == "no"
    assert "voco-retraining: run run-7 failed" in capfd.readouterr().out

"""Notify: says how a run ended, to a webhook, by mail, or into a file. That it could not never fails the run.

VOCO_NOTIFY     https://... (a webhook as Slack's), mailto:someone@example.org, or a file's path
VOCO_SMTP       for mail: smtp://[user:password@]host[:port] or smtps://...
VOCO_MAIL_FROM  for mail: the sender (default: voco@localhost)

All of them are secrets: they are read from the environment alone, and never said.
"""

import json
import os
import smtplib
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from components.stepping.job import Done, Job
from voco_model.errors import VocoError

KEYS = {"pipeline", "state", "error"}
TRIES, PAUSE = 3, 1.0
"""How often, and seconds before the second try; each further one waits twice as long."""
LONGEST_WAIT = 15.0
"""Seconds for one try."""
LONGEST_ERROR = 1000
Send = Callable[[str, str], None]
"""Takes a title and a text; raises OSError where another try may help, VocoError where none will."""


def step(job: Job) -> Done:
    """As a pipeline's exit handler, with what KFP says of the run as settings."""
    job.check_settings(KEYS)
    place = os.environ.get("VOCO_NOTIFY", "")
    title, text = message(job, os.environ.get("VOCO_RUN") or "by hand")
    print(title, flush=True)
    if not place:
        return Done(values={"sent": "no", "reason": "VOCO_NOTIFY is not set"})
    failure = send(place, title, text)
    if failure:
        print(f"the notification was not sent: {failure}", flush=True)
    return Done(values={"sent": "no" if failure else "yes", "reason": failure})


def message(job: Job, run: str) -> tuple[str, str]:
    """A line, and what follows it."""
    state = str(job.setting("state", "UNKNOWN"))
    name = str(job.setting("pipeline") or "pipeline")
    word = {"SUCCEEDED": "succeeded", "FAILED": "failed"}.get(state, state.lower())
    error = " ".join(str(job.setting("error") or "").split())[:LONGEST_ERROR]
    return f"{name}: run {run} {word}", error


def send(place: str, title: str, text: str) -> str:
    """Try a few times; why it could not be sent, or nothing. Says nothing of the place but its kind."""
    failure = ""
    for number in range(TRIES):
        if number:
            time.sleep(PAUSE * 2 ** (number - 1))
        try:
            _channel(place)(title, text)
        except VocoError as error:
            return str(error)
        except Exception as error:  # whatever a channel does, the run ended as it ended
            failure = f"{_kind(place)}: {_told(error)}, tried {number + 1} times"
        else:
            return ""
    return failure


def _channel(place: str) -> Send:
    kind = _kind(place)
    if kind == "webhook":
        return lambda title, text: _to_webhook(place, title, text)
    if kind == "mail":
        return lambda title, text: _by_mail(urlsplit(place).path, title, text)
    return lambda title, text: _to_file(Path(place.removeprefix("file://")), title, text)


def _kind(place: str) -> str:
    scheme = place.partition(":")[0].lower() if ":" in place else ""
    return {"http": "webhook", "https": "webhook", "mailto": "mail"}.get(scheme, "file")


def _to_webhook(url: str, title: str, text: str) -> None:
    body = json.dumps({"text": f"{title}\n{text}".strip()}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=LONGEST_WAIT):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        if 400 <= error.code < 500 and error.code not in (408, 429):
            raise VocoError(f"webhook: it answered {error.code}; look at VOCO_NOTIFY") from None
        raise


def _by_mail(to: str, title: str, text: str) -> None:
    server = urlsplit(os.environ.get("VOCO_SMTP", ""))
    if server.scheme not in ("smtp", "smtps") or not server.hostname:
        raise VocoError("mail: VOCO_SMTP is not smtp://host or smtps://host; set it beside VOCO_NOTIFY")
    letter = EmailMessage()
    letter["Subject"], letter["To"] = title, unquote(to)
    letter["From"] = os.environ.get("VOCO_MAIL_FROM", "voco@localhost")
    letter.set_content(f"{title}\n\n{text}\n")
    with _smtp(server) as smtp:
        if server.username:
            smtp.login(unquote(server.username), unquote(server.password or ""))
        smtp.send_message(letter)


def _smtp(server: SplitResult) -> smtplib.SMTP:
    """Encrypted where the server can."""
    host = server.hostname or ""
    if server.scheme == "smtps":
        return smtplib.SMTP_SSL(host, server.port or 465, timeout=LONGEST_WAIT)
    smtp = smtplib.SMTP(host, server.port or 25, timeout=LONGEST_WAIT)
    smtp.ehlo()
    if smtp.has_extn("starttls"):
        smtp.starttls(context=ssl.create_default_context())
        smtp.ehlo()
    elif server.username:
        smtp.close()
        raise VocoError(
            "mail: the server takes no encrypted connection, and a password is not sent without; use smtps"
        )
    return smtp


def _to_file(path: Path, title: str, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "title": title, "text": text}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _told(error: Exception) -> str:
    """What went wrong, without what a library may repeat of an address or a password."""
    code = getattr(error, "code", None) or getattr(error, "smtp_code", None)
    return type(error).__name__ + (f" {code}" if isinstance(code, int) else "")

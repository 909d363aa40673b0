"""A model behind an OpenAI-compatible endpoint as judge, by the protocol of Video-ChatGPT: yes or no, and 0 to 5.

VOCO_JUDGE_URL     the endpoint, such as https://host/v1
VOCO_JUDGE_MODEL   the model's name there
VOCO_JUDGE_KEY     the key, where the endpoint wants one; it appears nowhere else
VOCO_JUDGE_CACHE   a file that keeps the verdicts (default: judge-cache.jsonl below $VOCO_HOME, or .voco)
"""

import ast
import json
import os
import random
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

from voco_model.errors import VocoError
from voco_model.evaluation.judging import Case, Verdict
from voco_model.evaluation.judging.cache import VerdictCache

URL, MODEL, KEY, CACHE = "VOCO_JUDGE_URL", "VOCO_JUDGE_MODEL", "VOCO_JUDGE_KEY", "VOCO_JUDGE_CACHE"
_SYSTEM = (
    "You judge answers to questions about videos. Compare the predicted answer with the correct one and decide "
    "whether they mean the same. Synonyms and other wordings of the same meaning count as a match."
)
_TASK = (
    "Question: {question}\nCorrect answer: {answer}\nPredicted answer: {prediction}\n\n"
    "Reply with a Python dictionary and nothing else. Its key 'pred' holds 'yes' if the predicted answer is "
    "correct and 'no' if it is not; its key 'score' holds an integer from 0 to 5, 5 for the best match, as in "
    "{{'pred': 'yes', 'score': 4}}."
)
_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504}
_REPLY = 1 << 20
"""Bytes of a reply that are read."""


class _Later(Exception):
    """Try again; after so many seconds, if the server said."""

    def __init__(self, what: str, seconds: float | None = None) -> None:
        super().__init__(what)
        self.seconds = seconds


@dataclass
class RemoteJudge:
    """Asks for many verdicts at once, tries again what fails in passing, and asks anew for replies of no use."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    cache: Path | None = None
    workers: int = 8
    timeout: float = 60.0
    tries: int = 6
    """Requests for one reply, where the server fails."""
    asks_again: int = 3
    """Times a reply of no use is asked for anew."""
    first_wait: float = 1.0
    longest_wait: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    name: str = "model_judge"

    def __post_init__(self) -> None:
        if not re.match(r"https?://[^\s/@]+(/|$)", self.url):
            raise VocoError(f"{URL}: expected http(s)://HOST/..., without a user or key in it")
        self.url = self.url.rstrip("/")
        self._known: VerdictCache | None = None

    @classmethod
    def from_environment(cls) -> "RemoteJudge":
        """As the environment variables say."""
        if not os.environ.get(MODEL):
            raise VocoError(f"{URL} names a judge but {MODEL} names no model; set both")
        home = Path(os.environ.get("VOCO_HOME", ".voco"))
        cache = Path(os.environ.get(CACHE, home / "judge-cache.jsonl"))
        return cls(os.environ[URL], os.environ[MODEL], os.environ.get(KEY, ""), cache)

    @property
    def about(self) -> str:
        """For a remark beside the figures; of the endpoint no more than the model's name."""
        return f"judged by the model {self.model} (Video-ChatGPT's protocol)"

    def judge(self, cases: Sequence[Case]) -> list[Verdict | None]:
        """Equal cases are asked once."""
        if self.cache is not None:
            self._known = VerdictCache(self.cache, self.model)
        distinct = list(dict.fromkeys(cases))
        pool = ThreadPoolExecutor(self.workers)
        try:
            verdicts = dict(zip(distinct, pool.map(self._one, distinct), strict=True))
        finally:
            pool.shutdown(cancel_futures=True)
        return [verdicts[case] for case in cases]

    def _one(self, case: Case) -> Verdict | None:
        if self._known is not None and (kept := self._known.get(case)) is not None:
            return kept
        for _ in range(1 + self.asks_again):
            verdict = parse_verdict(self._reply(case))
            if verdict is not None:
                if self._known is not None:
                    self._known.put(case, verdict)
                return verdict
        return None

    def _reply(self, case: Case) -> str:
        """The judge's words; what fails in passing is tried again, later each time."""
        wait = self.first_wait
        for left in reversed(range(self.tries)):
            try:
                return self._request(case)
            except _Later as error:
                if not left:
                    raise VocoError(
                        f"the judge at {URL} failed {self.tries} times, last with {error}; verdicts so far are "
                        "kept: run the same command again later"
                    ) from None
                self.sleep(min(self.longest_wait, error.seconds or wait * random.uniform(0.5, 1.0)))
                wait *= 2
        raise AssertionError("tries is at least 1")

    def _request(self, case: Case) -> str:
        task = _TASK.format(question=case.question, answer=case.answer, prediction=case.prediction)
        messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": task}]
        body = json.dumps({"model": self.model, "messages": messages, "temperature": 0}).encode()
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.key}"} if self.key else {}
        )
        request = urllib.request.Request(f"{self.url}/chat/completions", body, headers)
        try:
            with _OPENER.open(request, timeout=self.timeout) as response:
                return _content(response.read(_REPLY))
        except urllib.error.HTTPError as error:
            with error:
                if error.code in _RETRIED:
                    raise _Later(f"HTTP {error.code}", _retry_after(error.headers.get("Retry-After"))) from None
                raise VocoError(f"the judge at {URL} answered HTTP {error.code}; {_advice(error.code)}") from None
        except (OSError, HTTPException) as error:
            raise _Later(type(error).__name__) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the key to another place."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _advice(code: int) -> str:
    if code in (401, 403):
        return f"check {KEY}"
    return f"check {URL} and {MODEL}"


def _content(raw: bytes) -> str:
    """The message in a reply; half a reply is tried again."""
    try:
        content = json.loads(raw)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError):
        raise _Later("a reply that is not a chat completion") from None
    return content if isinstance(content, str) else ""


def _retry_after(value: str | None) -> float | None:
    """Seconds from a number of them or from a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def parse_verdict(reply: str) -> Verdict | None:
    """A dictionary with `pred` and `score`, as Python or JSON, alone or within other words; None for all else."""
    found = re.search(r"\{[^{}]*\}", reply)
    for read in (ast.literal_eval, json.loads):
        try:
            told = read(found[0]) if found else None
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(told, dict) and isinstance(told.get("pred"), str):
            return _as_verdict(told["pred"].lower(), told.get("score"))
    return None


def _as_verdict(told: str, score: object) -> Verdict | None:
    try:
        value = int(float(score)) if isinstance(score, str) else int(score)  # type: ignore[call-overload]
    except (ValueError, TypeError, OverflowError):
        return None
    right = True if "yes" in told else False if "no" in told else None
    return Verdict(right, value) if 0 <= value <= 5 else None

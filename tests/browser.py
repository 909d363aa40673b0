"""A real browser for the tests: what a page looks like at a width, what it complains of, what it asks for."""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import websocket

BROWSERS = ("chromium-headless-shell", "chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
SECONDS = 60
LAYOUT = """JSON.stringify({
  width: innerWidth, scroll: document.documentElement.scrollWidth, height: document.documentElement.scrollHeight,
  beyond: [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll') &&
      e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.getAttribute('class')),
  broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).length,
  text: document.body.innerText, title: document.title,
})"""


def browser() -> str:
    """The browser's path; the test is skipped where there is none."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no browser here: chromium is missing; `.ci/packages` installs it")
    return found


@dataclass
class Page:
    """A page as it was shown."""

    width: int
    scroll: int
    """How wide the content is; more than the width scrolls sideways."""
    height: int
    beyond: list[str]
    """What reaches over the right edge, outside of what scrolls by itself."""
    broken: int
    """Pictures that could not be shown."""
    text: str
    title: str
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console."""
    asked: list[str] = field(default_factory=list)
    """Addresses that were asked for, without the page itself and what lies inside of it."""


class Tab:
    """One tab, driven by DevTools' protocol."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(address, timeout=SECONDS, suppress_origin=True)
        self.events: list[dict[str, Any]] = []
        self.number = 0
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while (told := json.loads(self.socket.recv())).get("id") != self.number:
            self.events.append(told)
        assert "error" not in told, told
        return told["result"]

    def show(self, page: Path, width: int, picture: Path | None = None) -> Page:
        """Open a file at a width; `picture` is where the whole page is drawn to."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=page.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(json.loads(self.socket.recv()))
        seen = json.loads(self.call("Runtime.evaluate", expression=LAYOUT)["result"]["value"])
        if picture is not None:
            whole = {"x": 0, "y": 0, "width": width, "height": seen["height"], "scale": 1}
            shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=whole)
            picture.write_bytes(base64.b64decode(shot["data"]))
        return Page(**seen, complaints=self._complaints(), asked=self._asked(page))

    def _complaints(self) -> list[str]:
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [json.dumps(event["params"]) for event in self.events if event.get("method") in kinds]

    def _asked(self, page: Path) -> list[str]:
        sent = [e["params"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [
            one["request"]["url"][:80]
            for one in sent
            if not one["request"]["url"].startswith(("data:", page.as_uri()))
        ]


@contextmanager
def opened(folder: Path) -> Iterator[Tab]:
    """A tab of a new browser that knows nothing and reaches no network."""
    profile = folder / "profile"
    command = [browser(), *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, start_new_session=True, **quiet) as process:
        try:
            yield Tab(_address(profile / "DevToolsActivePort", process))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the browser that a starting script left


def _address(file: Path, process: subprocess.Popen) -> str:
    from urllib.request import urlopen

    end = time.monotonic() + SECONDS
    while not (file.exists() and file.read_text().strip()):
        assert process.poll() is None, "the browser ended"
        assert time.monotonic() < end, "the browser does not answer"
        time.sleep(0.05)
    port = file.read_text().split()[0]
    with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=SECONDS) as answer:
        return next(one["webSocketDebuggerUrl"] for one in json.load(answer) if one["type"] == "page")

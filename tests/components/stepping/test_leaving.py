"""A step's process ends at once when its work went well, and as ever when it did not."""

import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
import atexit, multiprocessing.util, os, signal, sys, time
from importlib.machinery import ModuleSpec
from components.stepping.leaving import leaves_at_once

sys.modules["__main__"].__spec__ = ModuleSpec({name!r}, None)

class Slow:
    def __del__(self):
        os.write(1, b"taken apart")

kept = Slow()
with leaves_at_once():
    atexit.register(print, "asked for while at work")
    {within}
{after}
print("written", end="")
"""


def ended(name="kfp.dsl.executor_main", within="pass", after=""):
    program = PROGRAM.format(name=name, within=within, after=textwrap.dedent(after))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)


def test_after_good_work_nothing_is_taken_apart_but_all_is_written():
    done = ended()
    assert done.returncode == 0
    assert done.stdout == "writtenasked for while at work\n"


def test_children_are_ended_even_those_that_ignore_a_request():
    """The output is read to its end: a child that lived on would hold it for ten minutes."""
    deaf = "lambda: (signal.signal(signal.SIGTERM, signal.SIG_IGN), time.sleep(600))"
    child = f"multiprocessing.Process(target={deaf}, daemon=True)"
    done = ended(within=f"{child}.start(); time.sleep(0.5)")
    assert done.returncode == 0
    assert "taken apart" not in done.stdout


@pytest.mark.parametrize(
    ("within", "after", "status", "said"),
    [
        ("raise ValueError('of the work')", "", 1, "ValueError: of the work"),
        ("pass", "raise ValueError('of what came after')", 1, "ValueError: of what came after"),
        ("sys.exit(75)", "", 75, ""),
        ("pass", "sys.exit(75)", 75, ""),
    ],
)
def test_a_failure_keeps_its_status_and_traceback(within, after, status, said):
    done = ended(within=within, after=after)
    assert done.returncode == status
    assert said in done.stderr
    assert "taken apart" in done.stdout


def test_elsewhere_nothing_happens():
    done = ended(name="pytest")
    assert done.returncode == 0
    assert "taken apart" in done.stdout

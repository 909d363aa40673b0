"""A local run seen through its log: what began, how far it is, what an earlier run had done, what failed."""

import io
import json

from components.stepping.events import MARK
from pipelines.local.display import Display
from pipelines.local.runner import label_of
from pipelines.local.watching import Seen, Watch


def event(task, kind, **more):
    return f"    {MARK}{json.dumps({'task': task, 'event': kind, **more})}\n"


def ended(task, seconds=2.0, **values):
    return event(task, "ended", seconds=seconds, outputs={"model": f"/x/{task}"}, values=values)


def test_events_make_what_is_seen(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text(event("ingest", "started") + ended("ingest") + "noise\n" + event("align", "started"))
    watch = Watch(log)
    seen = watch.look()
    assert seen.ended == {"ingest": 2.0}
    assert seen.outputs["ingest"] == {"model": "/x/ingest"}
    assert list(seen.running) == ["align"]
    with log.open("a") as file:
        file.write(event("align", "figures", step=5, figures={"share": 0.5, "loss": 1.25}))
    assert watch.look().running == {"align": 0.5}
    assert watch.look().figures["loss"] == 1.25


def test_half_a_line_waits_for_its_other_half(tmp_path):
    log = tmp_path / "log.txt"
    line = ended("ingest")
    log.write_text(line[:30])
    watch = Watch(log)
    assert not watch.look().ended
    with log.open("a") as file:
        file.write(line[30:])
    assert watch.look().ended == {"ingest": 2.0}


def test_tasks_are_called_the_same_whether_done_or_answered_by_the_cache():
    assert label_of("comp-continue-video", {"config": "{}"}) == "continue_video"
    assert label_of("comp-instruct", {"task": "bounds"}) == "bounds"
    assert label_of("comp-evaluate", {"benchmark": "pope"}) == "evaluate pope"


def test_the_first_word_of_a_failure_is_kept(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("    voco: error: the disk is full; free some\n")
    assert Watch(log).look().error == "the disk is full; free some"


def test_a_failure_that_was_not_mended_counts_even_behind_the_exit_task(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("voco: error: away\n" + ended("promote"))
    assert Watch(log).look().is_well
    log.write_text(ended("promote") + "voco: error: refused\n" + ended("notify"))
    assert not Watch(log).look().is_well
    log.write_text(event("align", "started") + ended("notify"))
    assert not Watch(log).look().is_well


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_and_a_file_one_for_each_task():
    seen = Seen(running={"align": 0.5}, ended={"ingest": 2.0, "validate": 0.0}, figures={"loss": 0.5})
    for out, wanted in ((Terminal(), "step 3 of 4"), (io.StringIO(), "[ 1/4] ingest")):
        display = Display({"ingest": 2.0, "validate": 3.0, "align": 10.0, "audit": 1.0}, out)
        display.show(seen)
        display.close()
        assert wanted in out.getvalue()
        assert "done before" in out.getvalue()


def test_work_that_was_done_before_counts_for_nothing():
    display = Display({"ingest": 5.0, "align": 10.0, "audit": 5.0}, io.StringIO())
    assert display.share(Seen(ended={"ingest": 0.0}, running={"align": 0.5})) == 5.0 / 15.0
    assert display.share(Seen(ended={"ingest": 4.0, "align": 9.0, "audit": 1.0})) == 1.0

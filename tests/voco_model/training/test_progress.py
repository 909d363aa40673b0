"""The figures of a report, and how they are shown."""

import io

import pytest
import torch

from voco_model.training.progress import Meter, line, matrix_rate, show

REPORT = {
    "stage": "instruct",
    "step": 120,
    "steps": 1000,
    "loss": 1.23456,
    "tokens_per_second": 8123.4,
    "samples_per_second": 120.26,
    "mfu": 0.314,
    "data_wait": 0.021,
    "memory_bytes": 1.5 * 2**30,
    "seconds_per_step": 0.5,
    "eta_seconds": 3725,
    "skipped": 0,
}


def test_a_report_in_one_line():
    assert line(REPORT) == (
        "instruct 120/1000  loss 1.2346  8,123 tokens/s  120.3 samples/s  MFU 31%  data 2%  1.50 GiB  ETA 1:02:05"
    )
    more = line(REPORT | {"validation_loss": 2.0, "skipped": 3, "eta_seconds": 61})
    assert "loss 1.2346  validation 2.0000" in more
    assert more.endswith("ETA 1:01  3 skipped")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_keeps_one_line_and_a_file_gets_all():
    for out, expected in ((Terminal(), 1), (io.StringIO(), 2)):
        write = show(out)
        write(REPORT)
        write(REPORT | {"step": 1000})
        assert out.getvalue().count("\n") == expected
        assert out.getvalue().endswith("\n") or expected == 1


def test_figures_are_of_the_time_since_the_last_report():
    meter = Meter("instruct", 10, "cpu", torch.float32, operations_per_token=1e6)
    for loss in (3.0, 1.0):
        meter.tokens += 500
        meter.samples += 5
        meter.step({"loss": loss, "ce": loss / 2})
    meter.split.whole, meter.split.data = 4.0, 1.0
    figures = meter.report(2)
    assert (figures["loss"], figures["ce"]) == (2.0, 1.0)
    assert (figures["tokens_per_second"], figures["samples_per_second"]) == (250.0, 2.5)
    assert (figures["data_wait"], figures["seconds_per_step"], figures["eta_seconds"]) == (0.25, 2.0, 16.0)
    assert figures["mfu"] == pytest.approx(250e6 / matrix_rate("cpu", torch.float32))
    assert meter.report(2)["tokens_per_second"] == 0


def test_skipped_steps_have_no_loss():
    meter = Meter("instruct", 10, "cpu", torch.float32)
    meter.step({})
    assert torch.isnan(torch.tensor(meter.report(1)["loss"]))

"""KFP's six-field cron expressions: what they mean, when they fire next, and which never do."""

from datetime import UTC, datetime

import pytest

from pipelines.cluster.cron import firing_cron, parse_cron
from voco_model.errors import VocoError

MONDAY = datetime(2026, 1, 5, 3, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 3 ? * 1", "2026-01-12 03:00:00"),
        ("0 0 3 ? * MON-FRI", "2026-01-06 03:00:00"),
        ("0 */15 * * * *", "2026-01-05 03:15:00"),
        ("30 0 3 * * *", "2026-01-05 03:00:30"),
        ("0 0 0 1 * ?", "2026-02-01 00:00:00"),
        ("0 0 0 29 2 ?", "2028-02-29 00:00:00"),
        ("0 0 0 13 * 5", "2026-01-09 00:00:00"),
        ("0 0 9,17 31 DEC ?", "2026-12-31 09:00:00"),
        ("*/20 10-12 4 * * *", "2026-01-05 04:10:00"),
        ("0 5/30 * * * *", "2026-01-05 03:05:00"),
    ],
)
def test_next_firing(text, expected):
    assert f"{firing_cron(text, MONDAY)[1]:%Y-%m-%d %H:%M:%S}" == expected


def test_firings_follow_each_other():
    cron, moment = parse_cron("0 0 */6 * * *"), MONDAY
    found = []
    for _ in range(4):
        moment = cron.next_after(moment)
        found.append(moment.hour)
    assert found == [6, 12, 18, 0]


@pytest.mark.parametrize("text", ["0 0 3 30 2 ?", "0 0 0 31 4,6,9,11 *"])
def test_one_that_never_fires_is_refused(text):
    with pytest.raises(VocoError, match="never fires"):
        firing_cron(text, MONDAY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 3 * * 1", 'seconds come first: write "0 0 3'),
        ("@weekly", "has 1 fields"),
        ("0 60 * * * *", "minutes '60' is out of its range 0-59"),
        ("0 0 0 * * 7", "day of week '7' is out of its range 0-6"),
        ("0 0 0 0 * *", "day of month '0'"),
        ("0 0 0 * FEBR *", "month 'FEBR'"),
        ("0 0 5-3 * * *", "hours '5-3'"),
        ("0 0 */0 * * *", r"hours '\*/0'"),
        ("0 0 3; * * *", "hours '3;' is not a number"),
    ],
)
def test_mistakes_name_their_field(text, message):
    with pytest.raises(VocoError, match=message):
        parse_cron(text)

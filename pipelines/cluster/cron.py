"""KFP's cron expressions: six fields, seconds first. One that never fires is refused, not found weeks later."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from voco_model.errors import VocoError

YEARS = 5
"""How far KFP's scheduler itself looks ahead."""
MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
PART = re.compile(r"(?P<first>\*|\?|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")
FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("seconds", 0, 59, {}),
    ("minutes", 0, 59, {}),
    ("hours", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, MONTHS),
    ("day of week", 0, 6, DAYS),
)


@dataclass(frozen=True)
class Cron:
    """A parsed expression; times are UTC, as KFP's scheduler is set up unless told otherwise."""

    text: str
    allowed: tuple[frozenset[int], ...]
    """For each field."""
    any_day_of_month: bool
    any_day_of_week: bool

    def next_after(self, moment: datetime) -> datetime | None:
        """When it fires next; None where it does not within five years."""
        seconds, minutes, hours = (sorted(one) for one in self.allowed[:3])
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        day = start.replace(hour=0, minute=0, second=0)
        for _ in range(366 * YEARS):
            if self._matches(day):
                for hour in hours:
                    if day + timedelta(hours=hour + 1) <= start:
                        continue
                    for minute in minutes:
                        for second in seconds:
                            found = day.replace(hour=hour, minute=minute, second=second)
                            if found >= start:
                                return found
            day += timedelta(days=1)
        return None

    def _matches(self, day: datetime) -> bool:
        """If both kinds of day are restricted, one of them is enough: so cron has always been."""
        if day.month not in self.allowed[4]:
            return False
        in_month, in_week = day.day in self.allowed[3], day.isoweekday() % 7 in self.allowed[5]
        if self.any_day_of_month or self.any_day_of_week:
            return in_month and in_week
        return in_month or in_week


def parse_cron(text: str) -> Cron:
    """Read an expression; a VocoError says which field is wrong."""
    words = text.split()
    if len(words) != len(FIELDS):
        hint = f'; seconds come first: write "0 {" ".join(words)}"' if len(words) == 5 else ""
        raise VocoError(
            f"cron {text!r}: has {len(words)} fields, KFP reads six: seconds minutes hours day month weekday{hint}"
        )
    allowed = tuple(_field(word, *field, text) for word, field in zip(words, FIELDS, strict=True))
    return Cron(text, allowed, words[3][0] in "*?", words[5][0] in "*?")


def firing_cron(text: str, now: datetime | None = None) -> tuple[Cron, datetime]:
    """An expression that does fire, and when next."""
    cron = parse_cron(text)
    coming = cron.next_after(now or datetime.now(UTC))
    if coming is None:
        raise VocoError(
            f"cron {text!r}: never fires within {YEARS} years; is there such a day? '0 0 3 ? * 1' is Mondays at 3"
        )
    return cron, coming


def _field(word: str, name: str, least: int, most: int, names: dict[str, int], text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        match = PART.fullmatch(part)
        if match is None:
            raise VocoError(
                f"cron {text!r}: {name} {word!r} is not a number, range or list; write such as * or 1-5"
            )
        step = int(match["step"] or 1)
        if match["first"] in "*?":
            first, last = least, most
            wrong = match["last"] is not None
        else:
            first = _number(match["first"], names)
            last = _number(match["last"], names) if match["last"] else (most if match["step"] else first)
            wrong = not least <= first <= last <= most
        if wrong or step < 1:
            raise VocoError(f"cron {text!r}: {name} {part!r} is out of its range {least}-{most}")
        found |= set(range(first, last + 1, step))
    return frozenset(found)


def _number(word: str, names: dict[str, int]) -> int:
    return int(word) if word.isdecimal() else names.get(word.lower(), -1)

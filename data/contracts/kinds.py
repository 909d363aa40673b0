"""The contracts: which checks a kind of data set has, how severe each is, and its bounds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from data.contracts.near import MAX_DISTANCE
from voco_model.errors import VocoError

Severity = Literal["error", "warning"]

BOUNDS: dict[str, float] = {
    "min_records": 1,
    "min_side": 16,  # pixels
    "max_side": 16384,
    "max_aspect": 10,  # long side by short side
    "min_words": 2,  # of a caption
    "max_words": 150,
    "min_ascii_letters": 0.7,  # share among ASCII letters and all characters beyond ASCII
    "min_duration": 0.5,  # seconds
    "max_duration": 600,
    "min_frames": 2,
    "max_frames": 100_000,
    "near_distance": 3,  # bits of the perceptual hash in which pictures or clips that look alike may differ
    "drift": 0.2,  # share by which a quantile of the text length may differ from the previous version's
    "drift_characters": 5,  # a difference this small never counts
}
"""Every bound by its name, with what holds where a contract says nothing else."""


@dataclass(frozen=True)
class Check:
    """One expectation: about a column of the measured frame, or about the whole of it."""

    name: str
    sort: Literal["finding", "between", "unique", "records", "drift"]
    column: str
    says: str
    """What is expected, for a reader; bounds stand in braces."""
    severity: Severity = "error"
    allowed: float = 0.0
    """The share of records that may fail it."""
    low: str | None = None
    """The bound's name."""
    high: str | None = None


@dataclass(frozen=True)
class Contract:
    """What must hold for a kind of data set."""

    kind: str
    checks: tuple[Check, ...]
    bounds: Mapping[str, float]
    by_text: bool = False
    """Several records may have the same media: only those that also say the same are duplicates."""

    @property
    def source(self) -> str:
        """What every record's `source` should be; a benchmark's images may come from anywhere."""
        return "" if self.kind == "benchmark" else self.kind

    def says(self, check: Check) -> str:
        """What a check expects, with the bounds filled in."""
        text = check.says.format(**{name: f"{value:,g}" for name, value in self.bounds.items()})
        return text + (f" At most {100 * check.allowed:.3g} % may fail." if check.allowed else "")

    def changed(self, thresholds: Mapping[str, float], severities: Mapping[str, str]) -> "Contract":
        """With other bounds, allowed shares (`allowed.CHECK`) and severities."""
        bounds, checks = dict(self.bounds), {check.name: check for check in self.checks}
        for name, value in thresholds.items():
            check = name.removeprefix("allowed.")
            if name in bounds:
                bounds[name] = value
            elif name == f"allowed.{check}" and check in checks:
                checks[check] = replace(checks[check], allowed=value)
            else:
                known = ", ".join(bounds)
                raise VocoError(f"threshold {name}: {self.kind} has none; there are {known}, allowed.CHECK")
        distance = bounds["near_distance"]
        if distance != int(distance) or distance > MAX_DISTANCE:
            raise VocoError(f"threshold near_distance is {distance:g}; give whole bits from 0 to {MAX_DISTANCE}")
        for name, severity in severities.items():
            if name not in checks:
                raise VocoError(
                    f"severity of {name}: {self.kind} has no such check; there are {', '.join(checks)}"
                )
            if severity not in ("error", "warning"):
                raise VocoError(f"severity of {name} is {severity}; say error or warning")
            level: Severity = "error" if severity == "error" else "warning"
            checks[name] = replace(checks[name], severity=level)
        return replace(self, bounds=bounds, checks=tuple(checks.values()))


def contract_of(name: str) -> Contract:
    """The contract of a kind, by its name."""
    if name not in CONTRACTS:
        raise VocoError(f"contract {name}: unknown; there are {', '.join(CONTRACTS)}")
    return CONTRACTS[name]


MEDIA = (
    Check("records", "records", "", "The data set has records: at least {min_records}.", low="min_records"),
    Check("required", "finding", "required", "Every record has an id, a file, a line and a known kind of media."),
    Check("unique_ids", "unique", "id", "No two records have the same id."),
    Check("media_stored", "finding", "media_stored", "Every image or video exists; text has none."),
    Check("decodable", "finding", "decodable", "Every image or video was decoded."),
    Check("short_side", "between", "short_side", "The short side has at least {min_side} pixels.", low="min_side"),
    Check("long_side", "between", "long_side", "The long side has at most {max_side} pixels.", high="max_side"),
    Check(
        "aspect", "between", "aspect", "The longer side is at most {max_aspect} times the shorter.",
        "warning", 0.001, high="max_aspect",
    ),
    Check("exact_duplicates", "finding", "exact_duplicate", "Few records repeat an earlier one.", "warning", 0.01),
)  # fmt: skip
TRAINING = (
    *MEDIA,
    Check("kind", "finding", "kind", "Every record comes from a data set of this kind."),
    Check("fields", "finding", "fields", "Every conversation is a list of turns with from and value."),
    Check(
        "turn_order", "finding", "turn_order",
        "The human begins, turns alternate, an answer ends them, and no answer is empty.",
    ),
    Check("image_tags", "finding", "image_tags", "One <image> or <video> tag for the media, in a human turn."),
    Check(
        "language", "between", "ascii_letters",
        "Letters are mostly ASCII (a share of {min_ascii_letters}): a guess at the script, not the language.",
        "warning", 0.05, low="min_ascii_letters",
    ),
    Check(
        "near_duplicates", "finding", "near_duplicate",
        "Few pictures or clips look like an earlier one: hashes within {near_distance} of 64 bits.",
        "warning", 0.05,
    ),
    Check(
        "text_length_drift", "drift", "text_length",
        "The text length is distributed as in the previous version: quantiles within {drift} of its own.",
        "warning",
    ),
    Check("leak_digest", "finding", "leak_digest", "No training picture or clip is a benchmark's, byte for byte."),
    Check(
        "leak_near", "finding", "leak_near",
        "No training picture or clip looks like a benchmark's: hashes within {near_distance} of 64 bits.",
        "warning",
    ),
)  # fmt: skip
CAPTIONS = Check(
    "caption_words", "between", "answer_words", "Captions have {min_words} to {max_words} words.",
    "warning", 0.05, "min_words", "max_words",
)  # fmt: skip
BOXES = Check("boxes", "finding", "boxes", "Boxes [x1, y1, x2, y2] lie within 0 to 1, x1 ≤ x2 and y1 ≤ y2.")
VIDEO = (
    Check(
        "duration", "between", "duration", "Videos last {min_duration} to {max_duration} seconds.",
        low="min_duration", high="max_duration",
    ),
    Check(
        "frame_count", "between", "frame_count", "Videos have {min_frames} to {max_frames} frames.",
        low="min_frames", high="max_frames",
    ),
)  # fmt: skip


def _instruct() -> tuple[Check, ...]:
    """The published instruction mix gives one id to several conversations about a picture."""
    return (*(replace(c, severity="warning") if c.name == "unique_ids" else c for c in TRAINING), BOXES)


CONTRACTS: dict[str, Contract] = {
    contract.kind: contract
    for contract in (
        Contract("llava_pretrain", (*TRAINING, CAPTIONS), BOUNDS),
        Contract("llava_instruct", _instruct(), BOUNDS, by_text=True),
        Contract("webvid", (*TRAINING, CAPTIONS, *VIDEO), BOUNDS),
        Contract("video_chatgpt", (*TRAINING, *VIDEO), BOUNDS | {"max_duration": 3600}, by_text=True),
        Contract("benchmark", MEDIA, BOUNDS, by_text=True),
    )
}
"""By the name that `--contract` takes: the kinds of training data, and `benchmark` for images to be tested on."""

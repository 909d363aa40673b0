"""RefCOCO's files: objects of pictures, what people said to mean them, and their boxes."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from voco_model.errors import VocoError
from voco_model.evaluation.files import Record, as_object, as_records, found, read_json
from voco_model.evaluation.items import Item, grouped

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
FILES = ("refs(unc).json", "refs(umd).json", "refs(google).json", "refs*.json")
INSTANCES = ("instances.json", "instances*.json")
TRAINING = "train"
_NUMBER = r"\s*(-?\d+(?:\.\d*)?|-?\.\d+)\s*"
_BOX = re.compile(rf"\[{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\]")


@dataclass(frozen=True)
class Referred:
    """One object with its expressions."""

    record: Record
    id: str
    image: str
    image_id: int
    split: str
    sentences: list[tuple[int | str, str]]
    """Each with its id."""
    box: Box
    """In pixels."""
    size: tuple[int, int]
    """Of the picture: width, height."""

    @property
    def share(self) -> Box:
        """The box in parts of the picture."""
        (width, height), (x0, y0, x1, y1) = self.size, self.box
        return x0 / width, y0 / height, x1 / width, y1 / height


def objects(path: Path, truth: Path | None) -> Iterator[Referred]:
    """All objects that are not for training."""
    refs = as_records(read_json(path), path)
    place = truth if truth is not None and truth.is_file() else found(truth or path.parent, INSTANCES, "RefCOCO")
    instances = as_object(read_json(place), place, "images", "annotations")
    images = {one.identity("id"): one for one in instances.records("images")}
    annotations = {one.identity("id"): one for one in instances.records("annotations")}
    for ref in refs:
        if ref.text("split") != TRAINING:
            yield _referred(ref, images, annotations, place)


def _referred(ref: Record, images: dict[str, Record], annotations: dict[str, Record], place: Path) -> Referred:
    image, annotation = images.get(ref.identity("image_id")), annotations.get(ref.identity("ann_id"))
    if image is None or annotation is None:
        missing = "image_id" if image is None else "ann_id"
        raise VocoError(
            f"{ref.path}: record {ref.number}: its `{missing}` {ref.fields[missing]} is not in {place}"
        )
    box = annotation.need("bbox", list)
    if len(box) != 4 or not all(isinstance(edge, int | float) for edge in box):
        annotation.fail(f"field `bbox`: expected four numbers, found {box}")
    x, y, width, height = map(float, box)
    told = [(s.need("sent_id", int, str), s.text("sent")) for s in ref.records("sentences")]
    return Referred(
        ref,
        ref.identity("ref_id"),
        image.text("file_name"),
        ref.need("image_id", int),
        ref.text("split"),
        told,
        (x, y, x + width, y + height),
        (image.need("width", int), image.need("height", int)),
    )


def by_split(items: Sequence[Item]) -> dict[str, list[Item]]:
    """Answered questions of each split, in the order in which splits first come."""
    return grouped(items, lambda item: item.question.category)


def first_box(text: str) -> Box | None:
    """The first four numbers in brackets."""
    found_box = _BOX.search(text)
    return None if found_box is None else tuple(float(number) for number in found_box.groups())  # type: ignore[return-value]


def in_pixels(box: Box, size: tuple[int, int]) -> Box:
    """Boxes of which no edge is beyond 1 are in parts of the picture."""
    if any(abs(edge) > 1 for edge in box):
        return box
    return box[0] * size[0], box[1] * size[1], box[2] * size[0], box[3] * size[1]


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = area(a) + area(b) - shared
    return shared / union if union > 0 else 0.0


def area(box: Box) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)

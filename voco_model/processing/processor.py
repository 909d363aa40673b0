"""The processor: conversations and pictures in, batches with explicit segments out."""

from array import array
from collections.abc import Sequence as Seq
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoProcessor, BatchFeature, CLIPImageProcessorPil, ProcessorMixin

from voco_model import digest
from voco_model.config import VocoConfig
from voco_model.errors import VocoError
from voco_model.pixels import Preparation, Room, clip_preparation, value_table
from voco_model.processing.batching import Item, Shelf, collate
from voco_model.processing.pictures import ASPECTS, TILE_GRIDS, Source, open_picture, squares
from voco_model.processing.sequence import INTEGERS, BlockShape, Coded, Controls, Sequence, code, write
from voco_model.processing.templates import IMAGE_TAGS, Piece, Turn, template_named, turns_of
from voco_model.processing.tokenizer import voco_id


class VocoProcessor(ProcessorMixin):
    """Makes the batches that `VocoForConditionalGeneration` takes.

    n_voco, n_vision, vision_suffix_ids, positions: as in the model's configuration.
    template: a name in `voco_model.processing.templates`.
    aspect: `pad`, `square` or `tiles`.
    """

    def __init__(
        self,
        image_processor: CLIPImageProcessorPil,
        tokenizer: Any,
        n_voco: int = 1,
        n_vision: int = 576,
        vision_suffix_ids: Seq[int] = (),
        positions: str = "compact",
        window: int = 4096,
        template: str = "voco",
        aspect: str = "pad",
        chat_template: str | None = None,
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        if aspect not in ASPECTS:
            raise VocoError(f"unknown aspect '{aspect}'; there are {', '.join(ASPECTS)}")
        template_named(template)
        self.n_voco, self.n_vision, self.window = n_voco, n_vision, window
        self.vision_suffix_ids = list(vision_suffix_ids)
        self.positions, self.template, self.aspect = positions, template, aspect

    @classmethod
    def for_model(cls, config: VocoConfig, tokenizer: Any, **options: Any) -> "VocoProcessor":
        """The processor that fits a model's configuration."""
        size = config.vision_config.image_size
        pictures = CLIPImageProcessorPil(
            size={"height": size, "width": size}, do_center_crop=False, do_resize=False
        )
        return cls(
            pictures,
            tokenizer,
            n_voco=config.n_voco,
            n_vision=config.n_vision,
            vision_suffix_ids=config.vision_suffix_ids,
            positions=config.positions,
            window=config.window,
            **options,
        )

    @property
    def prefix_ids(self) -> list[int]:
        """What stands before everything: the tokenizer's beginning token, where it has one."""
        beginning = self.tokenizer.bos_token_id
        return [] if beginning is None else [beginning]

    def first_place(self, template: str | None = None) -> int:
        """The position of the first image's first VoCo token in a conversation that begins with an image."""
        shape = self.block_shape(self.n_voco, from_cache=False)
        template_used = template_named(template or self.template)
        pieces = list(template_used.pieces([Turn("user", IMAGE_TAGS[0])], self.tokenizer.eos_token))
        coded = code([pieces], self.tokenizer)
        row = write(pieces, coded, Controls(self.tokenizer), iter([[(0, shape)]]), bos_is_prefix=True)
        before = row.images.index(0)
        return before + self.n_vision if self.positions == "layout" else before

    @property
    def size(self) -> int:
        """The side of the squares that the tower sees."""
        return int(self.image_processor.size["height"])

    @property
    def most_squares(self) -> int:
        """Squares that one picture makes at most."""
        return 1 + max(columns * rows for columns, rows in TILE_GRIDS) if self.aspect == "tiles" else 1

    def squares(self, picture: Source | np.ndarray, where: str = "image") -> list[Any]:
        """A picture as the squares that the tower sees; each is compressed on its own. A square stays as it is."""
        if isinstance(picture, np.ndarray):
            if picture.dtype != np.uint8 or picture.shape != (self.size, self.size, 3):
                raise VocoError(
                    f"{where}: an array of {picture.dtype} {picture.shape} is no square; give ({self.size},"
                    f" {self.size}, 3) bytes, or a picture"
                )
            return [picture]
        red, green, blue = (int(255 * x) for x in self.image_processor.image_mean)
        return squares(open_picture(picture, where), self.aspect, self.size, (red, green, blue))

    def square_array(self, picture: Source, where: str = "image") -> np.ndarray:
        """The one square of a picture that is not cut into tiles, as bytes: quickest right after it was made."""
        return np.asarray(self.squares(picture, where)[0])

    def pixels(self, square_pictures: list[Any], room: Room | None = None) -> Tensor:
        """(squares, 3, size, size) pixel values; given a room, as bytes where the model can prepare them.

        Bytes are a quarter as much to move, and the model makes the very same numbers of them on its device.
        """
        own = self.image_processor
        if not square_pictures or own.do_resize or own.do_center_crop:
            return own(images=square_pictures, return_tensors="pt")["pixel_values"]
        # A square's size is right already, so each value becomes another whatever stands around it; looking
        # that up takes a fifth of the time and gives the very same numbers.
        preparation = Preparation.of(own)
        if room and preparation == clip_preparation():
            rows = room((len(square_pictures), self.size, self.size, 3))
            for row, picture in zip(rows.numpy(), square_pictures, strict=True):
                row[:] = np.asarray(picture)
            return rows.permute(0, 3, 1, 2)
        table = value_table(preparation)
        out = np.empty((len(square_pictures), 3, self.size, self.size), dtype=np.float32)
        for k, picture in enumerate(square_pictures):
            shown = np.asarray(picture)
            for channel in range(3):
                np.take(table[channel], shown[..., channel], out=out[k, channel], mode="clip")
        return torch.from_numpy(out)

    def digests(self, square_pictures: list[Any]) -> list[str]:
        """The squares' names in caches and stores: pixels, their preparation, and their place."""
        pictures = self.image_processor
        how = f"{pictures.to_dict()}|{self.prefix_ids}|{self.first_place()}"
        return [digest.of_image(square, how) for square in square_pictures]

    def __call__(
        self,
        conversations: Seq[Any],
        images: Seq[Seq[Item]] | None = None,
        *,
        labels: bool = False,
        n_voco: int | None = None,
        padding_side: str = "right",
        max_length: int | None = None,
        truncation: bool = False,
        return_truncated: bool = False,
        template: str | None = None,
        room: Room | None = None,
    ) -> BatchFeature:
        """A batch of conversations, each a question or a list of turns, with its images.

        images: for each conversation, what its image tags stand for, in order. The same picture object, path
            or cache in several conversations is one image of the batch and is compressed once.
        labels: whether to give labels (the assistant's tokens).
        max_length: how many positions a row may take, by default the model's window; a longer row is an error,
            or with `truncation` loses its end, but never part of an image's block.
        return_truncated: whether to say which rows lost something, as `truncated`; the model does not take it.
        room: where pictures go as bytes, for the model to prepare; see `pixels`.
        """
        images = [[] for _ in conversations] if images is None else images
        if len(images) != len(conversations):
            raise VocoError(f"{len(conversations)} conversations, but {len(images)} lists of images")
        shelf, controls = Shelf(self, n_voco, room), Controls(self.tokenizer)
        asked = enumerate(zip(conversations, images, strict=True))
        pieces = [self._pieces(n, *one, template, labels, controls.end) for n, one in asked]
        coded = code(pieces, self.tokenizer)
        rows = [
            self._row(number, *of_row, shelf, coded, controls)
            for number, of_row in enumerate(zip(pieces, images, strict=True))
        ]
        truncated = [
            self._fit(number, row, self.window if max_length is None else max_length, truncation)
            for number, row in enumerate(rows)
        ]
        batch = collate(rows, self.tokenizer.pad_token_id, padding_side, labels)
        shelf.fill(batch)
        return BatchFeature(batch | {"truncated": torch.tensor(truncated)} if return_truncated else batch)

    def _pieces(
        self, number: int, conversation: Any, items: Seq[Item], template: str | None, labels: bool, end: str
    ) -> list[Piece]:
        where = f"conversation {number}"
        turns = turns_of(conversation, where)
        if labels and turns[-1].role != "assistant":
            raise VocoError(f"{where}: ends without an answer, so there is nothing to learn from its last turn")
        n_tags = _count_tags(turns)
        if n_tags != len(items):
            raise VocoError(f"{where}: {n_tags} image tags ({IMAGE_TAGS[0]}), but {len(items)} images were given")
        return list(template_named(template or self.template).pieces(turns, end))

    def _row(
        self, number: int, pieces: Seq[Piece], items: Seq[Item], shelf: Shelf, coded: Coded, controls: Controls
    ) -> Sequence:
        shelf.open_row()
        blocks = (shelf.blocks(item, f"conversation {number}, image {k}") for k, item in enumerate(items))
        return write(pieces, coded, controls, blocks, bos_is_prefix=bool(items))

    def _fit(self, number: int, row: Sequence, most: int, truncation: bool) -> bool:
        before = len(row)
        cut = row.fit(most, vision_counts=self.positions == "layout")
        if cut and not truncation:
            raise VocoError(
                f"conversation {number}: {before} tokens are past the limit of {most} positions;"
                " shorten it, raise max_length, or pass truncation=True"
            )
        return cut

    def block_shape(self, n_voco: int, from_cache: bool) -> BlockShape:
        """An image's places. From a cache, compact positions need no places for vision tokens."""
        pad = self.tokenizer.pad_token_id
        shown = 0 if from_cache and self.positions == "compact" else self.n_vision
        suffix = self.vision_suffix_ids if shown else []
        voco = [voco_id(self.tokenizer)] * n_voco if n_voco else []
        return BlockShape(array(INTEGERS, [pad]) * (shown - len(suffix)) + array(INTEGERS, suffix), voco)


def _count_tags(turns: Seq[Turn]) -> int:
    return sum(turn.text.count(tag) for turn in turns for tag in IMAGE_TAGS)


AutoProcessor.register(VocoConfig, VocoProcessor)

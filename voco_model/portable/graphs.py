"""The two phases as ONNX graphs.

write_graphs(model, processor, folder)

FOLDER/
  compress.onnx   pixel values to keys and values of VoCo tokens
  read.onnx       text on top of keys and values: logits, and the text's own keys and values
  graphs.json     what caches need to know of the model: its digest, the prefix, the first place, the frequencies
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from voco_model.caching import config_gap
from voco_model.decoder import Decoder
from voco_model.errors import VocoError
from voco_model.files import whole_folder
from voco_model.model import VocoForConditionalGeneration
from voco_model.processing.processor import VocoProcessor
from voco_model.rotary import inverse_frequencies

COMPRESS, READ, ABOUT = "compress.onnx", "read.onnx", "graphs.json"
SOME = 3
"""Tokens of the examples that are traced; every graph takes any number."""


class CompressGraph(nn.Module):
    """Phase 1: pixel values to keys and values, (layers, images, heads, tokens, size) each."""

    positions: Tensor
    prefix: Tensor

    def __init__(self, model: VocoForConditionalGeneration, prefix_ids: Sequence[int], place: int) -> None:
        super().__init__()
        self.model, self.n_voco = model, model.config.n_voco
        self.decoder = Decoder(model.language_model, every_row=True)
        row = model.image_rows(1, self.n_voco, list(prefix_ids), place, 0)
        self.register_buffer("positions", row.positions, persistent=False)
        self.register_buffer("prefix", row.ids[:, : len(prefix_ids)], persistent=False)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        images = self.model.embed_images(pixel_values)
        n_images, length = pixel_values.shape[0], self.positions.shape[1]
        prefix = self.model.get_input_embeddings()(self.prefix).expand(n_images, -1, -1)
        tokens = torch.arange(length - self.n_voco, length, device=pixel_values.device)
        passed = self.decoder.run(
            torch.cat([prefix, images.vision, images.voco], 1),
            self.positions.expand(n_images, -1),
            keep=tokens.expand(n_images, -1),
        )
        keys, values = zip(*passed.kept, strict=True)
        return torch.stack(keys), torch.stack(values)


class ReadGraph(nn.Module):
    """Phase 2: one row of text on top of keys and values, (layers, heads, tokens, size) each.

    The prefix sees itself alone, so its keys are part of the graph.
    """

    prefix_keys: Tensor | None
    prefix_values: Tensor | None

    def __init__(self, model: VocoForConditionalGeneration, prefix_ids: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.decoder = Decoder(model.language_model, every_row=True)
        own = model.prefix_keys(tuple(prefix_ids)) if prefix_ids and model.config.prefix_visible else []
        for name, made in (("prefix_keys", [k for k, _ in own]), ("prefix_values", [v for _, v in own])):
            fixed = torch.stack([x.transpose(0, 1) for x in made]) if made else None
            self.register_buffer(name, fixed, persistent=False)

    def forward(
        self, input_ids: Tensor, positions: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        if self.prefix_keys is not None and self.prefix_values is not None:
            keys = torch.cat([self.prefix_keys, keys], 2)
            values = torch.cat([self.prefix_values, values], 2)
        n_past, n_text = keys.shape[2], input_ids.shape[1]
        rows = torch.arange(n_text, device=keys.device)
        later = torch.arange(n_past + n_text, device=keys.device)[None] > (rows + n_past)[:, None]
        mask = torch.zeros(later.shape, dtype=keys.dtype, device=keys.device)
        mask = mask.masked_fill(later, torch.finfo(keys.dtype).min)[None, None]
        past = [(k[None], v[None]) for k, v in zip(keys.unbind(0), values.unbind(0), strict=True)]
        embeds = self.decoder.embeddings(input_ids)
        passed = self.decoder.run(embeds, positions, mask, past, read=rows[None], keep=rows[None])
        new_keys, new_values = zip(*passed.kept, strict=True)
        return self.decoder.head(passed.hidden), torch.cat(new_keys), torch.cat(new_values)


@torch.no_grad()
def write_graphs(model: VocoForConditionalGeneration, processor: VocoProcessor, folder: Path) -> None:
    """Both graphs and what belongs to them; the folder appears when all of it is written."""
    if model.config.compressor == "none" or model.config.reading != "rule":
        raise VocoError("this model keeps no VoCo tokens, so there is no cache to make or to read in ONNX Runtime")
    prefix, place = processor.prefix_ids, processor.first_place()
    with whole_folder(folder) as made:
        pixels = torch.zeros(2, 3, processor.size, processor.size, dtype=model.dtype)
        compress = CompressGraph(model.eval(), prefix, place)
        _write(compress, {"pixel_values": (pixels, {0: "images"})}, ("keys", "values"), made / COMPRESS)
        keys, values = compress(pixels[:1])
        cache = {0: None, 2: "tokens"}
        text = torch.ones(1, SOME, dtype=torch.long)
        inputs = {
            "input_ids": (text, {1: "text"}),
            "positions": (place + torch.arange(SOME)[None], {1: "text"}),
            "keys": (keys[:, 0], cache),
            "values": (values[:, 0], cache),
        }
        _write(ReadGraph(model, prefix), inputs, ("logits", "new_keys", "new_values"), made / READ)
        about = {
            "model": model.digest(),
            "prefix": list(prefix),
            "place": place,
            "gap": config_gap(model.config),
            "inverse_frequencies": inverse_frequencies(model.language_model).tolist(),
            "never": [] if model.config.voco_token_id is None else [model.config.voco_token_id],
        }
        (made / ABOUT).write_text(json.dumps(about, indent=1) + "\n", "utf-8")


def _write(graph: nn.Module, inputs: dict[str, tuple[Tensor, Any]], outputs: Sequence[str], path: Path) -> None:
    examples = {name: example for name, (example, _) in inputs.items()}
    sizes = {name: {k: v for k, v in axes.items() if v} for name, (_, axes) in inputs.items()}
    torch.onnx.export(
        graph.eval(),
        kwargs=examples,
        f=path,
        dynamo=True,
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_shapes=sizes,
        verbose=False,
    )
    _strip(path)


def _strip(path: Path) -> None:
    """Without the traces of where the code lay on the machine that wrote it: nine tenths of a small graph."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    described = (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer)
    for one in (model, graph, *described):
        del one.metadata_props[:]
        one.doc_string = ""
    path.write_bytes(model.SerializeToString(deterministic=True))

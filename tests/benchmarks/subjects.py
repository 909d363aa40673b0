"""What is compared: this library, the reference's way of computing, and Llava with a full-prefix cache."""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import LlavaConfig, LlavaForConditionalGeneration
from transformers.cache_utils import DynamicCache

from voco_model.config import VocoConfig, preset
from voco_model.flops import StepShape
from voco_model.model import VocoForConditionalGeneration
from voco_model.profiling.ways import greedy
from voco_model.segments import NO_IMAGE, Kind

QUESTION, ANSWER = 32, 8
"""Text tokens of a question with its template, and of an answer."""


@dataclass
class Training:
    """A training batch of `images` pictures with `questions` questions each."""

    config: VocoConfig
    images: int
    questions: int
    device: str
    dtype: torch.dtype

    def __post_init__(self) -> None:
        n_vision, n_voco, rows = self.config.n_vision, self.config.n_voco, self.images * self.questions
        kinds = [Kind.PREFIX] + [Kind.VISION] * n_vision + [Kind.VOCO] * n_voco + [Kind.TEXT] * (QUESTION + ANSWER)
        generator = torch.Generator().manual_seed(0)
        self.ids = torch.randint(3, 30000, (rows, len(kinds)), generator=generator).to(self.device)
        self.ids[:, 0] = 1
        self.kinds = torch.tensor([kinds] * rows, device=self.device)
        shown = (self.kinds == Kind.VISION) | (self.kinds == Kind.VOCO)
        number = torch.arange(rows, device=self.device)[:, None] // self.questions
        self.shared = torch.where(shown, number, NO_IMAGE)
        own = torch.arange(rows, device=self.device)[:, None]
        self.own = torch.where(shown, own, NO_IMAGE)
        self.labels = self.ids.clone()
        self.labels[:, :-ANSWER] = -100
        size = self.config.vision_config.image_size
        self.pixels = torch.randn(self.images, 3, size, size, generator=generator).to(self.device, self.dtype)

    @property
    def shape(self) -> StepShape:
        rows = self.images * self.questions
        return StepShape(self.images, rows, 1, 1 + QUESTION + ANSWER, ANSWER, self.config.n_voco)


class Trainer:
    """One optimiser step at a time, in our way or the reference's."""

    def __init__(self, preset_name: str, images: int, questions: int, device: str, dtype: torch.dtype) -> None:
        torch.manual_seed(0)
        self.config = preset(preset_name, n_voco=1)
        self.model = VocoForConditionalGeneration(self.config).to(device, dtype).train()
        self.model.vision_tower.requires_grad_(False)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.SGD(trained, lr=1e-4)
        self.batch = Training(self.config, images, questions, device, dtype)

    def ours(self) -> None:
        """Two phases, shared compression, logits at labels."""
        self._step(self.loss_of_ours())

    def loss_of_ours(self) -> Tensor:
        b = self.batch
        out = self.model(b.ids, b.kinds, b.shared, pixel_values=b.pixels, labels=b.labels)
        assert out.loss is not None
        return out.loss

    def reference(self, mode: str = "one_pass") -> None:
        """One masked pass for every question with its own picture, logits at all positions."""
        b = self.batch
        pixels = b.pixels.repeat_interleave(b.questions, 0)
        everywhere = torch.ones_like(b.kinds, dtype=torch.bool)
        out = self.model(b.ids, b.kinds, b.own, pixel_values=pixels, logits_at=everywhere, mode=mode)
        assert out.logits is not None
        logits = out.logits.view(*b.ids.shape, -1)[:, :-1].flatten(0, 1).float()
        self._step(torch.nn.functional.cross_entropy(logits, b.labels[:, 1:].flatten()))

    def _step(self, loss: Tensor) -> None:
        loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad()


class Asking:
    """A question on an image that was seen before, in three ways."""

    def __init__(self, preset_name: str, device: str, dtype: torch.dtype) -> None:
        torch.manual_seed(0)
        self.config = preset(preset_name, n_voco=1)
        self.model = VocoForConditionalGeneration(self.config).to(device, dtype).eval()
        self.llava = self._llava().to(device, dtype).eval()
        batch = Training(self.config, 1, 1, device, dtype)
        n = batch.ids.shape[1] - ANSWER
        self.ids, self.kinds, self.images, self.pixels = (
            batch.ids[:, :n],
            batch.kinds[:, :n],
            batch.own[:, :n],
            batch.pixels,
        )
        self.cache = self.model.compress(self.pixels)
        self.prefix = DynamicCache()
        image = torch.full((1, self.config.n_vision), self.llava.config.image_token_index, device=device)
        prefix_ids = torch.cat([self.ids[:, :1], image], 1)
        with torch.inference_mode():
            self.llava(
                input_ids=prefix_ids,
                pixel_values=self.pixels,
                past_key_values=self.prefix,
                use_cache=True,
                logits_to_keep=1,
            )

    def _llava(self) -> LlavaForConditionalGeneration:
        config = LlavaConfig(
            vision_config=self.config.vision_config.to_dict(),
            text_config=self.config.text_config.to_dict(),
            image_token_index=32000,
            image_seq_length=self.config.n_patches,
        )
        config.text_config._attn_implementation = config.vision_config._attn_implementation = "sdpa"
        return LlavaForConditionalGeneration(config)

    @torch.inference_mode()
    def cached(self, n_tokens: int) -> None:
        """From the VoCo cache."""
        self._generate(n_tokens, voco_caches=[self.cache])

    @torch.inference_mode()
    def encoded_anew(self, n_tokens: int) -> None:
        """The picture encoded and compressed again."""
        self._generate(n_tokens, pixel_values=self.pixels)

    def _generate(self, n_tokens: int, **image: object) -> None:
        given = {"input_ids": self.ids, "kinds": self.kinds, "images": self.images}
        greedy(self.model, given | image, n_tokens)

    @torch.inference_mode()
    def full_prefix(self, n_tokens: int) -> None:
        """Hugging Face Llava from its cache of the whole picture, put back as it was afterwards."""
        before = self.prefix.get_seq_length()
        ids = self.ids[:, -QUESTION:]
        for _ in range(n_tokens):
            out = self.llava(input_ids=ids, past_key_values=self.prefix, use_cache=True, logits_to_keep=1)
            ids = out.logits[:, -1].argmax(-1, keepdim=True)
        self.prefix.crop(before - self.prefix.get_seq_length())

    @property
    def prefix_bytes(self) -> int:
        """What the full-prefix cache keeps for the picture alone, its beginning token aside."""
        per_token = sum(x[:, :, 0].nbytes for layer in self.prefix.layers for x in (layer.keys, layer.values))
        return per_token * self.config.n_vision

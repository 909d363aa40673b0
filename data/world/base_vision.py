"""The small vision encoder that stands in for CLIP: it learns to say, patch by patch, what is there.

Its features are read one layer below the top, as LLaVA reads CLIP's, so that is where it is trained to speak.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

from data.world.drawing import draw
from data.world.scenes import COLOURS, LABELS, SHAPES, Scene, make_scene

SIZE, PATCH = 64, 8
FEATURE_LAYER = -2
PLACES = tuple(str(number) for number in range(1, SIZE // PATCH + 1))
NAMES = {
    name: ("nothing", *values)
    for name, values in (
        ("colour", COLOURS),
        ("shape", SHAPES),
        ("label", LABELS),
        ("row", PLACES),
        ("column", PLACES),
    )
}
"""What each head tells apart at a patch: CLIP's features say where they are too."""
QUIET = 0.01
"""How much large features cost: what says nothing is left out."""
WAVES = 16
POSITION_SIZE = 0.3
"""How large position embeddings begin, beside patches of about the same size."""


def vision_config() -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=5,
        num_attention_heads=4,
        patch_size=PATCH,
        image_size=SIZE,
    )


def image_processor() -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(size={"height": SIZE, "width": SIZE}, do_resize=False, do_center_crop=False)


def patch_facts(scene: Scene) -> NDArray[np.int64]:
    """(patches, 5): what `NAMES` has of the thing whose box holds the patch's centre, 0 for nothing."""
    per_side = SIZE // PATCH
    centres = (np.arange(per_side) + 0.5) / per_side
    facts = np.zeros((per_side, per_side, len(NAMES)), dtype=np.int64)
    for thing in scene.things:  # later things cover earlier ones
        x0, y0, x1, y1 = thing.box
        columns, rows = (centres >= x0) & (centres < x1), (centres >= y0) & (centres < y1)
        place = (str(thing.row + 1), str(thing.column + 1))
        told = (thing.colour, thing.shape, thing.word or "nothing", *place)
        facts[np.ix_(rows, columns)] = [NAMES[k].index(name) for k, name in zip(NAMES, told, strict=True)]
    return facts.reshape(-1, len(NAMES))


def examples(seed: int, split: str, n: int, levels: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Pictures of the levels in turn as pixel values, and the facts of their patches."""
    scenes = [make_scene(seed, split, number, levels[number % len(levels)]) for number in range(n)]
    pixels = image_processor()(images=[draw(scene, SIZE) for scene in scenes], return_tensors="pt")["pixel_values"]
    return pixels, torch.from_numpy(np.stack([patch_facts(scene) for scene in scenes]))


@torch.no_grad()
def set_places(tower: CLIPVisionModel) -> None:
    """Let the position embeddings begin as waves along rows and columns, so that neighbours are found at once.

    From CLIP's own small random beginning, a short training never learns who stands next to whom.
    """
    per_side = SIZE // PATCH
    embedding = tower.get_submodule("embeddings.position_embedding")
    angles = torch.outer(torch.arange(per_side) + 0.5, torch.linspace(0.5, 8, WAVES)) * (torch.pi / per_side)
    waves = POSITION_SIZE * torch.cat([angles.cos(), angles.sin()], 1)
    both = torch.cat([waves[:, None].expand(-1, per_side, -1), waves[None].expand(per_side, -1, -1)], 2)
    embedding.weight[1:] = both.flatten(0, 1)


class PatchReader(nn.Module):
    """The encoder with one linear head for each kind of fact.

    What the heads look at is fixed: directions at right angles, one for each value. So the features tell every
    fact as loudly as any other; where the heads learn, colours drown shapes, and a reader hears shapes late.
    """

    def __init__(self) -> None:
        super().__init__()
        config = vision_config()
        self.tower = CLIPVisionModel(config)
        set_places(self.tower)
        self.heads = nn.ModuleList(nn.Linear(config.hidden_size, len(names)) for names in NAMES.values())
        directions = torch.linalg.qr(torch.randn(config.hidden_size, config.hidden_size))[0]
        sizes = [len(names) for names in NAMES.values()]
        for head, own in zip(self.heads, directions[: sum(sizes)].split(sizes), strict=True):
            head.weight = nn.Parameter(own.clone(), requires_grad=False)

    def features(self, pixels: Tensor) -> Tensor:
        """What LLaVA would read."""
        return self.tower(pixel_values=pixels, output_hidden_states=True).hidden_states[FEATURE_LAYER][:, 1:]

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return self.facts(self.features(pixels))

    def facts(self, features: Tensor) -> list[Tensor]:
        """Logits of every kind of fact."""
        return [head(features) for head in self.heads]

    def loss(self, pixels: Tensor, facts: Tensor) -> Tensor:
        features = self.features(pixels)
        losses = [
            F.cross_entropy(out.flatten(0, 1), facts[..., k].flatten())
            for k, out in enumerate(self.facts(features))
        ]
        return torch.stack(losses).sum() + QUIET * features.pow(2).mean()


def batches(n: int, size: int, steps: int, seed: int) -> Iterator[Tensor]:
    """Indices of each step's examples, all of them once before any of them twice."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < size:
            order = torch.cat([order, torch.randperm(n, generator=generator)])
        yield order[:size]
        order = order[size:]


def warm_up(steps: int) -> float:
    """The share of steps in which the rate rises; of exactly ten, a tenth is none, and torch divides by it."""
    return 0.2 if steps == 10 else 0.1


def train_vision(
    seed: int, levels: Sequence[int], pictures: int, steps: int, report: Callable[[str], None]
) -> PatchReader:
    """A trained encoder; the same arguments give the same weights on one machine."""
    torch.manual_seed(seed)
    pixels, facts = examples(seed, "train", pictures, levels)
    reader = PatchReader().train()
    optimiser = torch.optim.AdamW(reader.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps, pct_start=warm_up(steps))
    for step, chosen in enumerate(batches(pictures, 48, steps, seed)):
        loss = reader.loss(pixels[chosen], facts[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            report(f"vision    step {step + 1}/{steps}  loss {loss.item():.3f}")
    centre(reader.eval(), pixels[:200])
    return reader


@torch.no_grad()
def centre(reader: PatchReader, pixels: Tensor) -> None:
    """Shift the features to a mean of zero, and the heads with them, so that what differs is what a reader sees.

    The last bias below the features can carry the shift: nobody reads the layer above.
    """
    mean = reader.features(pixels).mean((0, 1))
    reader.tower.encoder.layers[FEATURE_LAYER].mlp.fc2.bias -= mean
    for head in reader.heads:
        assert isinstance(head, nn.Linear)
        head.bias.add_(head.weight @ mean)


@torch.no_grad()
def score_vision(reader: PatchReader, seed: int, level: int, pictures: int = 200) -> dict[str, float]:
    """Share of right facts at patches that show something, on test scenes."""
    pixels, facts = examples(seed, "test", pictures, [level])
    something = facts[..., 0] > 0
    outs = torch.cat([torch.stack([out.argmax(-1) for out in reader(part)], -1) for part in pixels.split(50)])
    right = (outs == facts)[something].float().mean(0)
    return {name: round(float(share), 4) for name, share in zip(NAMES, right, strict=True)}

"""The small language model that stands in for Vicuna, and its tokenizer, from what is said about the world."""

import math
from collections.abc import Callable, Iterator

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from data.world.base_vision import batches, warm_up
from data.world.scenes import generator, make_scene
from data.world.speech import caption, questions
from data.world.vocabulary import COLOURS, SHAPES, SIZES
from voco_model.processing.tokenizer import SPECIAL, with_specials

VOCABULARY = 1024
"""At most; fewer where what is said has fewer pieces worth joining."""
NAMES = "|".join((*COLOURS, *SHAPES, *SIZES))
PIECES = rf"\nUSER:| ASSISTANT:| ?\d| ?(?:{NAMES})(?:e?s)?"
"""What no merge of the tokenizer crosses: who speaks, so that answers are tokens of their own; single digits; what
a thing looks like, so that a colour or a shape is the same token in every phrase."""
BLOCK = 96
"""Tokens of a training example: texts one after the other."""


def texts(seed: int, split: str, n: int, level: int) -> Iterator[str]:
    """A caption and a conversation about each of `n` scenes, as the `short` chat template writes them."""
    for number in range(n):
        scene = make_scene(seed, split, number, level)
        rng = generator("base", seed, split, number)
        yield caption(scene, rng)
        for question, answer, *_ in questions(scene, rng):
            yield f"\nUSER: {question} ASSISTANT: {answer}"


def train_tokenizer(corpus: list[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE whose merges go on across words: every text can be said, and few tokens say the world's.

    A question of eighteen words and marks is seven or eight tokens, and so costs less than half as much to train.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return with_specials(tokenizer)


def language_config(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=176,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=16384,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def blocks_of(corpus: list[str], tokenizer: PreTrainedTokenizerFast) -> Tensor:
    """The corpus as rows of `BLOCK` tokens, every text closed by the end token."""
    ids: list[int] = []
    for coded in tokenizer(corpus, add_special_tokens=False)["input_ids"]:
        ids += [*coded, tokenizer.eos_token_id]
    n = len(ids) // BLOCK
    return torch.tensor(ids[: n * BLOCK]).view(n, BLOCK)


def train_language(
    seed: int, level: int, scenes: int, steps: int, report: Callable[[str], None]
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """A trained model and its tokenizer; the same arguments give the same weights on one machine."""
    corpus = list(texts(seed, "train", scenes, level))
    tokenizer = train_tokenizer(corpus)
    rows = blocks_of(corpus, tokenizer)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(language_config(tokenizer)).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=warm_up(steps))
    for step, chosen in enumerate(batches(len(rows), 32, steps, seed)):
        beginning = torch.full((len(chosen), 1), tokenizer.bos_token_id)
        ids = torch.cat([beginning, rows[chosen]], 1)
        loss = model(input_ids=ids, labels=ids).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            report(f"language  step {step + 1}/{steps}  loss {loss.item():.3f}")
    return model.eval(), tokenizer


@torch.no_grad()
def score_language(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, seed: int, level: int, scenes: int = 50
) -> dict[str, float]:
    """Perplexity per token of what is said about test scenes, which the model cannot see."""
    rows = blocks_of(list(texts(seed, "test", scenes, level)), tokenizer)
    losses = [model(input_ids=part, labels=part).loss for part in rows.split(32)]
    sizes = torch.tensor([len(part) for part in rows.split(32)], dtype=torch.float)
    return {"perplexity": round(math.exp(float((torch.stack(losses) * sizes).sum() / sizes.sum())), 3)}

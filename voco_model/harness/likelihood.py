"""How likely a model holds given answers to be: the sum of their tokens' log-probabilities."""

from collections.abc import Sequence

import torch

from voco_model.assistant import Assistant
from voco_model.harness.visuals import Asked, Visuals
from voco_model.processing.sequence import IGNORE
from voco_model.processing.templates import template_named


@torch.no_grad()
def continuations(
    assistant: Assistant, visuals: Visuals, asked: Sequence[Asked], texts: Sequence[str]
) -> list[tuple[float, bool]]:
    """For each question its text's log-probability, and whether each of its tokens is the likeliest.

    The template sets answers apart from what stands before them, so a text's own leading blanks are left out. The
    token that ends an answer is not part of the text.
    """
    processor, model = assistant.processor, assistant.model
    conversations = [
        [{"role": "user", "content": visuals.context(one)}, {"role": "assistant", "content": text.lstrip()}]
        for one, text in zip(asked, texts, strict=True)
    ]
    batch = processor(conversations, visuals.items(asked), labels=True)
    labels = batch["labels"]
    if not template_named(processor.template).caption_only:
        for row in labels:
            row[(row != IGNORE).nonzero()[-1]] = IGNORE
    counts = (labels != IGNORE).sum(1).tolist()
    wanted = labels[labels != IGNORE].to(model.device)
    batch = batch.to(model.device)
    logits = model(**batch, reading=visuals.reading).logits.float()
    told = logits.log_softmax(-1).gather(1, wanted[:, None])[:, 0]
    likeliest = logits.argmax(-1) == wanted
    pairs = zip(told.split(counts), likeliest.split(counts), strict=True)
    return [(float(own.sum()), bool(best.all())) for own, best in pairs]

"""What is said about scenes and clips, in plain English: captions here, questions in the two files beside."""

from data.world.clip_questions import clip_caption, clip_questions
from data.world.facts import Scene
from data.world.phrases import Pair, Rng, box_text, full, in_order, noun, pick, place, shuffled, things_called
from data.world.questions import questions

__all__ = ["Pair", "box_text", "caption", "clip_caption", "clip_questions", "noun", "questions"]

MOST_TOLD = 9
"""Things that a caption tells of; a reader loses count of more."""


def caption(scene: Scene, rng: Rng) -> str:
    """One sentence: what there is and where, all of it where that is not too much."""
    things = sorted(scene.things, key=lambda t: (t.row, t.column))
    if len(things) > MOST_TOLD:
        told = shuffled(rng, things)[:MOST_TOLD]
        parts = [f"{full(t)} in {place(t.row, t.column)}" for t in told]
        return f"{things_called(len(things))} on {scene.background}, among them {in_order(parts)}"
    if rng.integers(2):
        return in_order([f"{full(t)} in {place(t.row, t.column)}" for t in things])
    listed = in_order([full(t) for t in things])
    opening = pick(
        rng, ("{n} on a background of {b}: {all}", "a picture of {all} on {b}", "{all}; {n}, and {b} behind")
    )
    return opening.format(n=things_called(len(things)), b=scene.background, all=listed)

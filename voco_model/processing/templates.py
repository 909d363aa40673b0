"""Chat templates: how a conversation is written out, and which of it the assistant said.

A template yields pieces; only text pieces reach the tokenizer as text, so nothing that a user types can turn
into a control token.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from voco_model.errors import VocoError

IMAGE_TAGS = ("<image>", "<video>")
"""Either tag stands for one item of a conversation's images: a picture, a list of frames, or a cache."""


class Text(NamedTuple):
    """Plain text; `answer` marks what the assistant is to learn."""

    text: str
    answer: bool = False


class Control(NamedTuple):
    """One control token, by its text in the tokenizer."""

    token: str
    answer: bool = False


class Picture(NamedTuple):
    """The place of the next image."""


Piece = Text | Control | Picture


class Turn(NamedTuple):
    """One utterance, whoever wrote the file."""

    role: str
    text: str


VICUNA_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
"""The words that Vicuna v1.5 was trained with; another wording is another prompt."""


@dataclass(frozen=True)
class ChatTemplate:
    """How turns are written. `{}` stands for what was said."""

    name: str
    system: str = ""
    user: str = "USER: {} "
    assistant: str = "ASSISTANT:{}"
    answer_start: str = " "
    """Stands between the assistant's name and an answer; part of the answer's first token in most tokenizers."""
    opens: str | None = None
    """A control token that opens every turn."""
    closes: str | None = None
    """A control token that closes every turn; None means the tokenizer's end token, after answers only."""
    images_first: bool = False
    """Whether the images of the first turn open the sequence, right after the prefix."""
    caption_only: bool = False
    """Whether a pair is written as image and caption alone (alignment)."""

    def pieces(self, turns: Sequence[Turn], end_token: str) -> Iterator[Piece]:
        """The conversation written out; one that ends with the user ends ready for the answer."""
        if self.caption_only:
            yield from self._caption(turns)
            return
        turns = list(turns)
        first = next((number for number, turn in enumerate(turns) if turn.role == "user"), None)
        if self.images_first and first is not None:
            n_first = sum(turns[first].text.count(tag) for tag in IMAGE_TAGS)
            for _ in range(n_first):
                yield Picture()
            if n_first:
                yield Text("\n")
            turns[first] = Turn("user", _without_tags(turns[first].text))
        if turns and turns[0].role == "system":
            system, turns = turns[0].text, turns[1:]
        else:
            system = self.system
        if system:
            yield from self._said("system", system, end_token)
        for turn in turns:
            yield from self._said(turn.role, turn.text, end_token)
        if turns and turns[-1].role == "user":
            yield from self._open()
            yield Text(self.assistant.split("{}")[0])

    def _said(self, role: str, text: str, end_token: str) -> Iterator[Piece]:
        answer = role == "assistant"
        frame = {
            "user": self.user,
            "assistant": self.assistant,
            "system": "{} " if not self.opens else "system\n{}",
        }
        before, after = frame[role].split("{}")
        yield from self._open()
        yield Text(before)
        if answer:
            yield Text(self.answer_start)
            yield Text(text, answer=True)
        else:
            yield from _with_pictures(text)
        yield Text(after)
        if self.closes:
            yield Control(self.closes, answer)
            yield Text("\n")
        elif answer:
            yield Control(end_token, answer=True)

    def _open(self) -> Iterator[Piece]:
        if self.opens:
            yield Control(self.opens)

    def _caption(self, turns: Sequence[Turn]) -> Iterator[Piece]:
        for turn in turns:
            if turn.role == "user":
                for _ in range(sum(turn.text.count(tag) for tag in IMAGE_TAGS)):
                    yield Picture()
            elif turn.role == "assistant":
                yield Text(turn.text + "\n", answer=True)


TEMPLATES = {
    template.name: template
    for template in (
        ChatTemplate("voco", VICUNA_SYSTEM, images_first=True),
        ChatTemplate("vicuna_v1", VICUNA_SYSTEM),
        ChatTemplate("short", images_first=True),
        ChatTemplate(
            "chatml",
            "You are a helpful assistant.",
            user="user\n{}",
            assistant="assistant\n{}",
            answer_start="",
            opens="<|im_start|>",
            closes="<|im_end|>",
        ),
        ChatTemplate("plain", caption_only=True),
    )
}


def template_named(name: str) -> ChatTemplate:
    """The template of that name."""
    if name not in TEMPLATES:
        raise VocoError(f"unknown chat template '{name}'; there are {', '.join(TEMPLATES)}")
    return TEMPLATES[name]


_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}


def turns_of(conversation: str | Sequence[dict[str, Any]], where: str) -> list[Turn]:
    """A question, or turns as `{from, value}` or `{role, content}`, as `Turn`s; refuses anything else."""
    if isinstance(conversation, str):
        conversation = [{"role": "user", "content": conversation}]
    turns = []
    for number, said in enumerate(conversation):
        role = _ROLES.get(said.get("role", said.get("from", "")))
        text = said.get("content", said.get("value"))
        if role is None or not isinstance(text, str):
            raise VocoError(
                f"{where}, turn {number}: needs 'from' (human or gpt) and a text 'value', has {said!r:.80}"
            )
        if role == "assistant" and any(tag in text for tag in IMAGE_TAGS):
            raise VocoError(f"{where}, turn {number}: an answer cannot hold an image tag")
        turns.append(Turn(role, text))
    spoken = [turn.role for turn in turns if turn.role != "system"]
    if not spoken or spoken != (["user", "assistant"] * len(spoken))[: len(spoken)]:
        raise VocoError(f"{where}: the user speaks first and the turns alternate; here they are {spoken}")
    return turns


def _split_at_tags(text: str) -> list[str]:
    for tag in IMAGE_TAGS[1:]:
        text = text.replace(tag, IMAGE_TAGS[0])
    return text.split(IMAGE_TAGS[0])


def _with_pictures(text: str) -> Iterator[Piece]:
    first, *rest = _split_at_tags(text)
    yield Text(first)
    for part in rest:
        yield Picture()
        yield Text(part)


def _without_tags(text: str) -> str:
    """The question without its tags and the one newline that sets each tag apart; other newlines stay."""
    for tag in IMAGE_TAGS:
        text = text.replace(f"{tag}\n", "").replace(f"\n{tag}", "").replace(tag, "")
    return text

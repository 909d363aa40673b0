"""What lmms-eval asks of a model, answered: text until a stop, in several rounds, and how likely a text is.

A request's `args` are, as the harness's guide for models of the simple kind has them,

    generate_until               (context, options, doc_to_visual, doc_id, task, split)
    generate_until_multi_round   (context, options, doc_to_visual, doc_to_text, doc_id, task, split)
    loglikelihood                (context, continuation or doc_to_target, doc_to_visual, doc_id, task, split)

and documents are `self.task_dict[task][split][doc_id]`, which the harness fills in.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from voco_model.assistant import Assistant
from voco_model.errors import VocoError
from voco_model.harness.likelihood import continuations
from voco_model.harness.visuals import Asked, Visuals
from voco_model.training.determinism import same_every_time

MAX_NEW_TOKENS = 256
"""Where a task does not say."""
DTYPES = {"auto": None, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Answering:
    """A saved VoCo model as lmms-eval sees it.

    pretrained: the model's folder.
    n_voco: how many VoCo tokens of each picture are read; the model's own number unless given.
    frames: how many of a clip are looked at.
    reading: "rule" or "causal" instead of the configuration's.
    """

    is_simple = True
    task_dict: dict[str, Any]
    cache_hook: Any

    def __init__(
        self,
        pretrained: str,
        n_voco: int | None = None,
        batch_size: int | str = 1,
        device: str | None = None,
        dtype: str = "auto",
        frames: int = 8,
        reading: str | None = None,
        max_batch_size: int | None = None,  # of the harness's automatic batch size, which we do not have
        **unknown: Any,
    ) -> None:
        super().__init__()
        if unknown:
            raise VocoError(
                f"--model_args {', '.join(unknown)}: unknown; there are pretrained, n_voco, dtype, frames, reading"
            )
        if dtype not in DTYPES:
            raise VocoError(f"--model_args dtype={dtype}: choose {', '.join(DTYPES)}")
        self.assistant = Assistant.from_pretrained(
            str(pretrained), device=device or _device(), dtype=DTYPES[dtype]
        )
        reading = reading or self.assistant.model.config.reading
        if reading not in ("rule", "causal"):
            raise VocoError(f"--model_args reading={reading}: choose rule or causal")
        self.visuals = Visuals(self.assistant, reading, n_voco, _whole("frames", frames))
        self.batch_size = _whole("batch_size", batch_size)

    @property
    def device(self) -> torch.device:
        """Where the model is; the harness gathers its counts there."""
        return self.assistant.model.device

    @property
    def tokenizer(self) -> Any:
        return self.assistant.processor.tokenizer

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """One answer for each request, in their order."""
        answers = [""] * len(requests)
        for numbers in self._batches([request.args[1] for request in requests]):
            parts = [requests[number].args for number in numbers]
            options = parts[0][1]
            found = self._read(self._asked(parts), options)
            for number, part, answer in zip(numbers, parts, found, strict=True):
                answers[number] = answer
                self.cache_hook.add_partial("generate_until", (part[0], options), answer)
        return answers

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[list[str]]:
        """For each request the answers of all its rounds; its task says after each what comes next."""
        return [self._rounds(*request.args) for request in requests]

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """For each request how likely its continuation is, and whether greedy decoding would give it."""
        found: list[tuple[float, bool]] = []
        for start in range(0, len(requests), self.batch_size):
            parts = [request.args for request in requests[start : start + self.batch_size]]
            asked = self._asked(parts)
            texts = [part[1] if isinstance(part[1], str) else part[1](self._doc(*part[3:])) for part in parts]
            with same_every_time(self.device.type):
                found += continuations(self.assistant, self.visuals, asked, [str(text) for text in texts])
        return found

    def _rounds(
        self,
        context: str,
        options: dict[str, Any],
        visual: Callable[[Any], Any],
        doc_to_text: Callable[..., Any],
        *where: Any,
    ) -> list[str]:
        doc = self._doc(*where)
        shown, kept, number, ended = visual(doc), None, 0, False
        said: list[str] = []
        while not ended:
            said = [*said, *self._read([Asked(context, shown, _name(*where))], options)]
            number += 1
            told = doc_to_text(doc, previous_output=list(said), round_idx=number, previous_round_info=kept)
            shown, context, ended, said, kept = told
        return list(said)

    def _asked(self, parts: Sequence[tuple[Any, ...]]) -> list[Asked]:
        """What requests show, looked up once for each document; those of a text alone have no document."""
        shown: dict[Any, Any] = {}
        for _, _, *about in parts:
            if about and tuple(about) not in shown:
                shown[tuple(about)] = about[0](self._doc(*about[1:])) if about[0] else None
        return [Asked(part[0], shown.get(tuple(part[2:])), _name(*part[3:])) for part in parts]

    def _doc(self, doc_id: Any, task: str, split: str) -> Any:
        return self.task_dict[task][split][doc_id]

    def _read(self, asked: Sequence[Asked], options: dict[str, Any]) -> list[str]:
        with same_every_time(self.device.type):
            answers = self.assistant.read(
                self.visuals.items(asked),
                [self.visuals.context(one) for one in asked],
                reading=self.visuals.reading,
                **_generation(options),
            )
        return [_cut(answer, options.get("until")) for answer in answers]

    def _batches(self, options: Sequence[dict[str, Any]]) -> Iterator[list[int]]:
        """Numbers of requests that are answered together: those with the same options."""
        groups: dict[str, list[int]] = {}
        for number, own in enumerate(options):
            groups.setdefault(repr(sorted(own.items())), []).append(number)
        for group in groups.values():
            for start in range(0, len(group), self.batch_size):
                yield group[start : start + self.batch_size]


def _device() -> str:
    """This process's own GPU."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"


def _whole(name: str, value: int | str) -> int:
    if isinstance(value, bool) or not str(value).isdigit() or int(value) < 1:
        raise VocoError(f"{name} is {value}; give a whole number of at least 1")
    return int(value)


def _name(doc_id: Any = None, task: str = "", split: str = "") -> str:
    return f"{task}/{split}, document {doc_id}" if task else "a request"


def _generation(options: dict[str, Any]) -> dict[str, Any]:
    """The task's options as Hugging Face's; those of other models' own are left out."""
    temperature = float(options.get("temperature") or 0)
    sampled = bool(options.get("do_sample", temperature > 0)) and temperature > 0
    found: dict[str, Any] = {"max_new_tokens": options.get("max_new_tokens", MAX_NEW_TOKENS), "do_sample": sampled}
    if sampled:
        found |= {"temperature": temperature}
        found |= {name: options[name] for name in ("top_p", "top_k") if options.get(name) is not None}
    return found | ({"num_beams": options["num_beams"]} if (options.get("num_beams") or 1) > 1 else {})


def _cut(answer: str, until: str | Sequence[str] | None) -> str:
    """The answer up to the first of the stops that is in it."""
    stops = [until] if isinstance(until, str) else list(until or [])
    ends = [answer.find(stop) for stop in stops if stop and stop in answer]
    return answer[: min(ends)] if ends else answer

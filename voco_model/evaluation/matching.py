"""Which question an answer belongs to: by id, and where several share it, by what was asked."""

from collections.abc import Callable, Sequence

from voco_model.evaluation.questions import Question


class Finder:
    """Questions by everything that files call them."""

    def __init__(self, questions: Sequence[Question], rename: Callable[[str], str]) -> None:
        self.questions = questions
        self._rename = rename
        self._taken: set[int] = set()
        self._by_id: dict[str, list[int]] = {}
        for i, question in enumerate(questions):
            for name in dict.fromkeys((question.id, *question.aliases)):
                self._by_id.setdefault(name, []).append(i)

    def find(self, name: str, prompt: str = "", category: str = "") -> int | None:
        """The question's place, or None. Of several that fit, the first that nothing was found for yet."""
        fitting = self._by_id.get(name) or self._by_id.get(self._rename(name), [])
        if len(fitting) > 1:
            fitting = [
                i for i in fitting if not category or self.questions[i].category in ("", category)
            ] or fitting
            fitting = self._asked(fitting, prompt) if prompt else fitting
        if not fitting:
            return None
        index = next((i for i in fitting if i not in self._taken), fitting[0])
        self._taken.add(index)
        return index

    def _asked(self, fitting: list[int], prompt: str) -> list[int]:
        """Those whose question is a line of the prompt, or else stands somewhere in it."""
        lines = {line.strip() for line in prompt.casefold().split("\n")}
        exact = [i for i in fitting if self.questions[i].text.casefold().strip() in lines]
        return exact or [i for i in fitting if self.questions[i].text.casefold().strip() in prompt.casefold()]

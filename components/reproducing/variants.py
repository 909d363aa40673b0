"""What is trained for the tables, as recipes: one start, then every variant with the same data, steps and seed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.reproducing.profiles import Profile, Stage
from components.reproducing.scenes import DataSets
from voco_model.training.progress import Report
from voco_model.training.recipe import Data, Distillation, Objective, Optimiser, Recipe, Saving, Start, Variant
from voco_model.training.run import train

TEMPLATE = "short"
PROJECTOR_LR = 4e-4
"""The tower's features are about five times as large as what a projector usually takes."""
BETAS = (0.9, 0.98)
"""What was learnt a thousand steps ago says little of the step that comes, in runs as short as these."""


@dataclass(frozen=True)
class Trained:
    """A variant's row in the tables, and how it is trained."""

    row: str
    variant: Variant
    n_voco: int
    objective: Objective = field(default_factory=Objective)
    length: Stage | None = None
    """Where other than the profile's `instruct`."""
    after: tuple[str, int] | None = None
    """The row and number of tokens of the model that it goes on from; None: the common start."""


def variants(profile: Profile) -> list[Trained]:
    """All that is trained from the common start."""
    most = max(profile.tokens)
    evenly = dict.fromkeys(profile.tokens, 1.0)
    chosen = [Trained("upper bound", "upper", most, length=profile.bounds)]
    if profile.elastic or profile.options:
        chosen.append(Trained("VoCo, elastic", "voco", most, Objective(elastic=evenly)))
    if not profile.elastic and profile.fewer is None:
        chosen += [Trained("VoCo", "voco", n) for n in profile.tokens]
    elif not profile.elastic:
        shorter = sorted(set(profile.tokens) - {most}, reverse=True)
        chosen.append(Trained("VoCo", "voco", most))
        chosen += [Trained("VoCo", "voco", n, length=profile.fewer, after=("VoCo", most)) for n in shorter]
    if profile.options:
        chosen.append(Trained("VoCo, distilled", "voco", 1, Objective(distillation=Distillation(weight=1.0))))
    if profile.baselines:
        chosen += [Trained("Q-Former", "qformer", 1), Trained("average pooling", "avgpool", 1)]
    return chosen


class Training:
    """Trains for one seed, below one folder; what is finished there is not trained again."""

    def __init__(
        self,
        profile: Profile,
        base: Path,
        data: DataSets,
        out: Path,
        seed: int,
        report: Callable[[str], None],
    ) -> None:
        self.profile, self.base, self.out, self.seed, self.report = profile, base, out, seed, report
        self.data = data
        self.seconds = 0.0
        """Of training, all models together."""

    def start(self) -> Path:
        """The common start: the projector on captions, then everything with the vision tokens in sight."""
        bases = Start(
            vision=self.base / "vision",
            language=self.base / "language",
            n_voco=max(self.profile.tokens),
            options={"positions": "compact", "projector": "linear"},
            template=TEMPLATE,
        )
        aligned = self._train(
            "align", stage="align", start=bases, data=self.data.captions, length=self.profile.align
        )
        learnt = aligned
        for one in self.profile.lessons:
            begin, data = Start(checkpoint=learnt), self.data.lessons[one.name]
            learnt = self._train(one.name, variant="upper", start=begin, data=data, length=one.length)
        return learnt

    def variant(self, one: Trained, start: Path) -> Path:
        """One variant's model, from the common start or another's model."""
        return self._train(
            f"{one.row}-{one.n_voco}".replace(", ", "-").replace(" ", "-"),
            variant=one.variant,
            start=Start(checkpoint=start, n_voco=one.n_voco),
            data=self.data.questions,
            length=one.length or self.profile.instruct,
            objective=one.objective,
        )

    @staticmethod
    def _rates(settings: dict[str, Any]) -> dict[Any, float]:
        """Baselines have no projector."""
        return {"projector": PROJECTOR_LR} if settings.get("variant") in ("upper", "voco") else {}

    def _train(self, name: str, *, data: Path, length: Stage, stage: str = "instruct", **settings: Any) -> Path:
        recipe = Recipe.model_validate(
            {
                "stage": stage,
                "out": self.out / name,
                "seed": self.seed,
                "steps": length.steps,
                "data": Data(
                    folders=(data,),
                    batch_size=self.profile.images_per_step,
                    questions_per_image=self.profile.questions,
                    workers=1,
                ),
                "optimiser": Optimiser(
                    kind="muon",
                    lr=length.lr,
                    lr_of=self._rates(settings),
                    schedule=length.schedule,
                    warmup=0.05,
                    betas=BETAS,
                ),
                "saving": Saving(report_every=50),
            }
            | settings
        )

        def tell(figures: Report) -> None:
            self.report(f"{name:<20} {figures['step']}/{length.steps}  loss {figures['loss']:.3f}")

        result = train(recipe, report=tell)
        self.seconds += result.seconds
        return result.model

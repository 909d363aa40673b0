"""Which parts learn, and in which order stages come."""

import pytest

from tests.voco_model.training.small_runs import recipe
from tests.voco_model.worlds import model
from voco_model.errors import VocoError
from voco_model.training.stages import check_order, freeze, frozen_modules, parts_of, reading_of, shows_voco

VIDEO = {"data": {"n_frames": 2}}
LEARNS = [
    ("align", "voco", {"projector"}),
    ("align", "upper", {"projector"}),
    ("align", "avgpool", {"compressor"}),
    ("instruct", "voco", {"projector", "voco", "language"}),
    ("instruct", "upper", {"projector", "voco", "language"}),
    ("instruct", "qformer", {"compressor", "language"}),
    ("continue_video", "voco", {"projector", "voco", "language"}),
]


def shape_of(variant: str) -> dict:
    return {
        "voco": {},
        "upper": {"reading": "causal"},
        "avgpool": {"compressor": "avgpool", "n_voco": 1},
        "qformer": {"compressor": "qformer"},
    }[variant]


@pytest.mark.parametrize(("stage", "variant", "learning"), LEARNS)
def test_a_stage_trains_its_parts_whole_and_no_others(tmp_path, stage, variant, learning):
    made = model(**shape_of(variant))
    freeze(made, recipe(tmp_path, tmp_path, stage=stage, variant=variant, **VIDEO))
    for name, part in parts_of(made).items():
        assert {p.requires_grad for p in part.parameters()} == {name in learning}
    assert len(frozen_modules(made)) == len(parts_of(made)) - len(learning)


def test_only_the_last_layers_learn_where_so_many_are_named(tmp_path):
    made = model()
    freeze(made, recipe(tmp_path, tmp_path, language_layers=1))
    learning = {name for name, p in made.language_model.named_parameters() if p.requires_grad}
    assert learning
    assert all(name.startswith("model.layers.2.") for name in learning)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trained": ["compressor"]}, "trained names compressor"),
        ({"trained": []}, "nothing would learn"),
        ({"language_layers": 9}, "language_layers is 9; this language model has 3"),
    ],
)
def test_parts_that_are_not_there_are_refused(tmp_path, changes, words):
    with pytest.raises(VocoError, match=words):
        freeze(model(), recipe(tmp_path, tmp_path, **changes))


def been(*stages: str, variant: str = "voco") -> list[dict]:
    return [{"stage": stage, "variant": variant} for stage in stages]


@pytest.mark.parametrize(
    ("stage", "history"),
    [
        ("align", been()),
        ("instruct", been()),
        ("instruct", been("align", "instruct")),
        ("continue_video", been("align", "instruct")),
        ("continue_video", been("instruct", "continue_video")),
    ],
)
def test_stages_in_order_are_taken(tmp_path, stage, history):
    check_order(recipe(tmp_path, tmp_path, stage=stage, **VIDEO), history)


@pytest.mark.parametrize(
    ("stage", "history", "words"),
    [
        ("align", been("align", "instruct"), "has been through instruct, and align comes before that"),
        ("instruct", been("instruct", "continue_video"), "instruct comes before that"),
        ("continue_video", been(), "has been through no stage, and continue_video goes on from instruct"),
        ("continue_video", been("align"), "has been through align, and continue_video goes on from instruct"),
        ("continue_video", been("instruct", variant="avgpool"), "instructed as variant avgpool, not voco"),
    ],
)
def test_stages_out_of_order_are_refused_in_one_line(tmp_path, stage, history, words):
    with pytest.raises(VocoError, match=words) as caught:
        check_order(recipe(tmp_path, tmp_path, stage=stage, **VIDEO), history)
    assert "\n" not in str(caught.value)


def test_alignment_alone_shows_no_voco_tokens_and_reads_the_picture(tmp_path):
    for stage, variant, _ in LEARNS:
        given = recipe(tmp_path, tmp_path, stage=stage, variant=variant, **VIDEO)
        bare = stage == "align" and variant in ("voco", "upper")
        assert (shows_voco(given), reading_of(given)) == ((False, "causal") if bare else (True, None))

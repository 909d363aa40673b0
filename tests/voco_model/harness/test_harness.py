"""lmms-eval's plug-in: its requests answered as the library answers them.

The harness itself is used where it is installed. The project's environment cannot hold it: lmms-eval 0.7.3 wants
av < 16, the pins have av 18. There its base class, of which only the three abstract methods and the constructor
matter here, stands in, and requests have the shape that its guide for models gives them.
"""

import abc
import importlib.util
import math
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from PIL import Image

from tests.voco_model.evaluation import small_benchmarks as small
from tests.voco_model.video.clips import make
from voco_model import harness
from voco_model.errors import VocoError

INSTALLED = importlib.util.find_spec("lmms_eval") is not None
DOCS = [
    {"image": Image.new("RGB", (50, 30), (200, 10, 10)), "question": "what?", "right": "red"},
    {"image": Image.new("RGB", (40, 80), (20, 10, 210)), "question": "and why is that so?", "right": "blue"},
    {"image": None, "question": "no picture?", "right": "no"},
]
GREEDY = {"max_new_tokens": 6, "temperature": 0, "top_p": 1.0, "num_beams": 1, "do_sample": False}


def stand_in() -> dict[str, ModuleType]:
    """The parts of lmms-eval that a plug-in touches."""

    class Base(abc.ABC):
        is_simple = True

        def __init__(self):
            self._rank, self._world_size, self.task_dict = 0, 1, {}
            self.cache_hook = SimpleNamespace(add_partial=lambda attribute, request, answer: None)

        @abc.abstractmethod
        def loglikelihood(self, requests): ...

        @abc.abstractmethod
        def generate_until(self, requests): ...

        @abc.abstractmethod
        def generate_until_multi_round(self, requests): ...

    known: dict[str, type] = {}
    contents = {
        "lmms_eval": {},
        "lmms_eval.api": {},
        "lmms_eval.models": {},
        "lmms_eval.api.model": {"lmms": Base},
        "lmms_eval.api.registry": {
            "register_model": lambda name: lambda cls: known.setdefault(name, cls),
            "MODEL_REGISTRY": known,
        },
        "lmms_eval.models.registry_v2": {"ModelManifest": SimpleNamespace},
    }
    made = {name: ModuleType(name) for name in contents}
    for name, content in contents.items():
        vars(made[name]).update(content)
    return made


@pytest.fixture
def lmms_eval(monkeypatch):
    harness.model_class.cache_clear()
    if not INSTALLED:
        for name, module in stand_in().items():
            monkeypatch.setitem(sys.modules, name, module)
    yield
    harness.model_class.cache_clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("harness") / "model"
    small.assistant(seed=1, dtype=torch.float32).save_pretrained(path)
    return path


@pytest.fixture
def model(lmms_eval, folder):
    made = harness.Voco(pretrained=str(folder), n_voco=2, batch_size="2", device="cpu")
    made.task_dict["task"] = {"test": DOCS}
    return made


def visual(doc):
    return [doc["image"].convert("RGB")] if doc["image"] else None


def request(*arguments):
    return SimpleNamespace(args=arguments)


def asked(doc_id, options=GREEDY, show=visual, context=None):
    return request(context or DOCS[doc_id]["question"], dict(options), show, doc_id, "task", "test")


def plain(model, doc_id, **options):
    """The library's own answer."""
    doc, own = DOCS[doc_id], model.assistant
    shown = [own.compress(doc["image"], 2)] if doc["image"] else []
    return own.read([shown], [doc["question"]], **{"max_new_tokens": 6} | options)[0]


@pytest.mark.skipif(INSTALLED, reason="lmms-eval is here")
def test_without_the_harness_one_line_says_what_to_install():
    with pytest.raises(VocoError, match=r"lmms-eval cannot be imported \(No module.*pip install 'lmms-eval"):
        _ = harness.Voco
    with pytest.raises(VocoError, match="lmms-eval cannot be imported"):
        harness.manifest()
    with pytest.raises(AttributeError):
        _ = harness.Llava


def test_the_harness_finds_the_class_by_our_entry_point(lmms_eval):
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    where, name = project["entry-points"]["lmms_eval.models"]["voco"].split(":")
    told = getattr(importlib.import_module(where), name)()
    assert told.model_id == "voco"
    module, _, cls = told.simple_class_path.rpartition(".")
    found = getattr(importlib.import_module(module), cls)
    base = importlib.import_module("lmms_eval.api.model").lmms
    assert issubclass(found, base)
    assert found.is_simple
    assert not found.__abstractmethods__
    assert importlib.import_module("lmms_eval.api.registry").MODEL_REGISTRY["voco"] is found


def test_answers_are_the_librarys_in_the_order_of_the_requests(model):
    longer = GREEDY | {"max_new_tokens": 9}
    requests = [asked(0), asked(1, longer), asked(2), asked(1), asked(0)]
    before = [dict(one.args[1]) for one in requests]
    expected = [
        plain(model, 0),
        plain(model, 1, max_new_tokens=9),
        plain(model, 2),
        plain(model, 1),
        plain(model, 0),
    ]
    assert model.generate_until(requests) == expected
    assert [one.args[1] for one in requests] == before, "the task's options are not ours to change"
    assert len(set(expected)) > 2


def test_an_answer_ends_before_the_first_stop(model):
    whole = plain(model, 0, max_new_tokens=12)
    assert len(whole) > 3
    options = GREEDY | {"max_new_tokens": 12}
    stops = [whole[3], whole[2], "", "never there"]
    cut = whole[: min(whole.index(stop) for stop in stops[:2])]
    assert model.generate_until([asked(0, options | {"until": stops})]) == [cut]
    assert model.generate_until([asked(0, options | {"until": whole[2]})]) == [whole[: whole.index(whole[2])]]
    assert model.generate_until([asked(0, options | {"until": None})]) == [whole]


def test_pictures_are_looked_at_once_for_all_that_ask(model, monkeypatch):
    sizes, compress = [], model.assistant.compress_apart
    monkeypatch.setattr(
        model.assistant,
        "compress_apart",
        lambda squares, n: sizes.append((len(squares), n)) or compress(squares, n),
    )
    model.loglikelihood([request("what?", text, visual, 0, "task", "test") for text in ("red", "blue")])
    assert sizes == [(1, 2)]


def test_clips_by_path_and_by_frames(model, tmp_path):
    path = make(tmp_path / "clip.mp4", range(8)) or tmp_path / "clip.mp4"
    frames = [Image.new("RGB", (40, 40), (shade, 0, 0)) for shade in (0, 120, 240)]
    model.visuals.frames = 3
    by_path, by_frames = model.generate_until(
        [asked(0, show=lambda doc: [str(path)]), asked(0, show=lambda doc: [frames])]
    )
    read = model.assistant.read
    clip = model.assistant.compress_video(path, count=3, n_voco=2)
    assert by_path == read([[clip]], ["what?"], max_new_tokens=6)[0]
    assert by_frames == read([[model.assistant.compress_frames(frames, n_voco=2)]], ["what?"], max_new_tokens=6)[0]


def test_several_pictures_stand_where_their_tags_are(model):
    both = [DOCS[0]["image"], DOCS[1]["image"]]
    shown = [asked(0, show=lambda doc: both, context=text) for text in ("<image> or <image>?", "which?")]
    apart, together = model.generate_until(shown)
    own = model.assistant
    assert together == own.read([[own.compress(both, 2)]], ["which?"], max_new_tokens=6)[0]
    caches = [own.compress(one, 2) for one in both]
    assert apart == own.read([caches], ["<image> or <image>?"], max_new_tokens=6)[0]


def test_a_task_says_after_each_round_what_comes_next(model):
    told = []

    def doc_to_text(doc, previous_output=None, round_idx=None, previous_round_info=None):
        told.append((list(previous_output), round_idx, previous_round_info))
        return visual(DOCS[1]), f"round {round_idx}", round_idx == 2, previous_output, f"after {round_idx}"

    (said,) = model.generate_until_multi_round(
        [request("what?", dict(GREEDY), visual, doc_to_text, 0, "task", "test")]
    )
    own = model.assistant
    second = own.read([[own.compress(DOCS[1]["image"], 2)]], ["round 1"], max_new_tokens=6)[0]
    assert said == [plain(model, 0), second]
    assert told == [(said[:1], 1, None), (said, 2, "after 1")]


def test_likelihoods_are_those_of_the_one_masked_pass(model):
    """Every token by itself: the next one's log-probability behind picture, question and the text so far."""
    requests = [
        request("what?", " red", visual, 0, "task", "test"),
        request("and why is that so?", lambda doc: doc["right"], visual, 1, "task", "test"),
        request("", "no"),
    ]
    own, found = model.assistant, model.loglikelihood(requests)
    for (text, doc), (likely, greedy) in zip([("red", 0), ("blue", 1), ("no", None)], found, strict=True):
        picture = [] if doc is None else [DOCS[doc]["image"]]
        asking = "" if doc is None else "<image>\n" + DOCS[doc]["question"]
        turns = [{"role": "user", "content": asking}, {"role": "assistant", "content": text}]
        batch = own.processor([turns], [picture], labels=True, n_voco=2)
        mode = {"mode": "one_pass"} if picture else {}
        with torch.no_grad():
            table = own.model(**batch, **mode).logits.log_softmax(-1)
        ids = batch["labels"][batch["labels"] != -100].tolist()
        assert len(ids) == len(text) + 1, "a byte each, and the end, which is not the text's"
        by_hand = sum(float(table[place, token]) for place, token in enumerate(ids[:-1]))
        assert likely == pytest.approx(by_hand, abs=1e-3)
        assert math.isfinite(likely)
        assert greedy is all(int(table[place].argmax()) == token for place, token in enumerate(ids[:-1]))


def test_the_likeliest_letter_is_greedy_and_the_least_likely_text_is_not(model):
    letters = [chr(code) for code in range(33, 127)]
    found = model.loglikelihood([request("what?", one, visual, 0, "task", "test") for one in letters])
    assert sum(greedy for _, greedy in found) <= 1
    ranked = sorted(found, key=lambda pair: pair[0])
    assert not ranked[0][1]
    assert sum(math.exp(likely) for likely, _ in found) <= 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_vocos": 2}, "--model_args n_vocos: unknown; there are pretrained, n_voco"),
        ({"dtype": "int4"}, "dtype=int4: choose auto, float32"),
        ({"reading": "wide"}, "reading=wide: choose rule or causal"),
        ({"n_voco": 9}, "this model was trained with 4: choose 1 to 4"),
        ({"batch_size": "auto"}, "batch_size is auto; give a whole number"),
        ({"pretrained": "nowhere"}, "nowhere: no model here"),
    ],
)
def test_mistakes_are_one_line(lmms_eval, folder, given, message):
    with pytest.raises(VocoError, match=message) as caught:
        harness.Voco(**{"pretrained": folder, "device": "cpu"} | given)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_seen_is_named(model):
    sound = {"array": [0.0], "sampling_rate": 16000}
    with pytest.raises(VocoError, match="task/test, document 0: shows a dict; this model sees pictures and clips"):
        model.generate_until([asked(0, show=lambda doc: [sound])])
    with pytest.raises(VocoError, match=r"document 0: 2 image tags \(<image>\) for 1 pictures"):
        model.generate_until([asked(0, context="<image> and <image>?")])


def test_the_upper_bound_reads_the_pictures_themselves(lmms_eval, folder):
    made = harness.Voco(pretrained=folder, reading="causal", device="cpu")
    made.task_dict["task"] = {"test": DOCS}
    own = made.assistant
    expected = own.read([[DOCS[0]["image"]]], ["what?"], reading="causal", max_new_tokens=6)
    assert made.generate_until([asked(0)]) == expected

"""What is seen of a model on a benchmark: attention as shades, the probe on real caches, written and read back."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.voco_model.evaluation import small_benchmarks as small
from voco_model.errors import VocoError
from voco_model.evaluation import readable as reading
from voco_model.evaluation.attention_maps import voco_attention
from voco_model.evaluation.benchmarks import by_name
from voco_model.evaluation.looks import DARKEST, LOOKS, look, read_looks, shade
from voco_model.evaluation.questions import Question
from voco_model.evaluation.readable import answer_of, readable
from voco_model.evaluation.scoring import scored
from voco_model.evaluation.showing import Shown


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return small.gqa(tmp_path_factory.mktemp("looks") / "gqa")


@pytest.fixture(scope="module")
def assistant():
    return small.assistant(dtype=torch.float32)


def shown(assistant, place, name="gqa") -> Shown:
    return Shown(assistant, by_name(name), place, 2)


def seen(assistant, place):
    questions = by_name("gqa").load(place)
    answers = ["red" if k % 3 else "no" for k in range(len(questions))]
    result = scored(by_name("gqa"), questions, answers)
    return look(assistant, shown(assistant, place), questions, result, 4)


def test_attention_cards_and_identity_are_the_models(assistant, place, tmp_path):
    looks = seen(assistant, place)
    assert len(looks.looked) == 3, "each picture once, though four questions are about it"
    picture = assistant.processor.squares(shown(assistant, place).pictures(by_name("gqa").load(place)[:1])[0][0])[
        0
    ]
    weights = voco_attention(assistant.model, assistant.processor.pixels([picture]), 4, **assistant.where())[0]
    shares = [round(100 * float(x), 1) for x in weights.sum(-1).mean(1)]
    own = next(one for one in looks.looked if [layer.share for layer in one.layers] == shares)
    assert own.closest == int(np.argmax(shares))
    assert [layer.shade for layer in own.layers] == [shade(layer.mean(0)) for layer in weights]
    assert own.tokens == [shade(token) for token in weights[own.closest]]
    assert all(card.picture for card in looks.cards)
    assert looks.identity["model"] == assistant.model.digest()
    assert looks.identity["versions"]["torch"] == torch.__version__
    looks.write(tmp_path)
    assert read_looks(tmp_path) == looks


def test_a_baseline_compresses_before_and_tiles_are_seen_as_their_overview(place):
    before = seen(small.assistant(dtype=torch.float32, compressor="qformer"), place)
    assert before.looked == []
    assert len(before.cards) == 6
    assistant = small.assistant(dtype=torch.float32)
    whole = seen(assistant, place)
    assistant.processor.aspect = "tiles"
    tiled = seen(assistant, place)
    assert tiled.looked == whole.looked
    assert tiled.identity["shape"]["pictures"].endswith("tiles")


def test_a_shade_is_clear_where_attention_is_greatest():
    uri = shade(torch.tensor([0.2, 0.1, 0.0, 0.05]))
    picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert picture.size == (2, 2)
    alpha = np.asarray(picture)[..., 1] / 255
    np.testing.assert_allclose(alpha, [[0, DARKEST * (1 - 0.5**0.5)], [DARKEST, DARKEST / 2]], atol=1 / 255)
    assert not np.asarray(picture)[..., 0].any()
    assert shade(torch.zeros(4)) != uri, "no attention at all is dark, not a division by zero"


def test_a_clip_has_cards_but_no_attention_or_probe(assistant, tmp_path):
    place = small.msvd_qa(tmp_path / "msvd_qa")
    benchmark = by_name("msvd_qa")
    questions = benchmark.load(place)
    result = scored(benchmark, questions, ["dog"] * len(questions))
    looks = look(assistant, shown(assistant, place, "msvd_qa"), questions, result, 2)
    assert (len(looks.cards), looks.looked, looks.read) == (3, [], [])


def test_the_probe_reads_from_caches_what_pictures_show(assistant, tmp_path, monkeypatch):
    """Light and dark pictures, on a model that nobody trained: its caches tell them apart, names do not."""
    chance = np.random.default_rng(0)
    questions = []
    (tmp_path / "images").mkdir()
    for k in range(50):
        light = bool(chance.integers(2))
        noise = chance.integers(0, 60, (32, 32, 3)) + (190 if light else 0)
        Image.fromarray(noise.astype(np.uint8)).save(tmp_path / "images" / f"{k}.jpg", quality=95)
        answer, name = ("yes" if light else "no"), f"{k}.jpg"
        questions.append(Question(id=str(k), text="Is it light?", prompt="", truth=answer, media=name, group=name))
    gone = replace(questions[0], id="gone", media="gone.jpg", group="gone.jpg")
    rows = readable(shown(assistant, tmp_path), [*questions, gone], 4)
    assert [(row.what, row.tokens) for row in rows] == [("", 1), ("", 4), ("Is it light?", 4)]
    for row in rows:
        assert row.probed.pictures == 50, "one whose picture is not there is left out"
        assert row.probed.accuracy.value > 90 > row.probed.majority
    tiles = small.assistant(dtype=torch.float32)
    tiles.processor.aspect = "tiles"
    tiled = readable(shown(tiles, tmp_path), questions, 4)
    assert [(row.what, row.tokens) for row in tiled] == [(row.what, row.tokens) for row in rows]
    assert min(row.probed.accuracy.value for row in tiled) > 90
    monkeypatch.setattr(reading, "NUMBERS", 1)
    assert [row.tokens for row in readable(shown(assistant, tmp_path), questions, 4)] == [1, 1]
    assert readable(shown(assistant, tmp_path), questions[:39], 4) == []


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ({"truth": "red"}, "red"),
        ({"truth": "B", "options": {"B": "red"}}, "red"),
        ({"truth": ("red", "blue", "red")}, "red"),
        ({"truth": (0.1, 0.2, 0.3, 0.4)}, None),
        ({"truth": [["a", "ball"]]}, None),
        ({"truth": "red", "video": True}, None),
        ({"truth": "red", "media": None}, None),
    ],
)
def test_which_answers_a_probe_can_learn(more, answer):
    assert answer_of(Question(**{"id": "1", "text": "", "prompt": "", "media": "1.jpg"} | more)) == answer


def test_a_file_that_is_not_ours_is_named(tmp_path):
    assert read_looks(tmp_path) is None
    for content in ("[1]", "{", json.dumps({"format": 1, "reading": "voco_1"})):
        (tmp_path / LOOKS).write_text(content)
        with pytest.raises(VocoError, match=r"looks.json: not what `voco eval` wrote"):
            read_looks(tmp_path)
    (tmp_path / LOOKS).write_text('{"format": 9}')
    with pytest.raises(VocoError, match="format 9; this version reads 1"):
        read_looks(tmp_path)

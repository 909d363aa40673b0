"""The loader on small data sets: what comes, in which order, from where it goes on, and what damage does."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.voco_model.data.small_sets import (
    FRAMES,
    PROCESSOR,
    Item,
    all_ids,
    clip,
    flat,
    ids,
    loader,
    png,
    processor,
    write,
)
from voco_model.config import preset
from voco_model.data.collating import Reading, TrainingBatch
from voco_model.data.grouping import BatchPolicy
from voco_model.data.loading import TrainingLoader
from voco_model.data.rooms import Lent, Rooms
from voco_model.errors import VocoError
from voco_model.model import VocoForConditionalGeneration
from voco_model.pixels import plain_room, prepared
from voco_model.processing.pictures import open_picture
from voco_model.segments import NO_IMAGE, Kind
from voco_model.video import sample_frames


def mixed_items() -> list[Item]:
    """23 records: pictures with one to three questions each, and text alone."""
    items = [Item(media=png(n // 2), answer="y" * (1 + 7 * n % 40)) for n in range(14)]
    items += [Item("text", answer="z" * n) for n in range(1, 7)]
    return [*items, Item(media=png(3)), Item(media=png(90)), Item(media=png(3))]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("mixed") / "set", mixed_items())


def same(one: TrainingBatch, other: TrainingBatch) -> bool:
    if (one.inputs is None) or (other.inputs is None) or one.inputs.keys() != other.inputs.keys():
        return one.inputs is None and other.inputs is None
    return one.ids == other.ids and all(torch.equal(one.inputs[k], other.inputs[k]) for k in one.inputs)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 8), st.integers(0, 12), st.integers(1, 3), st.integers(0, 99))
def test_every_record_comes_once_over_all_ranks(mixed, world, more, questions, seed):
    options = {"batch_size": world + more, "questions": questions, "seed": seed, "world_size": world}
    came = [list(loader(mixed, rank=rank, **options)) for rank in range(world)]
    assert sorted(id for rank in came for batch in rank for id in batch.ids) == all_ids(23)
    assert len({len(rank) for rank in came}) == 1
    assert all(batch.index == n for rank in came for n, batch in enumerate(rank))
    assert all((batch.inputs is None) == (not batch.ids) for rank in came for batch in rank)


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_resuming_anywhere_gives_what_was_left_at_any_world_size(mixed, data):
    seed, epoch = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 2))
    first = loader(mixed, seed=seed)
    first.epoch = epoch
    whole = ids(list(first))
    first.epoch, first.next_batch = epoch, 0
    stop = data.draw(st.integers(1, len(whole) - 1))
    for batch in first:
        if batch.index + 1 == stop:
            break
    state = json.loads(json.dumps(first.state_dict()))
    world = data.draw(st.integers(1, 4))
    rest = []
    for rank in range(world):
        again = loader(mixed, seed=seed, rank=rank, world_size=world)
        again.load_state_dict(state)
        rest.append(ids(list(again)))
        assert (again.epoch, again.next_batch) == (epoch + 1, 0)
    assert [sorted(flat(parts)) for parts in zip(*rest, strict=True)] == [sorted(b) for b in whole[stop:]]


def test_workers_change_neither_order_nor_content_nor_position(mixed):
    alone, with_two = loader(mixed), loader(mixed, workers=2)
    expected = list(alone)
    came, states = [], []
    for batch in with_two:
        came.append(batch)
        states.append(with_two.state_dict())
    assert len(came) == len(expected)
    assert all(same(a, b) for a, b in zip(came, expected, strict=True))
    # Workers had made the next batches ready; the position knows nothing of that.
    assert [s["next_batch"] for s in states[:-1]] == list(range(1, len(expected)))
    resumed = loader(mixed, workers=1)
    resumed.load_state_dict(states[2])
    assert ids(list(resumed)) == ids(expected[3:])


def test_an_iteration_left_early_goes_on_where_it_was_left(mixed):
    left = loader(mixed)
    begun = [next(iter(left)).ids, next(iter(left)).ids]
    assert begun + ids(list(left)) == ids(list(loader(mixed)))


def test_each_iteration_is_the_next_epoch(mixed):
    going = loader(mixed)
    epochs = [ids(list(going)) for _ in range(3)]
    assert going.epoch == 3
    assert epochs[0] != epochs[1] != epochs[2]
    assert all(sorted(flat(epoch)) == all_ids(23) for epoch in epochs)


def test_loading_leaves_the_models_random_numbers_alone(mixed):
    before = torch.random.get_rng_state()
    next(iter(loader(mixed)))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_batch_is_what_the_processor_makes_of_its_records(mixed):
    items = mixed_items()
    for batch in loader(mixed):
        numbers = [int(id[1:]) for id in batch.ids]
        expected = PROCESSOR(
            [items[n].turns(f"r{n}") for n in numbers],
            [[items[n].media] if items[n].media else [] for n in numbers],
            labels=True,
            truncation=True,
            room=plain_room,
        )
        assert batch.inputs.keys() == expected.keys()
        assert all(torch.equal(batch.inputs[k], expected[k]) for k in expected)


def test_a_record_is_the_same_whatever_its_batch(mixed):
    def rows(**options) -> dict[str, list]:
        found = {}
        for batch in loader(mixed, **options):
            for k, id in enumerate(batch.ids):
                here = batch.inputs["kinds"][k] != Kind.PAD
                image = batch.inputs["images"][k].max().item()
                pixels = None if image == NO_IMAGE else batch.inputs["pixel_values"][image]
                found[id] = [batch.inputs[name][k][here] for name in ("input_ids", "labels", "kinds")] + [pixels]
        return found

    one, other = rows(batch_size=1, questions=1), rows(batch_size=7, questions=3, seed=5)
    assert one.keys() == other.keys()
    for id in one:
        for a, b in zip(one[id], other[id], strict=True):
            assert (a is None and b is None) or torch.equal(a, b)


def test_questions_on_one_picture_share_its_compression(tmp_path):
    write(tmp_path / "set", [Item(media=png(k // 3)) for k in range(12)])
    for batch in loader(tmp_path / "set", batch_size=2, questions=3):
        assert len(batch.ids) == 6
        assert len(batch.inputs["pixel_values"]) == 2
        assert len({int(id[1:]) // 3 for id in batch.ids}) == 2


def test_videos_give_their_frames_in_time_order(tmp_path):
    clips = [clip(n, tmp_path / f"{n}.mp4") for n in (10, 20)]
    items = [Item("video", clips[k % 2], seconds=1.0 + k % 2) for k in range(4)] + [
        Item("text"),
        Item(media=png(1)),
    ]
    write(tmp_path / "set", items)
    for reading, counts in ((Reading(n_frames=3), (3, 3)), (Reading(fps=2), (2, 4))):
        for batch in loader(tmp_path / "set", batch_size=1, questions=2, reading=reading):
            number = int(batch.ids[0][1:])
            if number > 3:
                continue
            count = counts[number % 2]
            assert sorted(batch.ids) == sorted([f"r{number % 2}", f"r{number % 2 + 2}"])
            path = tmp_path / f"{10 + 10 * (number % 2)}.mp4"
            frames = [f.image for f in sample_frames(path, fps=reading.fps, count=reading.n_frames)]
            expected = PROCESSOR.pixels([PROCESSOR.squares(frame)[0] for frame in frames])
            assert len(frames) == count
            assert torch.equal(prepared(batch.inputs["pixel_values"]), expected)
            brightness = prepared(batch.inputs["pixel_values"]).mean((1, 2, 3))
            assert (brightness.diff() > 0).all()


def test_tiles_of_a_picture_are_kept_by_shrinking_nothing(tmp_path):
    path = tmp_path / "wide.mp4"
    write(tmp_path / "set", [Item("video", clip(4, path), seconds=0.4)])
    tiled = processor(aspect="tiles")
    batch = next(iter(TrainingLoader(tmp_path / "set", tiled, BatchPolicy(1), FRAMES)))
    frames = [f.image for f in sample_frames(path, count=2)]
    assert torch.equal(
        prepared(batch.inputs["pixel_values"]), tiled.pixels([s for f in frames for s in tiled.squares(f)])
    )


def test_text_alone(tmp_path):
    write(tmp_path / "set", [Item("text", answer="word " * n) for n in range(1, 9)])
    batches = list(loader(tmp_path / "set"))
    assert sorted(flat(ids(batches))) == all_ids(8)
    assert all("pixel_values" not in batch.inputs for batch in batches)


def test_long_rows_lose_their_end(tmp_path):
    write(tmp_path / "set", [Item("text", answer="a" * 300), Item("text", answer="b")])
    cut = {}
    for batch in loader(tmp_path / "set", batch_size=1, reading=Reading(max_length=50)):
        cut[batch.ids[0]] = batch.inputs["input_ids"].shape[1]
    assert cut["r0"] == 50
    assert cut["r1"] < 50


def test_a_split_alone(tmp_path):
    items = [Item("text", answer="a" * (n + 1), split="val" if n % 3 else "train") for n in range(9)]
    write(tmp_path / "set", items)
    assert sorted(flat(ids(list(loader(tmp_path / "set", split="train"))))) == ["r0", "r3", "r6"]
    with pytest.raises(VocoError, match="no record of the split 'test'; there are train, val"):
        loader(tmp_path / "set", split="test")


@pytest.mark.parametrize("workers", [0, 2])
def test_few_files_are_open_however_many_shards(tmp_path, workers):
    folder = write(tmp_path / "set", [Item("text", answer=f"{n}") for n in range(60)], per_shard=1)
    going = TrainingLoader(folder, PROCESSOR, BatchPolicy(6, shards_at_once=60), workers=workers)
    reader = going._collator.reader
    assert sorted(id for batch in going for id in batch.ids) == all_ids(60)
    assert len(reader._files) == (0 if workers else reader.open_shards)
    reader.close()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed=0, here it is 1"),
        ({"batch_size": 5}, "batch_size=4, here it is 5"),
        ({"questions": 1}, "questions_per_image=2, here it is 1"),
        ({"reading": Reading(n_frames=9)}, "n_frames=2, here it is 9"),
    ],
)
def test_a_position_of_other_settings_is_refused(mixed, changes, named):
    state = loader(mixed).state_dict()
    with pytest.raises(VocoError, match=named):
        loader(mixed, **changes).load_state_dict(state)


def test_a_position_of_other_data_or_outside_is_refused(mixed, tmp_path):
    here = loader(mixed)
    other = loader(write(tmp_path / "set", mixed_items()[:-1]))
    with pytest.raises(VocoError, match="saved with data="):
        here.load_state_dict(other.state_dict())
    with pytest.raises(VocoError, match="says batch 99 of epoch 0"):
        here.load_state_dict(here.state_dict() | {"next_batch": 99})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 2, "world_size": 2}, "rank is 2 of a world of 2"),
        ({"batch_size": 4, "world_size": 5}, "batch_size 4 is below the 5 ranks"),
        ({"workers": -1}, "0 or more"),
        ({"max_failed": 1.5}, "share from 0 to 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(mixed, options, message):
    with pytest.raises(VocoError, match=message):
        loader(mixed, **options)


@pytest.mark.parametrize("reading", [{"fps": 1, "n_frames": 2}, {"fps": 0}, {"n_frames": 0}])
def test_readings_that_cannot_be_are_refused(reading):
    with pytest.raises(VocoError, match="give"):
        Reading(**reading)


@pytest.mark.parametrize("aspect", ["square", "tiles"])
def test_pictures_in_the_other_aspects(tmp_path, aspect):
    other, data = processor(aspect=aspect), png(5, (90, 40))
    write(tmp_path / "set", [Item(media=data)])
    batch = next(iter(TrainingLoader(tmp_path / "set", other, BatchPolicy(1))))
    assert torch.equal(prepared(batch.inputs["pixel_values"]), other.pixels(other.squares(data)))


def test_pictures_are_decoded_upright(tmp_path):
    picture, path = Image.new("RGB", (8, 4), "red"), tmp_path / "turned.jpg"
    picture.paste("blue", (0, 0, 4, 4))
    picture.save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
    write(tmp_path / "set", [Item(media=path.read_bytes())])
    batch = next(iter(loader(tmp_path / "set", batch_size=1)))
    assert torch.equal(
        prepared(batch.inputs["pixel_values"]), PROCESSOR.pixels(PROCESSOR.squares(open_picture(path)))
    )


@pytest.mark.parametrize("options", [{}, {"image_mean": [0.1, 0.5, 0.9], "image_std": [0.2, 1.0, 3.0]}])
def test_pixel_values_are_those_of_the_image_processor_to_the_bit(options):
    quick = processor()
    for name, value in options.items():
        setattr(quick.image_processor, name, value)
    squares = [quick.squares(png(n, (90, 70)))[0] for n in range(3)]
    expected = quick.image_processor(images=squares, return_tensors="pt")["pixel_values"]
    assert torch.equal(quick.pixels(squares), expected)
    handed_over = quick.pixels(squares, plain_room)
    assert handed_over.dtype == (torch.float32 if options else torch.uint8), "bytes mean CLIP's own preparation"
    assert torch.equal(prepared(handed_over), expected)


def test_the_model_prepares_bytes_as_the_processor_does(mixed):
    made = VocoForConditionalGeneration(preset("tiny")).eval()
    batch = next(batch for batch in loader(mixed) if "pixel_values" in batch.inputs)
    floats = prepared(batch.inputs["pixel_values"])
    assert batch.inputs["pixel_values"].dtype == torch.uint8
    assert floats.dtype == torch.float32
    of_bytes, of_floats = (
        made(**batch.inputs | {"pixel_values": p}) for p in (batch.inputs["pixel_values"], floats)
    )
    assert torch.equal(of_bytes.loss, of_floats.loss)


def test_workers_hand_pictures_over_in_shared_rooms(mixed, monkeypatch):
    given, usual = [], Rooms.receive
    monkeypatch.setattr(Rooms, "receive", lambda self, one: given.append(one) or usual(self, one))
    for _ in loader(mixed, batch_size=1, workers=1):
        pass
    lent = [one for one in given if isinstance(one, Lent)]
    assert len(lent) == len(given) > 4
    assert len({one.room for one in lent}) <= 4, "the same rooms again"


def test_tiles_have_room_too(tmp_path, monkeypatch):
    write(tmp_path / "set", [Item(media=png(n, (40, 90))) for n in range(3)])
    given, usual = [], Rooms.receive
    monkeypatch.setattr(Rooms, "receive", lambda self, one: given.append(one) or usual(self, one))
    list(TrainingLoader(tmp_path / "set", processor(aspect="tiles"), BatchPolicy(1), workers=1))
    assert [isinstance(one, Lent) for one in given] == [True] * 3


def test_workers_hand_over_what_is_made_here(mixed):
    for here, there in zip(loader(mixed), loader(mixed, workers=1), strict=True):
        assert here.ids == there.ids
        assert here.inputs.keys() == there.inputs.keys()
        for name, value in here.inputs.items():
            assert value.dtype == there.inputs[name].dtype
            assert torch.equal(value, there.inputs[name])

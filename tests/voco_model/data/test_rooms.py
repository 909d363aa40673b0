"""Shared memory between a loader's workers and its reader: taken, handed over, free again."""

import torch

from voco_model.data.rooms import Lent, Rooms

SHAPE = (2, 4, 4, 3)


def filled(rooms: Rooms, value: int, worker: int = 0) -> torch.Tensor:
    room = rooms.room(worker, SHAPE)
    return room.fill_(value).permute(0, 3, 1, 2)


def test_what_was_filled_is_received_as_it_lay():
    rooms = Rooms(1, 2, 96)
    made = filled(rooms, 7)
    made[1, 2, 3, 0] = 9
    given = rooms.hand_over(made)
    assert isinstance(given, Lent)
    received = rooms.receive(given)
    assert received.stride() == made.stride()
    assert torch.equal(received, made)


def test_a_room_is_not_given_again_while_anything_of_it_is_held():
    rooms = Rooms(1, 1, 96)
    received = rooms.receive(rooms.hand_over(filled(rooms, 1)))
    part = received[1:, 0]
    del received
    other = filled(rooms, 2)
    assert isinstance(rooms.hand_over(other), torch.Tensor), "the only room is held"
    assert (part == 1).all()
    del part
    assert isinstance(rooms.hand_over(filled(rooms, 3)), Lent), "nobody holds it any more"


def test_before_it_is_handed_over_a_room_may_be_filled_anew():
    rooms = Rooms(1, 1, 96)
    filled(rooms, 1)
    given = rooms.hand_over(filled(rooms, 2))
    assert (rooms.receive(given) == 2).all()


def test_workers_have_rooms_of_their_own():
    rooms = Rooms(2, 2, 96)
    lent = [rooms.hand_over(filled(rooms, n, worker=n // 2)) for n in range(4)]
    assert len({given.room for given in lent}) == 4
    assert all((rooms.receive(given) == n).all() for n, given in enumerate(lent))


def test_what_is_larger_than_a_room_or_not_in_one_goes_as_it_is():
    rooms = Rooms(1, 1, 95)
    large, foreign = filled(rooms, 1), torch.ones(3)
    assert rooms.hand_over(large) is large
    assert large.is_shared(), "torch then copies nothing"
    assert rooms.hand_over(foreign) is foreign
    assert rooms.receive(foreign) is foreign

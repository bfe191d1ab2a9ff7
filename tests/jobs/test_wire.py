"""Messages and their arrays come through a pipe as they were."""

from __future__ import annotations

import multiprocessing
import threading

import numpy as np
import pytest

from attunet_gui.core.volume import Volume
from attunet_gui.jobs import wire
from attunet_gui.jobs.messages import Cancel, Hold, Predict, Run
from attunet_gui.synthesis.phantom import PhantomRequest, make_phantom, phantom_volume


@pytest.fixture(scope="module")
def volume() -> Volume:
    return phantom_volume(make_phantom(PhantomRequest(1, (9, 48, 48), (6.0, 8.0, 8.0))))


def test_a_volume_arrives_whole_and_read_only(volume: Volume) -> None:
    here, there = multiprocessing.Pipe()
    sending = threading.Thread(target=wire.send, args=(here, Hold(volume)))
    sending.start()
    arrived = wire.receive(there)
    sending.join()
    assert np.array_equal(arrived.volume.hu, volume.hu)
    assert np.array_equal(arrived.volume.grid.affine, volume.grid.affine)
    assert not arrived.volume.hu.flags.writeable


def test_small_messages_keep_their_order(tmp_path: object) -> None:
    here, there = multiprocessing.Pipe()
    for job in range(3):
        wire.send(here, Cancel(job))
    wire.send(here, Run(3, Predict(None, tmp_path, 2)))  # type: ignore[arg-type]
    assert [wire.receive(there).job for _ in range(4)] == [0, 1, 2, 3]


def test_the_end_of_the_other_side_is_told() -> None:
    here, there = multiprocessing.Pipe()
    here.close()
    with pytest.raises(EOFError):
        wire.receive(there)

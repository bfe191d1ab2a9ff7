"""Messages and their arrays come through a pipe as they were."""

from __future__ import annotations

import multiprocessing
import threading

import numpy as np
import pytest

from attunet_gui.core.volume import Volume
from attunet_gui.synthesis.phantom.abdomen_phantom import PhantomRequest, make_phantom, phantom_volume
from attunet_gui.workers import child_process
from attunet_gui.workers.inference_messages import CancelJob, LoadVolume, PredictRequest, RunJob


@pytest.fixture(scope="module")
def volume() -> Volume:
    return phantom_volume(make_phantom(PhantomRequest(1, (9, 48, 48), (6.0, 8.0, 8.0))))


def test_a_volume_arrives_whole_and_read_only(volume: Volume) -> None:
    here, there = multiprocessing.Pipe()
    sending = threading.Thread(target=child_process.send_message, args=(here, LoadVolume(volume)))
    sending.start()
    arrived = child_process.receive_message(there)
    sending.join()
    assert np.array_equal(arrived.volume.hu, volume.hu)
    assert np.array_equal(arrived.volume.grid.affine, volume.grid.affine)
    assert not arrived.volume.hu.flags.writeable


def test_small_messages_keep_their_order(tmp_path: object) -> None:
    here, there = multiprocessing.Pipe()
    for job in range(3):
        child_process.send_message(here, CancelJob(job))
    child_process.send_message(here, RunJob(3, PredictRequest(None, tmp_path, 2)))  # type: ignore[arg-type]
    assert [child_process.receive_message(there).job for _ in range(4)] == [0, 1, 2, 3]


def test_the_end_of_the_other_side_is_told() -> None:
    here, there = multiprocessing.Pipe()
    here.close()
    with pytest.raises(EOFError):
        child_process.receive_message(there)

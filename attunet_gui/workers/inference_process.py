"""The window's side of the inference process.

The states, as `JobStatus.state` reports them:

    idle --submit--> loading --first slice--> running --finished, failed--> idle
                        |                        |
                        +--------cancel----------+--> idle at once for the user

A job number is a generation: messages about an older job are dropped. A cancelled job that had begun to
compute and does not acknowledge within `CANCEL_GRACE_SECONDS` has its process killed. A process that is still
loading is left alone, because the next request needs the same model anyway. A request that waited behind a
job whose process had to be killed is sent again, to a new process. A process that dies by itself is reported,
and replaced at the next request.
"""

from __future__ import annotations

import logging
import multiprocessing
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.context import SpawnProcess
from pathlib import Path
from time import monotonic

import numpy as np
from psygnal import Signal

from attunet_gui.core.mask_edit import MaskEdit
from attunet_gui.core.propagation import PropagationResult
from attunet_gui.core.volume import Volume
from attunet_gui.prediction.network_prediction import NetworkPrediction, blank_prediction
from attunet_gui.workers import child_process
from attunet_gui.workers.child_process import hide_main_module
from attunet_gui.workers.inference_messages import (
    CancelJob,
    DraftBegun,
    DraftFinished,
    FromWorker,
    JobCancelled,
    JobFailed,
    JobProgressed,
    JobStatus,
    LoadBundle,
    LoadVolume,
    NetworkRequest,
    PrepareAdaptation,
    PrioritiseSlice,
    PropagationFinished,
    QuitWorker,
    RunJob,
    SlicesDrafted,
    ToWorker,
)
from attunet_gui.workers.inference_worker import serve_inference

# A cancel is done within a second, whether the process obeys or has to be killed.
CANCEL_GRACE_SECONDS = 0.8
_LOG = logging.getLogger(__name__)

MessageHandler = Callable[[FromWorker], None]
ExitHandler = Callable[["_WorkerProcess", int | None], None]


class InferenceProcess:
    """Starts the inference process when it is needed, sends it work and reports by signals.

    All signals are emitted from a background thread:
        status_changed(JobStatus).
        draft_begun(job, Prediction): the arrays of the prediction are filled as slices arrive.
        slices_drafted(job, slices, Edit): the edit is what these slices add to an empty mask.
        draft_finished(job, Prediction, draft): draft is (z, y, x) uint8 0/1.
        propagation_finished(job, result).
        job_failed(job, sentence).
    """

    status_changed = Signal(JobStatus)
    draft_begun = Signal(int, NetworkPrediction)
    slices_drafted = Signal(int, np.ndarray, MaskEdit)
    draft_finished = Signal(int, NetworkPrediction, np.ndarray)
    propagation_finished = Signal(int, PropagationResult)
    job_failed = Signal(int, str)

    def __init__(self) -> None:
        # Reentrant, because a job is submitted under the lock and that may start a process under it as well.
        self._lock = threading.RLock()
        self._status = JobStatus()
        self._first: tuple[float, int] = (0.0, 0)
        self._child: _WorkerProcess | None = None
        self._open: RunJob | None = None
        self._arriving: NetworkPrediction | None = None

    @property
    def status(self) -> JobStatus:
        """The current status."""
        return self._status

    @property
    def child_pid(self) -> int | None:
        """Process id of the inference process; None if none is alive."""
        child = self._child
        return child.pid if child is not None and child.is_alive else None

    def load_bundle(self, bundle: Path) -> None:
        """Start the process and have it load `bundle`. This returns at once, and success is not reported."""
        self._ensure_child().queue_message(LoadBundle(bundle))

    def load_volume(self, volume: Volume) -> None:
        """Send `volume` to the process, so that a request about it need not wait for the transfer."""
        self._ensure_child().load_volume(volume)

    def prepare_adaptation(self, bundle: Path) -> None:
        """Have the process prepare an adaptation of `bundle`; returns at once."""
        self._ensure_child().queue_message(PrepareAdaptation(bundle))

    def prioritise_slice(self, index: int) -> None:
        """Tell the process that the annotator looks at slice `index`, so that drafting goes on from there."""
        child = self._child
        if child is not None and self._status.state != "idle":
            child.queue_message(PrioritiseSlice(index))

    def submit(self, request: NetworkRequest) -> int:
        """Send `request` to the process and return its job number; an unfinished job is cancelled first."""
        self.cancel_request()
        with self._lock:
            job = self._status.job + 1
            self._open, self._arriving = RunJob(job, request), None
            status = self._set_status(JobStatus("loading", job))
            self._ensure_child().run_job(self._open)
        self.status_changed.emit(status)
        return job

    def cancel_request(self) -> None:
        """Stop the running job. The status is idle at once, and nothing more is reported of that job."""
        with self._lock:
            before, child = self._status, self._child
            if before.state == "idle":
                return
            status = self._set_status(JobStatus(job=before.job))
            self._open = None
            if child is not None:
                child.stop_job(
                    before.job, kill_after=CANCEL_GRACE_SECONDS if before.state == "running" else None
                )
        self.status_changed.emit(status)

    def close(self) -> None:
        """End the process. A later call starts a new one."""
        with self._lock:
            child, self._child = self._child, None
            self._open = None
            self._set_status(JobStatus(job=self._status.job))
        if child is not None:
            child.end_process()

    def _ensure_child(self) -> _WorkerProcess:
        """Return the running process; start one if there is none."""
        with self._lock:
            if self._child is None or not self._child.is_alive:
                self._child = _WorkerProcess(self._handle_message, self._handle_child_exit)
            return self._child

    def _set_status(self, status: JobStatus) -> JobStatus:
        """Make `status` the current one and return it. The caller holds the lock."""
        self._status = status
        return status

    def _handle_message(self, message: FromWorker) -> None:
        """Handle a message of the process, in the thread that receives."""
        with self._lock:
            # Job 0 is a model that was loaded ahead; its failure is reported although no job waits for it.
            current = message.job == self._status.job and self._status.state != "idle"
            if not current and not (isinstance(message, JobFailed) and message.job == 0):
                return
            status = self._next_status(message)
        match message:
            case DraftBegun(job, outline):
                self._arriving = blank_prediction(outline)
                self.draft_begun.emit(job, self._arriving)
            case SlicesDrafted(job, part, drafted) if self._arriving is not None:
                self._arriving.fill_slices(part)
                self.slices_drafted.emit(job, part.slices, drafted)
            # The status is emitted before the result, so that whoever handles the result sees an idle
            # process.
            case DraftFinished(job, draft, seconds) if self._arriving is not None:
                mask = np.zeros(self._arriving.frame.grid.shape, np.uint8)
                draft.apply_to(mask)
                self.status_changed.emit(status)
                self.draft_finished.emit(job, replace(self._arriving, seconds=seconds), mask)
            case PropagationFinished(job, proposal):
                self.status_changed.emit(status)
                self.propagation_finished.emit(job, proposal)
            case JobFailed(job, sentence):
                self.status_changed.emit(status)
                self.job_failed.emit(job, sentence)
            case _:
                self.status_changed.emit(status)

    def _next_status(self, message: FromWorker) -> JobStatus:
        """Return the status after `message`, and make it the current one. The caller holds the lock."""
        if isinstance(message, DraftBegun | SlicesDrafted) or (
            isinstance(message, JobFailed) and message.job == 0
        ):
            return self._status
        if not isinstance(message, JobProgressed):
            self._open = None
            return self._set_status(JobStatus(job=message.job))
        if message.stage == "loading":
            return self._set_status(replace(self._status, stage=message.stage))
        if self._status.state == "loading":
            # The time left is estimated from the first step on: loading the model is no measure of the pace.
            self._first = (monotonic(), message.done)
        left = self._seconds_left(message) if self._status.state == "running" else None
        return self._set_status(
            JobStatus("running", message.job, message.done, message.total, message.stage, left)
        )

    def _seconds_left(self, message: JobProgressed) -> float | None:
        """Return the estimated seconds until `message.total`; None before the second step."""
        since, first = self._first
        if message.done <= first:
            return None
        return (monotonic() - since) / (message.done - first) * (message.total - message.done)

    def _handle_child_exit(self, child: _WorkerProcess, exit_code: int | None) -> None:
        """Handle the end of `child`: send a waiting request to a new process, or report the failure."""
        with self._lock:
            # The end of a process that was closed or replaced does not concern the present one.
            if child is not self._child:
                return
            self._child = None
            before = self._status
            # The kill was meant for an earlier job; the open one only waited behind it.
            if child.was_killed and self._open is not None:
                self._ensure_child().run_job(self._open)
                return
            self._open = None
            status = self._set_status(JobStatus(job=before.job))
        self.status_changed.emit(status)
        if before.state != "idle":
            self.job_failed.emit(
                before.job,
                f"The network's process ended unexpectedly (exit code {exit_code}); "
                "your mask is untouched, press Run to start it again.",
            )


class _WorkerProcess:
    """One spawned process with its pipe: one thread sends to it, another receives from it."""

    def __init__(self, received: MessageHandler, died: ExitHandler) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process: SpawnProcess = context.Process(
            # A daemon, so that it ends with the window's process.
            target=serve_inference,
            args=(far_end,),
            daemon=True,
            name="attunet-network",
        )
        with hide_main_module():
            self._process.start()
        far_end.close()
        self._outbox: queue.SimpleQueue[ToWorker | None] = queue.SimpleQueue()
        self._received, self._died = received, died
        self._held: Volume | None = None
        self._settled: set[int] = set()
        self._news = threading.Condition()
        self.was_killed = False
        for target in (self._send_all, self._receive_all):
            threading.Thread(target=target, daemon=True, name=f"attunet{target.__name__}").start()

    @property
    def pid(self) -> int | None:
        """Process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process is running."""
        return self._process.is_alive()

    def queue_message(self, message: ToWorker) -> None:
        """Queue `message`. This never blocks, however large the message is."""
        self._outbox.put(message)

    def load_volume(self, volume: Volume) -> None:
        """Send `volume`, unless the process already holds it."""
        if volume is not self._held:
            self._held = volume
            self.queue_message(LoadVolume(volume))

    def run_job(self, run: RunJob) -> None:
        """Send `run_job` without its volume, which is sent before if the process does not hold it."""
        if run.request.volume is not None:
            self.load_volume(run.request.volume)
        self.queue_message(replace(run, request=replace(run.request, volume=None)))

    def stop_job(self, job: int, kill_after: float | None) -> None:
        """Cancel `job`; kill the process if it has not acknowledged after `kill_after` seconds. None never
        kills.
        """
        self.queue_message(CancelJob(job))
        if kill_after is not None:
            threading.Thread(target=self._kill_unless_settled, args=(job, kill_after), daemon=True).start()

    def end_process(self) -> None:
        """Ask the process to quit, and kill it if it is still running after 0.2 s."""
        self.queue_message(QuitWorker())
        self._process.join(0.2)
        self._kill_process()
        self._process.join(2)

    def _kill_unless_settled(self, job: int, seconds: float) -> None:
        """Wait for the end of `job`; kill the process if that does not come within `seconds`."""
        with self._news:
            settled = self._news.wait_for(lambda: job in self._settled, seconds)
        if not settled:
            self._kill_process()

    def _kill_process(self) -> None:
        """Kill the process if it is running."""
        if self._process.is_alive():
            self.was_killed = True
            self._process.kill()

    def _send_all(self) -> None:
        """Send what is queued until None comes or the pipe is closed."""
        while (message := self._outbox.get()) is not None:
            try:
                child_process.send_message(self._pipe, message)
            except OSError:
                return
            except Exception:
                _LOG.exception("sending")
                self._process.kill()
                return

    def _receive_all(self) -> None:
        """Receive until the pipe is closed, then report the end of the process."""
        try:
            while True:
                message: FromWorker = child_process.receive_message(self._pipe)
                # These four end a job, so the thread that waits to kill the process need not do so any more.
                if isinstance(message, JobCancelled | DraftFinished | PropagationFinished | JobFailed):
                    with self._news:
                        self._settled.add(message.job)
                        self._news.notify_all()
                self._report_message(message)
        except (EOFError, OSError):
            pass
        except Exception:
            _LOG.exception("receiving")
            self._process.kill()
        self._outbox.put(None)
        self._process.join()
        self._died(self, self._process.exitcode)

    def _report_message(self, message: FromWorker) -> None:
        """Pass `message` on. An exception of a listener is logged; it must not end the receiving thread."""
        try:
            self._received(message)
        except Exception:
            _LOG.exception("listening")

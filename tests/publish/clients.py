"""Publishers and readers in processes of their own, with the real `huggingface_hub` and `datasets`.

They are forked from a process that has imported all that, so that each starts in milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import SimpleNamespace

from datasets import disable_progress_bars, load_dataset
from huggingface_hub import constants, file_download
from huggingface_hub.utils import _http

from routerset.etl.sources import remote
from routerset.release.errors import ReleaseError
from routerset.release.publish import hub as publishing
from routerset.release.publish import session
from routerset.release.publish.client import Patience
from routerset.release.publish.hub import publish
from routerset.release.publish.published import Published

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])
QUICK = Patience(tries=6, first=0.0, longest=0.0)


@dataclass(frozen=True)
class Told:
    """How a publisher ended. code: of the exit, negative where it was killed. steps: what it told."""

    code: int
    result: Published | None
    message: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """What a publisher is to do.

    trusting: it does not read what arrived, which takes seconds. die_at: number of the step at which it is
    killed. full_disk: no file grows beyond some KB. answer_within: seconds, for every answer. spy: it
    tells the environment of the process that reads what arrived.
    """

    release: Path
    to: str
    token: str | None
    version: str | None = None
    dry_run: bool = False
    trusting: bool = True
    die_at: int | None = None
    full_disk: bool = False
    answer_within: float | None = None
    overwrite: bool = False
    sign: Path | None = None
    spy: bool = False


class Publisher:
    """A running publisher."""

    def __init__(self, order: Order) -> None:
        self._answers, theirs = _processes.Pipe(duplex=False)
        self.process: ForkServerProcess = _processes.Process(target=_publish, args=(theirs, order))
        self.process.start()
        theirs.close()

    def kill(self) -> None:
        """End it at once."""
        os.kill(self.process.pid or 0, signal.SIGKILL)

    def wait(self) -> Told:
        """How it ended."""
        told: Told | None = None
        steps: list[str] = []
        try:
            while told is None:
                answer = self._answers.recv()
                if isinstance(answer, str):
                    steps.append(answer)
                else:
                    told = Told(*answer, tuple(steps))
        except EOFError:
            pass
        self.process.join()
        return told or Told(self.process.exitcode or 0, None, "", tuple(steps))


def without_waiting() -> None:
    """Let nobody wait between attempts; the library itself waits for seconds."""
    time = SimpleNamespace(sleep=lambda _: None)
    _http.time = file_download.time = remote.time = time  # type: ignore[assignment]


def _publish(answers: Connection, order: Order) -> None:
    without_waiting()
    os.environ.pop("HF_TOKEN", None)
    if order.token is not None:
        os.environ["HF_TOKEN"] = order.token
    if order.answer_within is not None:
        session.ANSWER_WITHIN = order.answer_within
        constants.HF_HUB_DOWNLOAD_TIMEOUT = constants.HF_HUB_ETAG_TIMEOUT = order.answer_within
    if order.full_disk:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
    if order.trusting:
        publishing.check_arrival = lambda *_: []
    if order.spy:
        os.environ["SECRET"] = "x"
        start = subprocess.Popen

        def spied(command: list[str], **options: object) -> object:
            answers.send(f"environment: {options['env']}")
            return start(command, **options)  # type: ignore[call-overload]

        subprocess.Popen = spied  # type: ignore[assignment, misc]
    seen = 0

    def progress(step: str) -> None:
        nonlocal seen
        answers.send(step)
        if seen == order.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    try:
        result = publish(
            order.release,
            order.to,
            version=order.version,
            dry_run=order.dry_run,
            overwrite=order.overwrite,
            sign=order.sign,
            progress=progress,
            patience=QUICK,
        )
        answers.send((0, result, ""))
    except ReleaseError as error:
        answers.send((error.exit_code, None, str(error)))


def in_process(function: Callable[..., object], *arguments: object) -> object:
    """What a function returns in a fresh client."""
    answers, theirs = _processes.Pipe(duplex=False)
    process = _processes.Process(target=_call, args=(theirs, function, *arguments))
    process.start()
    theirs.close()
    try:
        return answers.recv()
    finally:
        process.join()


def _call(answers: Connection, function: Callable[..., object], *arguments: object) -> None:
    answers.send(function(*arguments))


def load_rows(
    repository: str, revision: str | None, cache: Path, configs: list[str]
) -> Mapping[str, Mapping[str, list[dict[str, object]]]]:
    """Rows of some configs by split, as `load_dataset` gives them."""
    disable_progress_bars()
    found = {}
    for config in configs:
        loaded = load_dataset(repository, config, revision=revision, cache_dir=str(cache))
        found[config] = {split: rows.to_list() for split, rows in loaded.items()}
    return found

"""Dask clusters as a user starts them, a scheduler and workers on the command line, and builds on them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = """
import importlib, os, pathlib, signal, sys
from routerset.etl import pipeline
from routerset.etl.cli import main
from routerset.etl.stages import validate
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with & ignores it
validate.gate = lambda *_, **__: {}  # tested elsewhere, and takes seconds to import
pipeline.PATIENCE = float(os.environ.get("PATIENCE", pipeline.PATIENCE))
if os.environ.get("ROUTERSET_TEST_PRELOAD"):
    importlib.import_module(os.environ["ROUTERSET_TEST_PRELOAD"])
if __name__ == "__main__":
    if os.environ.get("STARTED"):
        from routerset.etl import interrupts
        ready = interrupts.end_in_time
        interrupts.end_in_time = lambda: (ready(), pathlib.Path(os.environ["STARTED"]).touch())
    sys.exit(main())
"""


@dataclass(frozen=True)
class Done:
    """A finished command: exit code and what it said on stderr."""

    code: int
    said: str


def build_command(folder: Path, config: Path, out: Path, *options: str) -> list[str]:
    """`routerset build` without its gate; its program is written into `folder`.

    The environment may name a module to import first and the patience with clusters.
    """
    program = (
        folder / "build_program.py"
    )  # a file, since worker processes import the program that starts them
    program.write_text(BUILD)
    return [sys.executable, str(program), "build", str(config), "--out", str(out), *options]


def start(command: list[str], cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    """Start a command in a process group of its own, with the checkout importable."""
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def finish(process: subprocess.Popen[str], timeout: float = 120) -> Done:
    """Wait for a process; it and its group are killed where it takes too long, which is an error."""
    try:
        _, said = process.communicate(timeout=timeout)
    finally:
        if process.poll() is None:
            kill(process)
    return Done(process.returncode, said)


def run(command: list[str], **environment: str) -> Done:
    """Run a command to its end."""
    return finish(start(command, **environment))


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and all that it started, at once, as a machine that goes down would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def until(what: Callable[[], bool], timeout: float = 60) -> None:
    """Wait until something is so. Raises TimeoutError."""
    end = time.monotonic() + timeout
    while not what():
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {timeout} seconds")
        time.sleep(0.05)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def scheduler(port: int, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A scheduler process on a port of loopback, and its end."""
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    with _running([sys.executable, "-m", "dask", "scheduler", *options], environment) as process:
        yield process


@contextmanager
def worker(
    port: int,
    folder: Path,
    *options: str,
    faults: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A worker process and its nanny, and their end. faults: see `tests.faulty_worker`."""
    command = [sys.executable, "-m", "dask", "worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1"]
    command += ["--no-dashboard", "--local-directory", str(folder), *options]
    if faults is not None:
        command += ["--preload", "tests.faulty_worker"]
    with _running(command, {"ROUTERSET_TEST_FAULTS": json.dumps(faults), **(environment or {})}) as process:
        yield process


@contextmanager
def _running(command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    try:
        yield process
    finally:
        kill(process)

"""What the benchmarks share: the machine in words, peaks of memory, commands measured, tables printed."""

from __future__ import annotations

import os
import platform
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROC = Path("/proc")
POLL_SECONDS = 0.05


def command() -> str:
    """How this benchmark was started, from the root of the checkout."""
    script = Path(sys.argv[0]).resolve()
    name = script.relative_to(ROOT).as_posix() if script.is_relative_to(ROOT) else script.name
    return f"python {shlex.join([name, *sys.argv[1:]])}"


def versions(*packages: str) -> str:
    """Python and packages with their versions."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in packages)])


def cpu() -> str:
    """Name of the processor."""
    info = PROC / "cpuinfo"
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine() -> str:
    """Processor, cores, memory, and how busy the machine is now."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cpu()}, {os.cpu_count()} cores, {memory:.0f} GiB; load {load()}"


def load() -> str:
    """Load average of 1, 5 and 15 minutes."""
    return ", ".join(f"{value:.1f}" for value in os.getloadavg())


def peak_mib(process: int | str = "self") -> float:
    """Most memory that a process ever held; 0 once it is gone.

    Not ru_maxrss: a new process inherits its parent's there.
    """
    try:
        lines = (PROC / str(process) / "status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def reset_peak() -> None:
    """Start `peak_mib` of this process afresh."""
    (PROC / "self" / "clear_refs").write_text("5")


def _descendants(process: int) -> Iterator[int]:
    """A process, its children, theirs, and so on."""
    yield process
    for children in PROC.glob(f"{process}/task/*/children"):
        try:
            found = children.read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in found:
            yield from _descendants(int(child))


@dataclass(frozen=True)
class Usage:
    """A finished command: exit code, what it printed, and what it cost.

    wall, cpu: seconds; cpu is that of all its processes. peak: MiB of the largest of them.
    """

    code: int
    printed: str
    wall: float
    cpu: float
    peak: float


def run(words: Sequence[str], environment: Mapping[str, str] | None = None, *, check: bool = True) -> Usage:
    """Run a command to its end, with stderr passed through.

    Raises CalledProcessError where `check` and it failed.
    """
    started, before = time.perf_counter(), os.times()
    peaks: dict[int, float] = {}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(words, stdout=said, cwd=ROOT, env={**os.environ, **(environment or {})})
        while process.poll() is None:
            for number in _descendants(process.pid):
                peaks[number] = max(peaks.get(number, 0.0), peak_mib(number))
            time.sleep(POLL_SECONDS)
        wall = time.perf_counter() - started
        said.seek(0)
        text = said.read()
    after = os.times()
    cpu_seconds = after.children_user + after.children_system - before.children_user - before.children_system
    if check and process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(words), text)
    return Usage(process.returncode, text, wall, cpu_seconds, max(peaks.values(), default=0.0))


def seconds_of(*words: object) -> dict[str, float]:
    """Seconds of every stage of a command of routerset with the gate behind it, of start-up, and of all.

    `cpu` is what it computed on all cores, which other work on the machine changes least.
    """
    command = [sys.executable, "-m", "routerset.etl.cli", *map(str, words)]
    marks = [("start", time.perf_counter())]
    before, told = resource.getrusage(resource.RUSAGE_CHILDREN), deque[str](maxlen=20)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        try:
            for line in child.stderr or ():
                told.append(line)
                stage, *state = line.split() or [""]
                if state[:1] in (["running"], ["up"]):
                    marks.append((stage, time.perf_counter()))
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise SystemExit(f"{shlex.join(command)}: ended with {child.returncode}\n{''.join(told)}")
    marks.append(("all", time.perf_counter()))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = {stage: later - start for (stage, start), (_, later) in pairwise(marks)}
    seconds["all"] = marks[-1][1] - marks[0][1]
    seconds["cpu"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned text; the first column to the left, the others to the right."""
    widths = [max(len(line[i]) for line in (headers, *rows)) for i in range(len(headers))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (headers, *rows)
    )

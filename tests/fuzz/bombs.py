"""Files that are small and claim, or unfold to, far more: each is staged, and the peak of memory printed.

python -m tests.fuzz.bombs FOLDER
"""

from __future__ import annotations

import gzip
import json
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from routerset.etl.sources.base import SourceSpec
from tests.fuzz.sandbox import Sandbox

MIB = 1 << 20
UNFOLDED = 400  # MiB
LINES = "org__a/samples_gsm8k_2024-01-01T00-00-00.0.jsonl"
ZIP = "model_outputs_org__a_5shots.zip"


def bombs(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """(what it is, format, folder of its own) of each bomb, written below `folder`."""

    def place(name: str, file: str) -> Path:
        path = folder / name / file
        path.parent.mkdir(parents=True)
        return path

    path = place("zip", ZIP)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("a.json", "w") as member:
            for _ in range(UNFOLDED):
                member.write(b" " * MIB)
        size = archive.getinfo("a.json").file_size
    yield "zip", "mmlu_pro", path.parent

    honest, claimed = struct.pack("<I", size), struct.pack("<I", 1000)
    liar = place("zip that lies about its size", ZIP)
    liar.write_bytes(path.read_bytes().replace(honest, claimed))
    yield "zip that lies about its size", "mmlu_pro", liar.parent

    yield from _logs(place)

    path = place("gzip", "a.csv.gz")
    with gzip.open(path, "wb", 1) as stream:
        stream.write(b"model,1\norg/a,")
        for _ in range(UNFOLDED):
            stream.write(b"1" * MIB)
    yield "gzip", "wide", path.parent

    yield from _compressed(place)

    path = place("long lines", LINES)
    record = b'{"doc_id": 0, "exact_match": 1.0, "doc": {"question": "%s"}}\n' % (b"x" * 10 * MIB)
    path.write_bytes(record * 3)
    yield "long lines", "lm_eval", path.parents[1]

    path = place("one endless line", LINES)
    path.write_bytes(b'{"doc_id": 0, "doc": "' + b"x" * 200 * MIB)
    yield "one endless line", "lm_eval", path.parents[1]

    path = place(
        "Parquet", "details_org__a/2024-01-01T00:00:00/details_harness|gsm8k|5_2024-01-01T00:00:00.parquet"
    )
    same = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int8()), MIB), ["x" * 4096])
    pq.write_table(pa.table({"question": same, "example": same, "acc": pa.repeat(1.0, MIB)}), path)
    yield "Parquet", "details", path.parents[2]

    path = place("pickle", "leaderboard_score/a.pkl")
    path.write_bytes(b"\x80\x05\x8e" + struct.pack("<Q", 1 << 60) + b"x" * 1000)
    yield "pickle", "routereval", path.parents[1]


def _logs(place: Callable[[str, str], Path]) -> Iterator[tuple[str, str, Path]]:
    """Logs and runs with something in them that unfolds, or goes on and on."""
    header = b'{"eval": {"task": "gsm8k", "model": "org/a"}, "samples": ['
    good = b'{"id": %d, "scores": {"x": {"value": "C"}}, "input": "%s"}'
    path = place("a large sample", "a.eval")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("header.json", header + b"]}")
        archive.writestr("samples/1.json", good % (1, b"a"))
        with archive.open("samples/2.json", "w") as member:
            member.write(b'{"id": 2, "input": "')
            for _ in range(UNFOLDED):
                member.write(b"x" * MIB)
    yield "a large sample", "inspect", path.parent

    path = place("samples that share their bytes", "a.eval")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", header + b"]}")
        archive.writestr("samples/0.json", good % (0, b"ab " * 40_000))
        kernel = archive.getinfo("samples/0.json")
        for at in range(1, 5_000):
            copy = zipfile.ZipInfo(f"samples/{at}.json")
            copy.header_offset, copy.CRC = kernel.header_offset, kernel.CRC
            copy.compress_type, copy.orig_filename = kernel.compress_type, copy.filename
            copy.compress_size, copy.file_size = kernel.compress_size, kernel.file_size
            archive.filelist.append(copy)
    yield "samples that share their bytes", "inspect", path.parent

    path = place("a log that goes on", "a.json.gz")
    with gzip.open(path, "wb", 1) as stream:
        stream.write(header + good % (1, b"a") + b',{"id": 2, "input": "')
        for _ in range(UNFOLDED // 3):
            stream.write(b"x" * MIB)
    yield "a log that goes on", "inspect", path.parent

    path = place("a log of empty lists", "a.json")
    path.write_bytes(header + good % (1, b"a") + b',{"id": 2, "input": [' + b"[]," * (2 * MIB) + b"0]}]}")
    yield "a log of empty lists", "inspect", path.parent

    path = place("a run of HELM", "run/per_instance_stats.json")
    path.write_bytes(b'[{"instance_id": "a", "stats": [{"name": {"name": "exact_match"}, "mean": 1}]}]')
    (path.parent / "run_spec.json").write_bytes(b'{"name": "gsm8k", "adapter_spec": {"model": "org/a"}}')
    with gzip.open(path.parent / "scenario_state.json.gz", "wb", 1) as stream:
        stream.write(b'{"request_states": [{"instance": {"id": "a", "input": "')
        for _ in range(UNFOLDED // 3):
            stream.write(b"x" * MIB)
    yield "a run of HELM", "helm", path.parents[1]


def _compressed(place: Callable[[str, str], Path]) -> Iterator[tuple[str, str, Path]]:
    """Logs that are compressed: one endless line, blank lines, a list with one endless element."""
    kinds = {
        "an endless line": (b'{"doc_id": 0, "doc": "', b"x"),
        "blank lines": (b"", b"\n"),
        "an endless element": (b'[{"doc_id": 0, "doc": "', b"x"),
    }
    for kind, (start, rest) in kinds.items():
        path = place(f"gzip of {kind}", f"{LINES}.gz")
        with gzip.open(path, "wb", 1) as stream:
            stream.write(start)
            for _ in range(UNFOLDED):
                stream.write(rest * MIB)
        yield f"gzip of {kind}", "lm_eval", path.parents[1]
        path = place(f"zstd of {kind}", f"{LINES}.zst")
        with pa.OSFile(str(path), "wb") as file, pa.CompressedOutputStream(file, "zstd") as packed:
            packed.write(start)
            for _ in range(UNFOLDED):
                packed.write(rest * MIB)
        yield f"zstd of {kind}", "lm_eval", path.parents[1]


def main(folder: Path) -> None:
    """Stage every bomb; one line of JSON each: its name, bytes at peak so far, and what became of it."""
    sandbox = Sandbox(folder)
    for name, form, path in bombs(sandbox.dumps):
        staged = sandbox.stage(SourceSpec(form, str(path), benchmark="gsm8k" if form == "wide" else None))
        reasons = sorted(set(staged.reasons))
        found = {"bomb": name, "peak": peak_memory(), "n_read": staged.n_read, "reasons": reasons}
        print(json.dumps(found), flush=True)


def peak_memory() -> int:
    """Bytes that this process held at most; unlike ru_maxrss, without what the process before exec held."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))

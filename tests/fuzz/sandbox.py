"""A folder of dumps that are staged as a build stages them, and what must hold whatever they contain."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from routerset.etl.ingest.batches import plan_batches
from routerset.etl.ingest.shards import BAD_ROWS, RUNS_FILE, SHARDS, stage_batch
from routerset.etl.sources.base import SourceSpec
from routerset.schemas.tables import QUARANTINE

RUNS_CODE = frozenset(
    (
        "pickle.find_class",
        "os.system",
        "os.exec",
        "os.fork",
        "os.posix_spawn",
        "subprocess.Popen",
        "socket.connect",
    )
)
OURS = re.compile(
    r"docsets(/[0-9a-f]{32}\.parquet)?"
    r"|shards(/[0-9a-f]{32}(/(batch\.json|quarantine\.parquet|[a-z0-9_]+\.runs\.arrow))?)?"
)
_seen: list[str] = []


def _audit(event: str, _: tuple[object, ...]) -> None:
    if event in RUNS_CODE:
        _seen.append(event)


sys.addaudithook(_audit)


@dataclass(frozen=True)
class Staged:
    """Records read, kept, superseded and quarantined, and why the last."""

    n_read: int
    n_scores: int
    n_superseded: int
    reasons: tuple[str, ...]
    details: tuple[str, ...]


@dataclass(frozen=True)
class Sandbox:
    """root: a folder of which `dumps` is read, and `out` written anew each time."""

    root: Path

    @property
    def dumps(self) -> Path:
        return self.root / "dumps"

    def put(self, files: dict[str, bytes]) -> None:
        """The dumps are these files now."""
        shutil.rmtree(self.dumps, ignore_errors=True)
        for name, data in files.items():
            path = self.dumps / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def stage(self, spec: SourceSpec) -> Staged:
        """Stage all dumps that `spec` finds; asserts what must hold for any dump."""
        out = self.root / "out"
        shutil.rmtree(out, ignore_errors=True)
        before = self._listing()
        _seen.clear()
        batches, _ = plan_batches([spec], "code")
        for batch in batches:
            stage_batch(batch, str(out))
        assert _seen == [], "the dump made the reader run something"
        assert self._listing() == before, "something was written outside the output folder"
        strangers = [p for p in out.rglob("*") if not OURS.fullmatch(p.relative_to(out).as_posix())]
        assert strangers == []
        staged = [_staged(out / SHARDS / batch.fingerprint) for batch in batches]
        assert all(str(self.root) not in detail for each in staged for detail in each.details)
        return Staged(
            sum(each.n_read for each in staged),
            sum(each.n_scores for each in staged),
            sum(each.n_superseded for each in staged),
            tuple(reason for each in staged for reason in each.reasons),
            tuple(detail for each in staged for detail in each.details),
        )

    def _listing(self) -> dict[str, tuple[int, int]]:
        """Everything around the output folder, with sizes and times."""
        around = self.root.parent
        found = {}
        for path in around.rglob("*"):
            relative = path.relative_to(around).as_posix()
            if path.is_file() and not relative.startswith(f"{self.root.name}/out/"):
                found[relative] = (path.stat().st_size, path.stat().st_mtime_ns)
        return found


def _staged(folder: Path) -> Staged:
    """What one batch says; asserts that every record is accounted for."""
    n_read = sum(json.loads((folder / "batch.json").read_text())["n_read"].values())
    runs = [pa.ipc.open_file(path).read_all() for path in sorted(folder.glob(f"*{RUNS_FILE}"))]
    n_scores, n_superseded = (
        sum(pc.sum(table[name]).as_py() or 0 for table in runs) for name in ("n_values", "n_superseded")
    )
    rows = folder / BAD_ROWS
    bad = pq.read_table(rows) if rows.exists() else QUARANTINE.empty_table()
    n_bad = pc.sum(bad["n"]).as_py() or 0
    assert n_read == n_scores + n_superseded + n_bad, "records read are not records accounted for"
    reasons, details = (tuple(bad[name].to_pylist()) for name in ("reason", "detail"))
    return Staged(n_read, n_scores, n_superseded, reasons, details)

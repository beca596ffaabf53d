"""`routerset leaderboard`: submissions in a folder, scored by one command into a page and data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from routerset.etl.config import ConfigError
from routerset.etl.options import LEADERBOARD
from routerset.etl.progress import say, show
from routerset.release.evaluator.options import check_options
from routerset.release.evaluator.progress import Progress
from routerset.release.evaluator.reader import load_release
from routerset.release.leaderboards.boards import score
from routerset.release.leaderboards.declaration import is_url
from routerset.release.leaderboards.files import FILES, leaderboard_files
from routerset.release.leaderboards.results import Leaderboard, to_json
from routerset.release.leaderboards.submissions import read_submissions
from routerset.release.leaderboards.text import to_text
from routerset.schemas import outfolder
from routerset.schemas.checksums import CHECKSUMS
from routerset.schemas.escape import plain
from routerset.schemas.exits import DATA_FAILED, DONE
from routerset.schemas.plainfiles import entries
from routerset.schemas.store import sha256, write_files

WRITTEN = re.compile(r"[\w.-]+/\.eval_results/[\w.-]+\.yaml", re.ASCII)
"""What `--eval-results` writes."""
_PART = r"[A-Za-z0-9][\w.-]{0,95}"


def run(
    release: Path,
    submissions: Path,
    out: Path,
    *,
    method: str | None = None,
    scheme: str | None = None,
    benchmarks: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    costs: str | None = None,
    committed: Path | None = None,
    results: Path | None = None,
    dataset: str | None = None,
    revision: str | None = None,
    url: str | None = None,
    strict: bool = False,
    form: str = "text",
) -> int:
    """Score all submissions and write the leaderboard; returns the exit code.

    out: folder of the page. committed: an earlier state of `submissions`, in which commitments must stand.
    results: folder for `eval_results`, whose arguments dataset, revision and url are.
    strict: whether a refused submission is a failure. form: `text` or `json`. Raises NotOurs for a folder of
    somebody else's, OSError for submissions that cannot be listed, and what the evaluator raises of the
    release.
    """
    if out.suffix.lower() in (".html", ".htm"):
        raise ConfigError(f"--out {out}: expected a folder, which gets {', '.join(FILES)}")
    _require(dataset, revision, url, results)
    outfolder.check(out, outfolder.LEADERBOARD, FILES)
    stale = []
    if results is not None:
        outfolder.check(results, outfolder.LEADERBOARD)
        stale = [path for path in _listed(results) if WRITTEN.fullmatch(path)]
        outfolder.refuse_links(results, stale)
    opened = load_release(release)
    method, scheme = opened.setting(method, scheme)
    handed = read_submissions(
        submissions,
        opened,
        method=method,
        scheme=scheme,
        earlier=committed,
        progress=lambda name: say(f"reading {name}"),
    )
    with Progress("scoring", each=True) as progress:
        boards, handed = score(
            opened,
            handed,
            method=method,
            scheme=scheme,
            benchmarks=benchmarks,
            sizes=sizes,
            costs=costs,
            progress=progress,
        )
    sums = release / CHECKSUMS
    found = Leaderboard(
        opened.name,
        opened.version,
        sha256(sums) if sums.is_file() else None,
        method,
        scheme,
        costs,
        committed is not None,
        boards,
        handed,
    )
    outfolder.mark(out, outfolder.LEADERBOARD)
    write_files(out, leaderboard_files(found), FILES)
    if results is not None:
        from routerset.release.leaderboards.eval_results import eval_results

        made = eval_results(found, dataset or "", revision=revision, url=url)
        outfolder.mark(results, outfolder.LEADERBOARD)
        write_files(results, made, stale)
    show(to_json(found).rstrip("\n") if form == "json" else to_text(found))
    for note in handed.notes:
        say(plain(f"note: {note}"))
    say(plain(f"leaderboard: {out.resolve()}"))
    return DATA_FAILED if strict and handed.refused else DONE


def _require(dataset: str | None, revision: str | None, url: str | None, results: Path | None) -> None:
    """Raise ConfigError for options that cannot be together, and for names that the Hub has not."""
    asked = {"dataset": dataset, "revision": revision, "url": url, "eval_results": results}
    check_options([name for name, value in asked.items() if value is not None], LEADERBOARD)
    if results is None:
        return
    if dataset is None or not re.fullmatch(f"{_PART}/{_PART}", dataset, re.ASCII):
        raise ConfigError(f"--dataset {dataset}: expected ORG/NAME, the release on the Hub")
    if revision is not None and not re.fullmatch("[0-9a-f]{40}", revision):
        raise ConfigError(f"--revision {revision}: expected all 40 digits of a commit")
    if url is not None and not is_url(url):
        raise ConfigError(f"--url {url}: expected https://...")


def _listed(folder: Path) -> list[str]:
    """Files below a folder that may not be there."""
    return [path for path, _ in entries(folder)] if folder.is_dir() else []

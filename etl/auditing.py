"""`routerset audit`: what a build, a release or dumps are worth for routing, in one screen and a page."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from routerset.etl.config import ConfigError, parse_config
from routerset.etl.ingest.accounting import merge
from routerset.etl.ingest.copies import with_local_copies
from routerset.etl.ingest.partitions import assemble_all
from routerset.etl.ingest.plan import plan_build
from routerset.etl.ingest.price_files import read_prices
from routerset.etl.ingest.prices import Prices
from routerset.etl.ingest.sizes import size_of
from routerset.etl.looking.propose import propose
from routerset.etl.looking.sample import once_a_second
from routerset.etl.progress import say, show
from routerset.etl.trial import in_this_process
from routerset.release.auditing.audit import Audited, audit, to_json, to_text
from routerset.release.auditing.files import FILES, audit_files
from routerset.release.auditing.reading import Tables, of_build, of_release, priced, subject_of
from routerset.release.auditing.subject import Costs
from routerset.release.evaluator.costs import COST_KINDS
from routerset.release.evaluator.progress import Progress
from routerset.release.manifest import read_manifest as read_release
from routerset.schemas import outfolder
from routerset.schemas.escape import plain
from routerset.schemas.exits import DONE
from routerset.schemas.manifests import read_manifest
from routerset.schemas.store import write_files

_PRICE_ENDINGS = (".toml", ".csv", ".tsv", ".json")
_PRICED = "usd"


def run(path: Path, costs: str | None, out: Path | None, form: str) -> int:
    """Audit what lies at a path; returns the exit code.

    costs: a kind of costs, or a file of prices. out: folder for tables and a page. form: `text` or `json`.
    Raises ConfigError for costs that are neither and where nothing at `path` is a dump, NotOurs for a folder
    of somebody else's, and what reading raises.
    """
    kind, prices = _costs(costs)
    if out is not None:
        outfolder.check(out, outfolder.AUDIT, FILES)
    found = list[Audited]()
    with _tables(path, None if prices is None else costs) as tables, Progress("auditing") as progress:
        for done, each in enumerate(tables):
            progress(done, done + 1, each.benchmark)
            reader = None if prices is None else partial(_model_costs, prices)
            subject = subject_of(each, kind, reader)
            if (
                reader is not None
                and subject.costs.unit == COST_KINDS[_PRICED].unit
                and each.costs.is_relative_to(path)
            ):
                say(plain(f"{each.benchmark}: answers tell what they cost; {costs} is not used"))
            found.append(audit(subject))
    if not found:
        raise ConfigError(f"{path}: found no benchmark with items and scores, expected one at least")
    if out is not None:
        outfolder.mark(out, outfolder.AUDIT)
        write_files(out, audit_files(str(path), found), FILES)
        say(plain(f"audit: {out.resolve()}"))
    show(to_json(str(path), found).rstrip("\n") if form == "json" else to_text(str(path), found))
    return DONE


def _costs(costs: str | None) -> tuple[str | None, Prices | None]:
    """The kind of costs, and the prices of a file where that is one."""
    if costs is None or costs in COST_KINDS:
        return costs, None
    if not costs.lower().endswith(_PRICE_ENDINGS):
        raise ConfigError(
            f"--costs: found {costs!r:.80}, expected a file of prices ({', '.join(_PRICE_ENDINGS)}) "
            f"or one of {', '.join(COST_KINDS)}"
        )
    return _PRICED, read_prices([costs])


def _model_costs(prices: Prices, models: Sequence[str]) -> Costs:
    """US dollars per million tokens of each model: the mean of sent and answered."""
    values = np.full(len(models), np.nan)
    for at, model in enumerate(models):
        price = prices.of(model, size_of(model, listed_b=prices.listed_size(model)).params_b)
        if price is not None:
            values[at] = (price.usd_in + price.usd_out) / 2
    return priced(_PRICED, COST_KINDS[_PRICED].per, values)


@contextmanager
def _tables(path: Path, prices: str | None) -> Iterator[Iterator[Tables]]:
    """The benchmarks at a path: of a release, a build, or dumps, which are read as a build reads them."""
    try:
        manifest = read_manifest(path / outfolder.MANIFEST) if path.is_dir() else {}
    except FileNotFoundError:
        manifest = {}
    if "release" in manifest:
        yield of_release(path, read_release(path))
    elif "stages" in manifest or (path / "tables" / "items").is_dir():
        yield of_build(path, manifest)
    else:
        with tempfile.TemporaryDirectory(prefix="routerset-") as folder:
            _ingest(path, Path(folder), prices)
            yield of_build(Path(folder), {})


def _ingest(path: Path, build: Path, prices: str | None) -> None:
    """Items and scores of dumps below `build`, as `init` and `build` make them; says what was left aside."""
    home = Path.cwd()
    config = parse_config(tomllib.loads(propose(path, home, once_a_second(say))), home / "audit.toml")
    if prices is not None:
        config = replace(config, costs=replace(config.costs, prices=(str(Path(prices).absolute()),)))
    config = with_local_copies(config, build / "copies", say)
    plan = plan_build(config)
    parts = assemble_all(plan, config.sources, build, in_this_process)
    rows = merge(plan, build, parts).accounting
    names = ("read", "kept", "superseded", "quarantined")
    say(", ".join(f"{sum(int(row[name]) for row in rows):,} {name}" for name in names))

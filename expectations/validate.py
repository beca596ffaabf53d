"""The gate: runs the suites with Great Expectations over DuckDB views. The only import of the framework."""

from __future__ import annotations

import functools
import gc
import itertools
import logging
import math
import os
import sys
import tempfile
import types
import warnings
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

from routerset.expectations import results
from routerset.expectations.causes import with_causes
from routerset.expectations.data_docs import make_self_contained
from routerset.expectations.dumps import NO_DUMPS, DumpReader
from routerset.expectations.errors import NothingToCompare
from routerset.expectations.findings import EXAMPLES, Finding, Severity, Validation, Value
from routerset.expectations.plan import ViewBatch, open_session, plan, suites_for
from routerset.expectations.session import Session
from routerset.expectations.suites import FOLDERS
from routerset.expectations.target import What, locate
from routerset.schemas.tables import tables_of

Progress: TypeAlias = Callable[[int, int, str], None]
DRIFT = "drift"
"""The suite that compares with a release before."""
_SEVERITY = {Severity.ERROR: "critical", Severity.WARNING: "warning"}
_numbers = itertools.count()
_sessions: weakref.WeakValueDictionary[str, Session] = weakref.WeakValueDictionary()
"""Sessions at work, by the name under which the dialect connects to them."""


def validate(
    path: Path,
    *,
    table: str | None = None,
    previous: Path | None = None,
    docs: Path | None = None,
    stage: str | None = None,
    suites: Collection[str] | None = None,
    dumps: DumpReader = NO_DUMPS,
    progress: Progress = lambda done, total, label: None,
) -> Validation:
    """Run the suites on a build, a release, one table file, or raw dumps.

    table: for a folder, the only suite to run; for a file, the table or dump format that it is. previous: the
    release or build before, for drift. docs: folder for results and Data Docs, none by default. stage: of a
    build at work: only what it and the stages before it wrote is looked at, and only it is checked; `release`
    checks the folder `release`. suites: run these alone. dumps: reads raw dumps; without it none are known.
    progress: called with (done, total, next), in views of all suites.
    Raises Unreadable for what is missing or damaged, UnknownTable for a name that does not exist,
    NothingToCompare where `previous` would have no effect, and NotOurs where `docs` holds what validation did
    not write.
    """
    progress(0, 1, "opening the tables")
    inner = path / "release"
    if stage == "release":
        path, stage = inner, None
    target = locate(path, table, stage, dumps)
    if suites is None and table is not None and path.is_dir() and target.what is not What.DUMP:
        suites = [table]
    if suites is None and stage is not None:
        suites = suites_of(stage)
    if previous is not None and (target.what in (What.TABLE, What.DUMP) or DRIFT not in (suites or [DRIFT])):
        raise NothingToCompare(
            f"{path}: found --previous beside a {target.what}{f', --table {table}' if table else ''}; "
            f"expected a whole build or release, or --table {DRIFT}; nothing else is compared: leave it out"
        )
    before = None if previous is None else locate(previous)
    if docs is not None:
        results.claim(docs)
    targets = [(target, "")]
    if target.what is What.BUILD and stage is None and (inner / "manifest.json").exists():
        targets.append((locate(inner), "release/"))
    findings: list[Finding] = []
    skipped: list[str] = []
    if target.guessed:
        skipped.append(
            f"benchmark {target.guessed}: nothing but the name of its folder tells it, so that its metric, "
            "items and licence are not checked; validate the whole build or release"
        )
    built: Session | None = None
    with _pages(docs is not None) as pages, ExitStack() as opened:
        for each, prefix in targets:
            session = open_session(each, before, built)
            opened.callback(_forget, session)
            batches, left = plan(session, suites_for(each, suites))
            skipped += [prefix + line for line in left]
            _connect(session, dict.fromkeys(batch.view for batch in batches))
            found = []
            for done, batch in enumerate(batches):
                progress(done, len(batches), f"{prefix}{batch.suite.name}: {batch.view}")
                found += _run(session, batch, prefix)
            findings += with_causes(session, batches, found)
            # a build that is not finished may lie beside the release of the one before
            built = session if "release" in each.manifest.get("stages", {}) else None
        outcome = Validation(str(path), tuple(findings), tuple(skipped))
        if docs is not None:
            progress(0, 1, "writing Data Docs")
            results.write(outcome, docs, _rendered(pages))
    progress(1, 1, "")
    return outcome


def suites_of(stage: str) -> list[str]:
    """Suites that run after a stage of a build; after `release` all run on the release.

    Those of the tables that it writes, and where records are accounted for, that of the manifest.
    """
    names = {"layout", *(table.name for table in tables_of(stage))}
    names |= {"manifest"} if "quarantine" in names else set()
    return [name for name in FOLDERS if name in names]


@functools.cache
def _framework():
    """Great Expectations with its context; importing it takes seconds, and its analytics stay off."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    talk = logging.getLogger("great_expectations")  # some of its modules set levels of their own
    talk.addHandler(logging.NullHandler())
    talk.propagate = False
    with warnings.catch_warnings(), _no_collection():
        warnings.simplefilter("ignore")
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        _register_dialect()
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return gx, context, _no_rows(gx)


@contextmanager
def _no_collection() -> Iterator[None]:
    """What is imported meanwhile stays, and is not looked through for garbage again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _no_rows(gx):
    """An expectation that a query has no rows; the query runs once, and again for examples where it fails."""

    class ExpectNoRows(gx.expectations.UnexpectedRowsExpectation):
        metric_dependencies = ("unexpected_rows_query.row_count",)

        def _validate(self, metrics, runtime_configuration=None, execution_engine=None):
            count = metrics["unexpected_rows_query.row_count"]
            return {"success": count == 0, "result": {"observed_value": count}}

    return ExpectNoRows


def _register_dialect() -> None:
    """Make `duckdb.buf`: DuckDB's dialect, but that a result is read before its connection is closed, and a
    view not looked up in PostgreSQL's catalogs, which takes longer than to check it."""
    import duckdb_engine
    from sqlalchemy import types as sql_types
    from sqlalchemy.dialects import registry
    from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy

    class Execution(duckdb_engine.Dialect.execution_ctx_cls):
        def post_exec(self) -> None:
            super().post_exec()
            if self.cursor.description:
                self.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(
                    self.cursor, initial_buffer=self.cursor.fetchall()
                )

    class Dialect(duckdb_engine.Dialect):
        execution_ctx_cls = Execution
        supports_statement_cache = True

        def connect(self, *, database: str, **_: object):
            return duckdb_engine.ConnectionWrapper(_sessions[database].connection.cursor())

        def get_columns(self, connection, table_name: str, schema: str | None = None, **_: object):
            rows = connection.exec_driver_sql(f'describe "{table_name}"')
            return [{"name": row[0], "type": sql_types.NullType(), "nullable": True} for row in rows]

        def get_pk_constraint(self, connection, table_name: str, schema: str | None = None, **_: object):
            return {"constrained_columns": [], "name": None}

    module = types.ModuleType("expectations_duckdb_buf")
    module.Dialect = Dialect
    sys.modules[module.__name__] = module
    registry.register("duckdb.buf", module.__name__, "Dialect")


def _run(session: Session, batch: ViewBatch, prefix: str) -> Iterator[Finding]:
    """Validate the expectations of one view."""
    gx, context, no_rows = _framework()
    number = next(_numbers)
    name = f"{prefix}{batch.suite.name}".replace("/", ".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        definition = session.source.get_asset(batch.view).get_batch_definition(batch.view)
        suite = gx.ExpectationSuite(
            name=f"{name}.{batch.view}.{number}",
            expectations=[_row(gx, no_rows, e) for e in batch.expectations],
        )
        validation = gx.ValidationDefinition(
            name=suite.name, data=definition, suite=context.suites.add(suite)
        )
        context.validation_definitions.add(validation)
        keys = [key for key in batch.suite.keys if key in session.columns(batch.view)]
        result_format = {"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES}
        if keys:
            result_format["unexpected_index_column_names"] = keys
        result = validation.run(result_format=result_format)
    by_name = {e.name: e for e in batch.expectations}
    order = {e.name: place for place, e in enumerate(batch.expectations)}
    rows = sorted(result.results, key=lambda row: order[row.expectation_config.meta["name"]])
    for row in rows:
        yield _finding(session, batch, by_name[row.expectation_config.meta["name"]], row, prefix)


def _connect(session: Session, views: Iterable[str]) -> None:
    """Make the data source of a session, all views at once: every change of it rewrites the whole config."""
    from sqlalchemy.pool import NullPool

    _, context, _ = _framework()
    _sessions[session.name] = session
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session.source = context.data_sources.add_sql(
            session.name,
            connection_string=f"duckdb+buf:///{session.name}",
            kwargs={"poolclass": NullPool},
            assets=[
                {
                    "name": view,
                    "type": "table",
                    "table_name": view,
                    "batch_definitions": [{"name": view, "partitioner": None}],
                }
                for view in views
            ],
        )


def _forget(session: Session) -> None:
    """Close a session, and what the framework keeps of it."""
    if session.source is not None:
        _, context, _ = _framework()
        engine = session.source.get_execution_engine()
        engine.engine.clear_compiled_cache()
        engine.close()
        context.data_sources.delete(session.name)
        session.source = None
    session.close()


def _row(gx, no_rows, expectation):
    meta = {
        "name": expectation.name,
        "why": expectation.why,
        "reference": expectation.reference,
        "notes": {"format": "string", "content": [f"{expectation.name}: {expectation.why}"]},
    }
    severity = _SEVERITY[expectation.severity]
    if expectation.sql:
        return no_rows(
            unexpected_rows_query=expectation.sql,
            description=f"{expectation.name}: {expectation.why}",
            severity=severity,
            meta=meta,
        )
    kind = "".join(part.capitalize() for part in expectation.kind.split("_"))
    return getattr(gx.expectations, kind)(**dict(expectation.arguments), severity=severity, meta=meta)


def _finding(session, batch, expectation, row, prefix) -> Finding:
    result = row.result or {}
    failed = _exception(row.exception_info)
    examples: Sequence[dict[str, Value]] = ()
    unexpected = 0
    if failed is not None:
        # the gate fails closed: an expectation that could not be evaluated did not hold
        unexpected, examples = 1, ({"could_not_run": failed},)
    elif not row.success:
        if expectation.sql:
            unexpected = int(result["observed_value"])
            examples = _examples(session, expectation, batch.view)
        else:
            unexpected = int(result["unexpected_count"])
            listed = result.get("partial_unexpected_index_list") or [
                {"value": value} for value in result.get("partial_unexpected_list", ())
            ]
            examples = [{k: _plain(v) for k, v in each.items()} for each in listed[:EXAMPLES]]
    return Finding(
        suite=batch.suite.name,
        table=prefix + batch.view,
        expectation=expectation.name,
        severity=expectation.severity,
        success=bool(row.success),
        unexpected=unexpected,
        examples=tuple(examples),
        why=expectation.why,
        reference=expectation.reference,
    )


def _exception(info: dict) -> str | None:
    """First line of what an expectation raised, or None."""
    for each in [info] if "raised_exception" in info else info.values():
        if each.get("raised_exception"):
            return str(each.get("exception_message")).splitlines()[0][:300]
    return None


def _examples(session: Session, expectation, view: str) -> list[dict[str, Value]]:
    sql = expectation.sql.format(batch=f'"{view}"')
    table = session.query(f"select * from ({sql}) limit {EXAMPLES}")
    return [{k: _plain(v) for k, v in row.items()} for row in table.to_pylist()]


def _plain(value: object) -> Value:
    """A value that JSON and a terminal can show."""
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, float):
        return round(value, 9) if math.isfinite(value) else None
    return str(value)


@contextmanager
def _pages(kept: bool) -> Iterator[Path]:
    """A folder for the Data Docs, which goes again. kept: whether any are wanted."""
    if kept:
        _framework.cache_clear()  # a new context: Data Docs show all that their context has validated
    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder, results.DOCS)
        pages.mkdir()  # for others to read, as far as they may; the folder around it is ours alone
        yield pages


def _rendered(pages: Path) -> Path:
    """The folder, with Data Docs of all that was validated, readable with no network."""
    _, context, _ = _framework()
    site = f"site{next(_numbers)}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.add_data_docs_site(
            site,
            {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(pages)},
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            },
        )
        context.build_data_docs(site_names=[site], build_index=False)  # ours takes its place
        context.delete_data_docs_site(site)
    make_self_contained(pages)
    return pages

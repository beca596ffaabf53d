"""Runs the same suites by Great Expectations, which makes Data Docs of them: its only import."""

from __future__ import annotations

import atexit
import functools
import itertools
import logging
import os
import sys
import tempfile
import types
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from routerset.expectations.counting import Example, could_not_run, examples_of, finding, plain_value
from routerset.expectations.data_docs import make_self_contained
from routerset.expectations.findings import EXAMPLES, Finding, Severity
from routerset.expectations.plan import ViewBatch
from routerset.expectations.results import DOCS
from routerset.expectations.session import Session

_SEVERITY = {Severity.ERROR: "critical", Severity.WARNING: "warning"}
_numbers = itertools.count()
_sessions: weakref.WeakValueDictionary[str, Session] = weakref.WeakValueDictionary()
"""Sessions at work, by the name under which the dialect connects to them."""


@functools.cache
def _framework():
    """Great Expectations with its context; importing it takes seconds, and its analytics stay off."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    talk = logging.getLogger("great_expectations")  # some of its modules set levels of their own
    talk.addHandler(logging.NullHandler())
    talk.propagate = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        _register_dialect()
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
    atexit.register(_mute)
    return gx, context, _no_rows(gx)


def _mute() -> None:
    """Let the binding of DuckDB say at exit, to nobody, that the framework still holds some of its types."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _no_rows(gx):
    """An expectation that a query has no rows; the query runs once, and again for examples where it fails."""

    class ExpectNoRows(gx.expectations.UnexpectedRowsExpectation):
        metric_dependencies = ("unexpected_rows_query.row_count",)

        def _validate(self, metrics, runtime_configuration=None, execution_engine=None):
            count = metrics["unexpected_rows_query.row_count"]
            return {"success": count == 0, "result": {"observed_value": count}}

    return ExpectNoRows


def _register_dialect() -> None:
    """Make `duckdb.buf`: DuckDB's dialect, but that a result is read before its connection is closed."""
    import duckdb_engine
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

    module = types.ModuleType("expectations_duckdb_buf")
    module.Dialect = Dialect
    sys.modules[module.__name__] = module
    registry.register("duckdb.buf", module.__name__, "Dialect")


class Pages:
    """A run of suites whose results become Data Docs.

    folder: an empty one, for the pages.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        _framework.cache_clear()  # a new context: Data Docs show all that their context has validated
        self._gx, self._context, self._no_rows = _framework()

    @contextmanager
    def connected(
        self, session: Session, batches: Iterable[ViewBatch], prefix: str
    ) -> Iterator[Callable[[Session, ViewBatch], Iterator[Finding]]]:
        """What runs the batches of a session, as `counting.run` does. prefix: of the names of its pages."""
        self._connect(session, dict.fromkeys(batch.view for batch in batches))
        try:
            yield functools.partial(self._run, prefix)
        finally:
            engine = session.source.get_execution_engine()
            engine.engine.clear_compiled_cache()
            engine.close()
            self._context.data_sources.delete(session.name)
            session.source = None

    def _connect(self, session: Session, views: Iterable[str]) -> None:
        """Make the data source of a session, all views at once: a change of it rewrites the whole config."""
        from sqlalchemy.pool import NullPool

        _sessions[session.name] = session
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            session.source = self._context.data_sources.add_sql(
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

    def _run(self, prefix: str, session: Session, batch: ViewBatch) -> Iterator[Finding]:
        """Validate the expectations of one view."""
        gx, context = self._gx, self._context
        number = next(_numbers)
        name = f"{prefix}{batch.suite.name}".replace("/", ".")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            definition = session.source.get_asset(batch.view).get_batch_definition(batch.view)
            suite = gx.ExpectationSuite(
                name=f"{name}.{batch.view}.{number}",
                expectations=[_row(gx, self._no_rows, e) for e in batch.expectations],
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
        found = {row.expectation_config.meta["name"]: row for row in result.results}
        for expectation in batch.expectations:
            row = found[expectation.name]
            yield finding(batch, expectation, *_unexpected(session, batch, expectation, row))

    def render(self) -> Path:
        """Make the pages, readable with no network; returns their folder."""
        site = f"site{next(_numbers)}"
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(self._folder)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._context.add_data_docs_site(
                site,
                {
                    "class_name": "SiteBuilder",
                    "show_how_to_buttons": False,
                    "store_backend": store,
                    "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
                },
            )
            self._context.build_data_docs(site_names=[site], build_index=False)  # ours takes its place
            self._context.delete_data_docs_site(site)
        make_self_contained(self._folder)
        return self._folder


@contextmanager
def pages() -> Iterator[Pages]:
    """`Pages` in a folder that goes with it."""
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder, DOCS)
        inside.mkdir()  # for others to read, as far as they may; the folder around it is ours alone
        yield Pages(inside)


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


def _unexpected(session, batch, expectation, row) -> tuple[int, Sequence[Example]]:
    """How many rows must not exist, and the first of them."""
    result = row.result or {}
    failed = _exception(row.exception_info)
    if failed is not None:
        return could_not_run(failed)
    if row.success:
        return 0, ()
    if expectation.sql:
        count = int(result["observed_value"])
        return count, examples_of(session, expectation.sql.format(batch=f'"{batch.view}"'))
    listed = result.get("partial_unexpected_index_list") or [
        {"value": value} for value in result.get("partial_unexpected_list", ())
    ]
    examples = [{k: plain_value(v) for k, v in each.items()} for each in listed[:EXAMPLES]]
    return int(result["unexpected_count"]), examples


def _exception(info: dict) -> str | None:
    """What an expectation raised, or None."""
    for each in [info] if "raised_exception" in info else info.values():
        if each.get("raised_exception"):
            return str(each.get("exception_message"))
    return None

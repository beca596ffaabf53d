"""Tables of a build or a release as SQL views, and what follows from them by SQL alone."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from routerset.expectations.session import Made, Session, quoted
from routerset.expectations.target import DATA, Part, What
from routerset.schemas.released import RELEASED, TEXT, data_schema
from routerset.schemas.tables import COST_MEASURES, CURATED, PRICES, PSEUDO_SPECIALISTS, TABLES

MAX_ITEMS = 1 << 20
"""Items of a benchmark at most, when looking for repeats."""
_COUNTED = ("bad", "unknown", "distinct", "without_score", *COST_MEASURES)
_COST_FACTS = pa.schema(
    [
        *((name, pa.string()) for name in ("benchmark", "model_id", "digest")),
        *((name, pa.int64()) for name in ("n", *(f"n_{name}" for name in _COUNTED))),
        *((name, pa.int32()) for name in ("first_bad", "first_unknown")),
    ]
)


def union(parts: tuple[Part, ...], keys: tuple[str, ...], columns: str = "*") -> str:
    """A query for all rows of some files, with the values of their partition keys."""
    selects = []
    for part in parts:
        literals = "".join(f", {quoted(part.keys.get(key, ''))} as {key}" for key in keys)
        selects.append(
            f"select {columns}{literals} from read_parquet({quoted(part.path)}, hive_partitioning = false)"
        )
    return " union all by name ".join(selects)


def usable(session: Session, name: str) -> tuple[Part, ...]:
    """Files of a table; none where the columns of one are wrong, which breaks the table."""
    if "columns" in session:
        wrong = session.query(
            f"select path from columns where table_name = {quoted(name)} and not same limit 1"
        )
        if len(wrong):
            session.broken[name] = f"columns of {wrong['path'][0].as_py()} are wrong"
            return ()
    return session.target.of(name)


def table(name: str) -> Callable[[Session], Made]:
    """Builder of the view of one table."""

    def build(session: Session) -> Made:
        parts = usable(session, name)
        if not parts:
            return None
        return union(parts, tuple(k for k in TABLES[name].keys if k not in parts[0].schema.names))

    return build


def items(session: Session) -> Made:
    """Items without their texts; those of a release come from its data files."""
    if session.target.what is not What.RELEASE:
        found = table("items")(session)
        texts = ", ".join((*TEXT, "choices"))
        return None if found is None else f"select * exclude ({texts}) from ({found})"
    if DATA not in session:
        return None
    return "select benchmark, item, item_id, subset, category, question_id, family_id from data"


def item_questions(session: Session) -> Made:
    """Items with what they ask."""
    if "items" not in session:
        return None
    names = "benchmark, item, question_id, family_id, question, question_source, prompt"
    return f"select {names} from ({item_texts(session)})"


def item_texts(session: Session) -> str:
    """A query for items with their texts."""
    if session.target.what is What.RELEASE:
        return "select * from data"
    return union(session.target.of("items"), TABLES["items"].keys)


def splits(session: Session) -> Made:
    """Splits; those of a release come from the columns of its data files."""
    if session.target.what is not What.RELEASE:
        return table("splits")(session)
    if DATA not in session:
        return None
    schemes = [c for c in session.columns(DATA) if c.startswith("split_")]
    return " union all ".join(
        f"select {quoted(c.removeprefix('split_'))} as scheme, benchmark, item, {c} as split from data"
        for c in schemes
    )


def data(session: Session) -> Made:
    """Items of a release with their texts and sides, without the columns of groups."""
    if session.target.what is not What.RELEASE:
        return None
    parts = usable(session, DATA)
    names = data_schema(session.target.manifest["schemes"], ()).names
    return union(parts, RELEASED[DATA].keys, ", ".join(names)) if parts else None


def doc_keys(session: Session) -> Made:
    """Keys of the documents in the dump; a release does not carry them."""
    if "items" not in session or "doc_key" not in session.columns("items"):
        return None
    return "select benchmark, subset, doc_key from items"


def registry(session: Session) -> Made:
    """The registry of benchmarks. has_text: whether its items should have text here."""
    release = session.target.what is What.RELEASE
    rows = [
        {
            "benchmark": b.name,
            "leaderboard": b.leaderboard,
            "n_items": b.n_items,
            "n_models": b.models,
            "metric": b.metric,
            "metrics": list(b.metrics),
            "is_binary": b.binary,
            "publish_text": b.publish_text,
            "has_text": b.publish_text or not release,
        }
        for b in session.target.registry.values()
    ]
    return pa.Table.from_pylist(rows)


def registry_subsets(session: Session) -> Made:
    """Subsets of every benchmark at full size, in canonical order; n_items is null where nobody knows it."""
    rows = [
        {"benchmark": b.name, "subset": subset, "position": position, "n_items": n or None}
        for b in session.target.registry.values()
        for position, (subset, n) in enumerate(b.subsets.items())
    ]
    return pa.Table.from_pylist(rows)


def settings(session: Session) -> Made:
    """What the config says to the gate, in one row."""
    return pa.Table.from_pylist([session.target.settings])


def item_counts(session: Session) -> Made:
    """Items of every benchmark."""
    if "items" not in session:
        return None
    return "select benchmark, count(*) as n_items from items group by benchmark"


def score_facts(session: Session) -> Made:
    """Scores of every model on every benchmark, in one scan.

    Distinct items are counted in a bitstring of each model, which takes a twentieth of the time and next
    to none of the memory of a `count(distinct)`.
    """
    if "scores" not in session:
        return None
    most = session.query(f"select max(item) as most from scores where item between 0 and {MAX_ITEMS}")
    last = most["most"][0].as_py() or 0
    inside = f"item between 0 and {last}"
    return f"""select benchmark, model_id, count(*) as n,
        count(item) filter (not ({inside}))
        + coalesce(bit_count(bitstring_agg(item, 0, {last}) filter ({inside})), 0)
        + count(*) filter (item is null) as n_distinct,
        min(item) as least, max(item) as most, sum(score::double) as total, avg(score) as mean,
        count(*) filter (not (score between 0 and 1) or not isfinite(score)) as n_outside,
        min(item) filter (not (score between 0 and 1) or not isfinite(score)) as first_outside,
        count(*) filter (score <> 0 and score <> 1) as n_not_binary,
        min(item) filter (score <> 0 and score <> 1) as first_not_binary
        from scores where model_id is not null group by benchmark, model_id"""


def cost_facts(session: Session) -> Made:
    """Costs of every model on every benchmark, and how many have no score; no row where there is no cost."""
    if "costs" not in session:
        return None if session.target.of("costs") else _COST_FACTS.empty_table()
    scored = "scores" in session
    tables = ("costs", "scores") if scored else ("costs",)
    most = " union all ".join(
        f"select max(item) as most from {name} where item between 0 and {MAX_ITEMS}" for name in tables
    )
    last = session.query(f"select max(most) as most from ({most})")["most"][0].as_py() or 0
    inside = f"item between 0 and {last}"
    bits = f"bitstring_agg(item, 0, {last}) filter ({inside})"
    unknown = " and ".join(f"{name} is null" for name in COST_MEASURES)
    bad = " or ".join(f"not ({name} >= 0 and isfinite({name}))" for name in COST_MEASURES)
    mine = f"""select benchmark, model_id, count(*) as n, {bits} as items,
        count(*) filter (not ({inside}) or item is null) as n_outside,
        {", ".join(f"count({name}) as n_{name}" for name in COST_MEASURES)},
        count(*) filter ({bad}) as n_bad, min(item) filter ({bad}) as first_bad,
        count(*) filter ({unknown}) as n_unknown, min(item) filter ({unknown}) as first_unknown,
        bit_xor(hash(item, {", ".join(COST_MEASURES)}))::varchar as digest
        from costs where model_id is not null group by benchmark, model_id"""
    theirs = f"""select benchmark, model_id, {bits} as scored from scores
        where benchmark in (select distinct benchmark from costs) and model_id is not null group by all"""
    beside = f"left join ({theirs}) using (benchmark, model_id)" if scored else ""
    without = "n - coalesce(bit_count(items & scored), 0)" if scored else "0"
    return f"""select * exclude (items), n_outside + coalesce(bit_count(items), 0) as n_distinct,
        {without} as n_without_score from ({mine}) {beside}"""


def prices(session: Session) -> Made:
    """Prices of models; no row in a folder that has none."""
    found = table("prices")(session)
    whole = session.target.what in (What.BUILD, What.RELEASE) and not session.target.of("prices")
    return PRICES.empty_table() if found is None and whole else found


def curated(session: Session) -> Made:
    """What is left out; no row in a folder that leaves nothing out."""
    found = table("curated")(session)
    whole = session.target.what in (What.BUILD, What.RELEASE) and not session.target.of("curated")
    return CURATED.empty_table() if found is None and whole else found


def pseudo_specialists(session: Session) -> Made:
    """Scores of models that were made; no row in a folder that has none."""
    found = table("pseudo_specialists")(session)
    whole = session.target.what in (What.BUILD, What.RELEASE)
    if found is None and whole and not session.target.of("pseudo_specialists"):
        return PSEUDO_SPECIALISTS.empty_table().append_column("benchmark", pa.array([], pa.string()))
    return found


def usd_as_priced(session: Session) -> Made:
    """Costs per benchmark that are tokens x price, of those where the manifest says so of some."""
    if any(view not in session for view in ("costs", "models", "accounting_costs")):
        return None
    sides = " + ".join(
        f"coalesce({tokens}::double * {price}, if({price} = 0, 0, null))"
        for tokens, price in (
            ("prompt_tokens", "usd_per_mtok_in"),
            ("completion_tokens", "usd_per_mtok_out"),
        )
    )
    return f"""select benchmark, count(*) as n from costs join models using (model_id)
        where benchmark in (select benchmark from accounting_costs where priced > 0)
        and abs(usd - ({sides}) / 1e6) <= 1e-6 * usd group by all"""


def item_facts(session: Session) -> Made:
    """Models with a score on every item."""
    if "items" not in session or "scores" not in session:
        return None
    return """select benchmark, item, coalesce(n, 0) as models from items left join
        (select benchmark, item, count(*) as n from scores group by all) using (benchmark, item)"""


def file_sides(session: Session) -> Made:
    """The file that an item of a release stands in, and its side under the first scheme."""
    schemes = session.target.manifest.get("schemes")
    if DATA not in session or not schemes or f"split_{schemes[0]}" not in session.columns(DATA):
        return None
    return f"select benchmark, item, file_split, split_{schemes[0]} as side from data"


BUILDERS: dict[str, Callable[[Session], Made]] = {
    **{name: table(name) for name in ("models", "scores", "costs", "runs", "groups", "limits", "quarantine")},
    "items": items,
    "item_questions": item_questions,
    "splits": splits,
    "data": data,
    "doc_keys": doc_keys,
    "registry": registry,
    "registry_subsets": registry_subsets,
    "settings": settings,
    "item_counts": item_counts,
    "score_facts": score_facts,
    "cost_facts": cost_facts,
    "prices": prices,
    "curated": curated,
    "pseudo_specialists": pseudo_specialists,
    "usd_as_priced": usd_as_priced,
    "item_facts": item_facts,
    "file_sides": file_sides,
}

"""What `[curate]` asks for, as a config says it and as a manifest tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

from routerset.schemas.exits import USAGE
from routerset.schemas.store import JsonObject

DUPLICATES = ("text", "cosine")
SCOPES = ("train", "everywhere")
SIMILARITIES = ("jaccard", "residual")
SWITCHES = ("redundant", "weak")
AUTO = "auto"
PRESETS: Mapping[str, Mapping[str, object]] = {
    "routerbench+": {
        "duplicates": "text",
        "tasks": {},
        "models": 82 / 112,
        "similarity": "jaccard",
        "lambda": 0.5,
        "pseudo_specialists": (AUTO,),
    }
}
"""Registry: keys of `[curate]` that a name stands for; what a config says besides goes before."""


class CurateError(ValueError):
    """What `[curate]` asks for cannot be had of this build; the message says what to add."""

    exit_code = USAGE


@dataclass(frozen=True)
class Target:
    """A category that a pseudo-specialist is good at. accuracy: there; None for that of the best + .25."""

    benchmark: str
    category: str
    accuracy: float | None = None


@dataclass(frozen=True)
class Curate:
    """`[curate]`: what is left out of a benchmark though its records are there, or added to it.

    preset: keys that a name stands for, `routerbench+`; those written besides go before, such as
    `"routerbench+"`.
    duplicates: leaves out items that ask what an item before them asks, by `text` (case and white space
    apart) or by `cosine` of their vectors, such as `"text"`.
    scope: where duplicates are looked for and left out, on the `train` side of each scheme alone, or
    `everywhere`.
    tasks: samples categories, all of it by `{}`; `redundant` and `weak` switch its two rules off, and a
    BENCHMARK/CATEGORY has at most so many items, such as `{ redundant = false, "mmlu/anatomy" = 50 }`.
    models: models that stay in each benchmark's pool, or below 1 the share of it, such as `82`.
    similarity: by which pools are pruned, `jaccard` or `residual`.
    lam: weight of accuracy there, from 0 to 1; the rest is that of similarity.
    pseudo_specialists: BENCHMARK/CATEGORY that a made model is good at, or a table of it and its accuracy; or
    `auto`, such as `["mmlu/anatomy", { target = "bbh/snarks", accuracy = 0.9 }]`.
    """

    preset: str | None = None
    duplicates: str | None = None
    scope: str = "train"
    tasks: Mapping[str, object] | None = None
    models: int | float | None = None
    similarity: str = "jaccard"
    lam: float = field(default=0.5, metadata={"key": "lambda"})
    pseudo_specialists: tuple[object, ...] = ()

    @property
    def rules(self) -> bool:
        """Whether anything is to be left out or added."""
        return bool(
            self.duplicates or self.tasks is not None or self.models is not None or self.pseudo_specialists
        )

    @property
    def same(self) -> str | None:
        """What tells duplicates: sampling of categories leaves them out first, whatever is said."""
        return self.duplicates or ("text" if self.tasks is not None else None)

    @property
    def caps(self) -> dict[tuple[str, str], int]:
        """(benchmark, category) -> items at most."""
        found = {}
        for name, most in (self.tasks or {}).items():
            benchmark, _, category = name.partition("/")
            if category and isinstance(most, int):
                found[benchmark, category] = most
        return found

    def switched_on(self, rule: str) -> bool:
        """Whether sampling of categories has a rule, one of SWITCHES."""
        return self.tasks is not None and self.tasks.get(rule, True) is True

    @property
    def needs_vectors(self) -> str | None:
        """The key that needs vectors of questions, if any does."""
        if self.same == "cosine":
            return 'duplicates = "cosine"'
        return "tasks" if self.switched_on("redundant") else None

    @property
    def targets(self) -> tuple[Target, ...]:
        """Categories of pseudo-specialists that are named."""
        found = []
        for each in self.pseudo_specialists:
            told = each if isinstance(each, Mapping) else {"target": each}
            benchmark, _, category = str(told["target"]).partition("/")
            accuracy = told.get("accuracy")
            if each != AUTO:
                found.append(
                    Target(benchmark, category, accuracy if isinstance(accuracy, float | int) else None)
                )
        return tuple(found)

    def told(self) -> JsonObject:
        """The keys that say something, by their names in a config; a preset is what it stands for."""
        found: JsonObject = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name != "preset" and value is not None and value != ():
                found[each.metadata.get("key", each.name)] = [*value] if isinstance(value, tuple) else value
        return found

    @classmethod
    def of(cls, told: Mapping[str, object]) -> Curate:
        """What `told` tells. Raises ValueError for values of other types."""
        import msgspec

        names = {each.metadata.get("key", each.name): each.name for each in fields(cls)}
        try:
            return msgspec.convert({names.get(key, key): value for key, value in told.items()}, cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error

    def problems(self, benchmarks: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """Key and what is wrong with its value, beyond its type. benchmarks: all, by name."""
        valid = f"{', '.join(SWITCHES)}, or BENCHMARK/CATEGORY"
        for name, value in (self.tasks or {}).items():
            if name in SWITCHES:
                if not isinstance(value, bool):
                    yield f"tasks.{name}", f"expected true or false, found {value!r}"
            elif _category(name, benchmarks) is None:
                yield "tasks", f"found {name!r}, expected {valid} of a benchmark that there is"
            elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
                yield f'tasks."{name}"', f"expected a number of items from 1 on, found {value!r}"
        if isinstance(self.models, float) and not 0 < self.models < 1:
            yield "models", f"expected a whole number from 2 on, or a share in (0, 1), found {self.models}"
        if isinstance(self.models, int) and self.models < 2:
            yield "models", f"expected a whole number from 2 on, or a share in (0, 1), found {self.models}"
        if not 0 <= self.lam <= 1:
            yield "lambda", f"expected a number from 0 to 1, found {self.lam}"
        seen: set[object] = set()
        for each in self.pseudo_specialists:
            told: Mapping[str, object] = each if isinstance(each, Mapping) else {"target": each}
            target, accuracy = told.get("target"), told.get("accuracy", 1.0)
            known = (target == AUTO and "accuracy" not in told) or _category(target, benchmarks) is not None
            if not known or set(told) - {"target", "accuracy"}:
                expected = f'"BENCHMARK/CATEGORY" of a benchmark here, "{AUTO}", or {{ target, accuracy }}'
                yield "pseudo_specialists", f"expected {expected}, found {each!r}"
            elif isinstance(accuracy, bool) or not isinstance(accuracy, int | float):
                yield "pseudo_specialists", f"expected a number as accuracy, found {accuracy!r} of {target}"
            elif not 0 <= accuracy <= 1:
                yield "pseudo_specialists", f"expected an accuracy from 0 to 1, found {accuracy} of {target}"
            elif target in seen:
                yield "pseudo_specialists", f"{target!r} is there more than once"
            else:
                seen.add(target)


def _category(name: object, benchmarks: Mapping[str, object]) -> str | None:
    """The category that BENCHMARK/CATEGORY names; None where it is no such name."""
    benchmark, _, category = name.partition("/") if isinstance(name, str) else ("", "", "")
    return category if benchmark in benchmarks and category else None

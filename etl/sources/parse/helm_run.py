"""A run folder of HELM: what its files say of the run, of its instances and of what was measured on each.

`run_spec.json` tells the run, `per_instance_stats.json` what was measured, and `scenario_state.json` the
texts (`instances.json` does, too, where that is missing). Perturbed instances are left out, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from routerset.etl.sources.base import DumpUnreadable
from routerset.etl.sources.files import open_inflated
from routerset.etl.sources.parse.answers import MAX_ANSWERS, Texts
from routerset.etl.sources.parse.json_members import read_members
from routerset.etl.sources.parse.jsonlines import as_text, decode_line, key_of, numbered_chunks, show
from routerset.etl.sources.parse.scores import score_of
from routerset.etl.sources.quarantine import BadRow
from routerset.schemas.tables import Reason

MAX_SPEC = 16 << 20  # bytes of a run's description; real ones have 4 kB
PERTURBED = "perturbed_instances_left_out"
FAILED = "failed_requests"
_CHOICES = "multiple_choice"
_SEPARATE = f"{_CHOICES}_separate"
_CORRECT = "correct"
_MAX_FOUND = 1 << 10  # names of metrics of one run; there are about 60


class _Adapter(msgspec.Struct):
    model: object = None
    method: object = None
    max_train_instances: object = None


class _Spec(msgspec.Struct):
    name: object = None
    adapter_spec: _Adapter = msgspec.field(default_factory=_Adapter)


class _Name(msgspec.Struct, gc=False):
    name: str
    perturbation: object = None


class _Stat(msgspec.Struct, gc=False):
    name: _Name
    count: object = None
    sum: object = None
    mean: object = None


class _Entry(msgspec.Struct, gc=False):
    """Some measures of one instance: those of one of HELM's metric classes."""

    instance_id: object = None
    train_trial_index: object = None
    perturbation: object = None
    stats: list[_Stat] = []


class _Instance(msgspec.Struct, gc=False):
    id: object = None
    input: object = None
    references: object = None
    perturbation: object = None


class _Request(msgspec.Struct, gc=False):
    prompt: object = None


class _Result(msgspec.Struct, gc=False):
    success: object = None


class _State(msgspec.Struct, gc=False):
    """One request about an instance."""

    instance: _Instance
    train_trial_index: object = None
    request: _Request | None = None
    result: _Result | None = None


_SPEC, _ENTRY, _STATE, _INSTANCE = (
    msgspec.json.Decoder(_Spec),
    msgspec.json.Decoder(_Entry),
    msgspec.json.Decoder(_State),
    msgspec.json.Decoder(_Instance),
)


@dataclass(frozen=True)
class RunSpec:
    """What was run. arguments: those in its name. few_shot: examples in a prompt, where told."""

    name: str
    model: str
    method: str
    few_shot: int | None

    @property
    def task(self) -> str:
        """Its name without what tells the model."""
        scenario, _, arguments = self.name.partition(":")
        kept = [each for each in arguments.split(",") if each and not each.startswith(("model=", "model_"))]
        return f"{scenario}:{','.join(kept)}" if kept else scenario

    @property
    def scenario(self) -> str:
        """What stands before the arguments in its name."""
        return self.name.partition(":")[0]

    @property
    def arguments(self) -> dict[str, str]:
        """What its name says, by argument."""
        parts = (each.partition("=") for each in self.name.partition(":")[2].split(","))
        return {name.strip(): value.strip() for name, mark, value in parts if mark}


@dataclass(slots=True)
class Measured:
    """What was measured on one instance in one trial.

    row: of its first entry. values: by metric, a number, NaN where nothing stands, or NaN and what stands
    there. totals: sums over all requests about it.
    """

    row: int
    key: str
    trial: int
    values: dict[str, tuple[float, str | None]] = field(default_factory=dict)
    totals: dict[str, object] = field(default_factory=dict)


def read_spec(path: str) -> RunSpec:
    """What was run. Raises DumpUnreadable."""
    try:
        with open_inflated(path) as stream:
            data = stream.read(MAX_SPEC)
    except OSError as error:
        raise DumpUnreadable(f"run_spec.json: {error}") from error
    spec = decode_line(data, 0, _SPEC)
    if isinstance(spec, BadRow):
        raise DumpUnreadable(f"run_spec.json: {spec.detail}")
    name, model, method = spec.name, spec.adapter_spec.model, spec.adapter_spec.method
    if not (isinstance(name, str) and name.strip() and isinstance(model, str) and model.strip()):
        raise DumpUnreadable("run_spec.json: expected name and adapter_spec.model, found one or none of them")
    shots = spec.adapter_spec.max_train_instances
    few = shots if type(shots) is int and 0 <= shots < 1 << 31 else None
    return RunSpec(name, model, method if isinstance(method, str) else "", few)


def read_measures(
    path: str, wanted: Collection[str], totals: Collection[str], told: Counter[str]
) -> tuple[list[Measured], list[BadRow], set[str], int]:
    """What was measured, by instance and trial; entries that are none; names of metrics; how many entries.

    wanted, totals: metrics to keep, by their means and by their sums. told: what to report.
    """
    found: dict[tuple[str, int], Measured] = {}
    perturbed: set[tuple[str, int, str]] = set()
    bad: list[BadRow] = []
    names: set[str] = set()
    n = 0
    for first, _, chunk in numbered_chunks(path):
        for number, line in enumerate(chunk.split(b"\n"), first):
            if not line.strip():
                continue
            n += 1
            entry = decode_line(line, number, _ENTRY)
            if isinstance(entry, BadRow):
                bad.append(entry)
                continue
            key, trial = key_of(entry.instance_id), entry.train_trial_index or 0
            if key is None or type(trial) is not int or trial < 0:
                detail = (
                    "expected instance_id as a name, and train_trial_index as a whole number, found another"
                )
                bad.append(BadRow(number, Reason.MISSING_KEY, detail, excerpt=show(line)))
                continue
            stats = [stat for stat in entry.stats if stat.name.perturbation is None]
            if entry.perturbation is not None or (entry.stats and not stats):
                how = entry.perturbation or entry.stats[0].name.perturbation
                perturbed.add((key, trial, as_text(how) or ""))
                continue
            of = found.setdefault((key, trial), Measured(number, key, trial))
            for stat in stats:
                name = stat.name.name
                if len(names) < _MAX_FOUND:
                    names.add(name[:200])
                if name in wanted:
                    _keep(of.values, name, _mean(stat))
                if name in totals:
                    of.totals.setdefault(name, stat.mean if stat.sum is None else stat.sum)
            if len(found) > MAX_ANSWERS or len(perturbed) > MAX_ANSWERS:
                raise DumpUnreadable(f"found more than {MAX_ANSWERS} instances: split the run")
    told[PERTURBED] = len(perturbed)
    return list(found.values()), bad, names, n


def _mean(stat: _Stat) -> tuple[float, str | None]:
    """The mean of a measure; of one that was not taken, nothing."""
    value, said = score_of(stat.mean)
    total, _ = score_of(stat.sum)
    if stat.mean is None and type(stat.count) is int and stat.count > 0:
        return total / stat.count, None
    return value, said


def _keep(values: dict[str, tuple[float, str | None]], name: str, value: tuple[float, str | None]) -> None:
    """A value beside which nothing stands, too; of two that differ, what stands there is both."""
    nothing = repr((float("nan"), None))
    known = values.get(name, value)
    if repr(known) == nothing:
        values[name] = value
    elif repr(value) in (nothing, repr(known)):
        values[name] = known
    else:
        shown = [f"{number:g}" if said is None else said for number, said in (known, value)]
        values[name] = (float("nan"), " and ".join(shown))


# --- texts -----------------------------------------------------------------------------------------


@dataclass
class Instances:
    """Texts of the instances of a run, by id, and requests that failed: id and trial of each."""

    texts: dict[str, Mapping[str, str | None]] = field(default_factory=dict)
    failed: set[tuple[str, int]] = field(default_factory=set)
    whole: bool = True


def read_instances(path: str, method: str, *, states: bool) -> Instances:
    """What `scenario_state.json` (states) or `instances.json` says, as far as it can be read."""
    found, kept = Instances(), Texts()
    try:
        for state in _states(path) if states else _bare(path):
            if state is None:
                found.whole = False
                continue
            key = key_of(state.instance.id)
            if key is None or state.instance.perturbation is not None:
                continue
            if state.result is not None and state.result.success is False:
                trial = state.train_trial_index or 0
                found.failed.add((key, trial if type(trial) is int else 0))
            if key not in found.texts and len(found.texts) < MAX_ANSWERS:
                texts = _texts(state, method)
                found.texts[key] = {name: kept.keep(text) for name, text in texts.items()}
    except OSError:
        found.whole = False
    return found


def _states(path: str) -> Iterator[_State | None]:
    for name, value, whole in read_members(path, "request_states", ()):
        if name and whole and value is not None:
            state = decode_line(value, 0, _STATE)
            yield None if isinstance(state, BadRow) else state
        else:
            yield None


def _bare(path: str) -> Iterator[_State | None]:
    for _, _, chunk in numbered_chunks(path):
        for line in chunk.split(b"\n"):
            if line.strip():
                instance = decode_line(line, 0, _INSTANCE)
                yield None if isinstance(instance, BadRow) else _State(instance)


def _texts(state: _State, method: str) -> dict[str, str | None]:
    """Columns of `long`. References are the options where the LLM was to choose, else right answers."""
    references = state.instance.references
    told = [each for each in references if isinstance(each, dict)] if isinstance(references, list) else []
    outputs = [_text_of(each.get("output")) or "" for each in told]
    tags = [each.get("tags") for each in told]
    right = [
        text for text, tag in zip(outputs, tags, strict=True) if isinstance(tag, list) and _CORRECT in tag
    ]
    prompt = None if state.request is None or method.startswith(_SEPARATE) else state.request.prompt
    return {
        "question": _text_of(state.instance.input),
        "prompt": prompt if isinstance(prompt, str) else None,
        "choices": as_text(outputs) if method.startswith(_CHOICES) and len(outputs) > 1 else None,
        "gold": right[0] if len(right) == 1 else as_text(right or None),
    }


def _text_of(value: object) -> str | None:
    """A text, which older versions write as it is, and newer ones in an object."""
    return as_text(value.get("text") if isinstance(value, dict) else value)

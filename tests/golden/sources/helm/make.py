"""Writes the inputs of these golden folders; run it as a script."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
TYPO = {"name": "typos", "robustness": True, "fairness": False, "computed_on": "perturbed", "prob": 0.1}
TEXTS = {
    "id1": ("Which bone is in the arm?", ["femur", "radius", "tibia"], 1),
    "id2": ("Which organ pumps blood?", ["heart", "lung", "skin"], 0),
    "id3": ("Where is the retina?", ["ear", "eye", "nose"], 1),
}


def stat(name: str, mean: object = None, total: object = ..., *, count: int = 1, **more: object) -> dict:
    """One measure; HELM leaves out what is None."""
    found = {"name": {"name": name, "split": "test", **more}, "count": count, "mean": mean}
    found["sum"] = mean if total is ... else total
    return {key: value for key, value in found.items() if value is not None}


def entry(key: object, stats: Sequence[object], trial: int = 0, **more: object) -> dict[str, object]:
    return {"instance_id": key, "train_trial_index": trial, "stats": stats, **more}


def instance(key: str, *, plain: bool = False, **more: object) -> dict[str, object]:
    """An instance; plain: as older versions write it, texts without objects around them."""
    text, options, right = TEXTS[key]
    references = [
        {"output": each if plain else {"text": each}, "tags": ["correct"] if at == right else []}
        for at, each in enumerate(options)
    ]
    asked = text if plain else {"text": text}
    return {"input": asked, "references": references, "split": "test", "id": key, **more}


def state(of: Mapping[str, object], trial: int = 0, success: object = True) -> dict[str, object]:
    """A request."""
    return {
        "instance": of,
        "request_mode": "original",
        "train_trial_index": trial,
        "request": {"model": "m", "prompt": f"Answer, {trial}.\n\n{of['input']}", "max_tokens": 5},
        "result": {
            "success": success,
            "completions": [{"text": " B", "logprob": -0.5, "tokens": [{"text": " B", "logprob": -0.5}]}],
            "cached": True,
            "request_time": 0.5,
        },
        "num_train_instances": 5,
        "prompt_truncated": False,
    }


def run(name: str, model: str, method: str = "multiple_choice_joint", shots: object = 5) -> dict[str, object]:
    """What `run_spec.json` holds."""
    adapter = {"method": method, "model": model, "max_train_instances": shots, "num_train_trials": 1}
    scenario = {"class_name": "x.Scenario", "args": {}}
    return {"name": name, "scenario_spec": scenario, "adapter_spec": adapter, "metric_specs": []}


def put(folder: str, stats: object, spec: object = None, states: object = None, *, more: str = "") -> None:
    """A run folder. more: an ending of all names."""
    path = HERE / folder
    path.mkdir(parents=True, exist_ok=True)
    described = {"adapter_spec": {"model": "m"}, "request_states": states}
    for name, content in (
        ("per_instance_stats", stats),
        ("run_spec", spec),
        ("scenario_state", states if isinstance(states, bytes) or states is None else described),
    ):
        if content is not None:
            data = content if isinstance(content, bytes) else json.dumps(content, indent=2).encode()
            target = path / f"{name}.json{more}"
            target.write_bytes(gzip.compress(data, mtime=0) if more else data)


def measured(em: object, tokens: int, seconds: float) -> list[dict]:
    """What HELM measures of a request."""
    return [
        stat("num_prompt_tokens", tokens),
        stat("num_completion_tokens", tokens + 1),
        stat("num_output_tokens", 1),
        stat("inference_runtime", seconds),
        stat("exact_match", em),
        stat("quasi_exact_match", 1.0),
    ]


def sound() -> None:
    """Two models; two classes of metrics each write entries of their own."""
    for at, model in enumerate(("openai/davinci-x", "together/bloom-x")):
        name = f"mmlu:subject=anatomy,method=multiple_choice_joint,model={model.replace('/', '_')}"
        keys = sorted(TEXTS, reverse=bool(at))
        stats = [entry(key, measured(float((i + at) % 2), 100 + i, 0.25 * i)) for i, key in enumerate(keys)]
        stats += [entry(key, [stat("num_bytes", 7), stat("exact_match", mean=None, count=0)]) for key in keys]
        states = [state(instance(key, plain=bool(at))) for key in keys]
        put(f"sound/dump/{name}", stats, run(name, model), states, more=".gz" if at else "")


def odd() -> None:
    """Values, trials and perturbations of every kind; texts that are missing, and requests that failed."""
    spec = run("mmlu:subject=anatomy,model=openai_x", "openai/x", shots="five")
    values: list[object] = [1, True, "0.5", None, float("nan"), "maybe", 3.0, [1.0], {"a": 1}]
    stats = [entry(f"v{at}", [stat("exact_match", value)]) for at, value in enumerate(values)]
    stats += [
        entry("sum", [{"name": {"name": "exact_match"}, "sum": 1.0, "count": 2}]),
        entry("none", [stat("num_prompt_tokens", 3)]),
        entry("two", [stat("exact_match", 1.0)]),
        entry("two", [stat("exact_match", 0.0)]),
        entry(
            "costs", [stat("exact_match", 1.0), stat("num_prompt_tokens", -1), stat("inference_runtime", "x")]
        ),
        entry("total", [stat("exact_match", 1.0), stat("num_prompt_tokens", 5.0, 15, count=3)]),
        entry("id1", [stat("exact_match", 1.0)]),
        entry("id1", [stat("exact_match", 0.0, perturbation=TYPO)], perturbation=TYPO),
        entry("id1", [stat("num_bytes", 0.0, perturbation=TYPO)], perturbation=TYPO),
        entry("id2", [stat("exact_match", 0.0, perturbation=TYPO)]),
        entry("id2", [stat("exact_match", 0.0)]),
        entry(None, []),
        entry("id3", [], trial="first"),  # type: ignore[arg-type]
        entry("id3", None),  # type: ignore[arg-type]
        "text",
        [1],
    ]
    states = [
        state(instance("id1")),
        state(instance("id1", perturbation=TYPO)),
        state(instance("id2"), 0, False),
    ]
    states += [{"instance": {"id": "none", "input": {"text": "No references"}}}, {"instance": None}]
    put("odd/dump/values", stats, spec, states)
    trials = [entry(key, [stat("exact_match", float(t))], t) for t in (0, 1) for key in ("id1", "id2")]
    trials += [entry("id1", [stat("num_bytes", 1)], 2)]
    shots = run("mmlu:subject=anatomy,model=openai_x", "openai/x", "generation")
    put("odd/dump/trials", trials, shots, [state(instance(k), t) for t in (1, 0) for k in ("id1", "id2")])
    one = [entry("id1", [stat("exact_match", 1.0)])]
    put("odd/dump/no-states", one, spec)
    put("odd/dump/instances", one, spec)
    listed = json.dumps([instance("id1")]).encode()
    (HERE / "odd/dump/instances/instances.json").write_bytes(listed)
    put(
        "odd/dump/cut-states",
        one,
        spec,
        json.dumps({"request_states": [state(instance("id1"))] * 2}).encode()[:-50],
    )
    put("odd/dump/other-subset", one, run("mmlu:subject=virology,model=openai_x", "openai/x"))


def unreadable() -> None:
    """Runs that lack a file, or hold one that cannot be read, or do not tell their metric."""
    spec, states = run("mmlu:subject=anatomy,model=openai_x", "openai/x"), [state(instance("id1"))]
    one = [entry("id1", [stat("exact_match", 1.0)])]
    whole = json.dumps([*one, *one], indent=2).encode()
    put("unreadable/dump/no-spec", one, None, states)
    put("unreadable/dump/bad-spec", one, b"[]", states)
    put("unreadable/dump/no-model", one, {"name": "mmlu"}, states)
    put("unreadable/dump/cut", whole[:-60], spec, states)
    put("unreadable/dump/empty", b"", spec, states)
    put("unreadable/dump/empty-list", [], spec, states)
    put("unreadable/dump/text", b"no JSON", spec, states)
    put("unreadable/dump/several-metrics", [entry("id1", measured(1.0, 3, 1.0))], spec, states)
    put("unreadable/dump/no-metric", [entry("id1", [stat("num_bytes", 7)])], spec, states)
    put("unreadable/dump/no-score", [entry("id1", [stat("exact_match", count=0)])], spec, states)
    put("unreadable/dump/unknown-task", one, run("what:model=openai_x", "openai/x"), states)
    put("unreadable/dump/bad-model", one, run("mmlu:subject=anatomy", "../.."), states)


if __name__ == "__main__":
    sound()
    odd()
    unreadable()

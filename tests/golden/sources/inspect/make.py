"""Writes the inputs of these golden folders; run it as a script."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
QUESTIONS = {
    "q1": ("Which of these is a prime number?", ["four", "seven", "nine"], "B"),
    "q2": ("Which of these is a colour?", ["red", "loud", "seven"], "A"),
    "q3": ("Name the smallest even number above 7.", None, ["8", "eight"]),
}
ODD = "Say something odd."


def usage(model: str, tokens_in: object, tokens_out: object) -> dict[str, object]:
    """Tokens of the evaluated model, and of one that graded its answers."""
    grader = {"input_tokens": 9000, "output_tokens": 1, "total_tokens": 9001}
    return {
        "openai/grader": grader,
        model: {"input_tokens": tokens_in, "output_tokens": tokens_out, "total_tokens": 0},
    }


def sample(key: object, epoch: int = 1, value: object = "C", scorer: str = "choice", **more: object) -> dict:
    """A sample; its text is one of the questions where its key is."""
    text, choices, target = QUESTIONS.get(str(key), (f"{ODD} {key}", None, "x"))
    base = {"id": key, "epoch": epoch, "input": text, "choices": choices, "target": target}
    return {
        **base,
        "messages": [{"role": "user", "content": text}],
        "output": {"model": "m", "choices": []},
        "scores": {scorer: {"value": value, "answer": "B", "explanation": '{[,\\"]'}},
        "events": [{"event": "state", "changes": [1, [2, {"a": "]}"}]]}],
        **more,
    }


def log(model: str, samples: Sequence[object] | None, **more: object) -> dict[str, object]:
    """A log as JSON; its parts in Inspect's order."""
    spec = {"task": "quizzes/quiz", "model": model, "created": "2026-01-02T03:04:05+00:00", "config": {}}
    return {
        "version": 2,
        "status": "success",
        "eval": spec,
        "plan": {"name": "plan"},
        "results": {"scores": [{"name": "choice", "scorer": "choice", "reducer": "mean"}]},
        "stats": {"model_usage": {}},
        "samples": samples,
        **more,
    }


def archive(
    log: Mapping[str, Any],
    members: Sequence[tuple[str, object]] = (),
    header: str = "header.json",
    method: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """A log as `.eval`. members: what is in the archive besides its header and the log's own samples."""
    rest = {name: value for name, value in log.items() if name != "samples"}
    several = [(f"samples/{s['id']}_epoch_{s['epoch']}.json", s) for s in log["samples"]]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as written:
        for name, value in [("_journal/start.json", rest), *several, *members]:
            data = value if isinstance(value, bytes) else json.dumps(value, indent=2).encode()
            written.writestr(zipfile.ZipInfo(name), data, method)
        written.writestr(zipfile.ZipInfo("summaries.json"), b"[]", method)
        if header:
            written.writestr(zipfile.ZipInfo(header), json.dumps(rest, indent=2).encode(), method)
    return buffer.getvalue()


def put(name: str, content: object) -> None:
    """A file of a case; what is no bytes is written as Inspect writes JSON."""
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content, indent=2).encode())


def sound() -> None:
    """Two models, one log of either kind."""
    gpt, llama = "openai/gpt-x", "hf/meta-llama/Llama-9-8B"
    of_gpt = [
        sample("q1", value="C", model_usage=usage(gpt, 12, 3), total_time=2.5, working_time=1.5),
        sample("q2", value="I", model_usage=usage(gpt, 13, 4), total_time=0.25),
        sample("q3", value=0.25, model_usage=usage(gpt, 14, 5)),
    ]
    of_gpt[2]["model_usage"][gpt]["total_cost"] = 0.5
    put("sound/dump/2026-01-02T03-04-05+00-00_quiz_abc.json", log(gpt, of_gpt))
    of_llama = [
        sample("q3", value="I", model_usage=usage(llama, 20, 1), total_time=0.5),
        sample("q1", value="P", model_usage=usage(llama, 21, 2), total_time=1.0),
        sample("q2", value="C"),
    ]
    put("sound/dump/other/run.eval", archive(log(llama, of_llama)))


def odd() -> None:
    """Values, epochs and samples of every kind."""
    m = "openai/gpt-x"
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello?"}, {"type": "image", "image": "x"}]},
    ]
    turns = [*chat, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Go on."}]
    values = ["C", "I", "P", "N", 1, 0.5, True, "0.75", "yes", None, float("nan"), "maybe", 7, [1.0], [1, 0]]
    samples = [sample(at + 1, value=value) for at, value in enumerate(values)]
    samples += [
        sample("chat", input=chat, target=["yes"]),
        sample("turns", input=turns, target="no", choices=[]),
        sample("failed", scores=None, error={"message": "out of tokens", "traceback": "..."}),
        sample("failed and scored", value="I", error={"message": "late"}),
        sample("invalid", invalidation={"author": "me"}),
        sample("costs", model_usage=usage(m, -3, "12"), total_time="long"),
        sample("no usage", model_usage={"other/model": {"input_tokens": 1, "output_tokens": 2}}),
        sample(None),
        sample(1.5),
        sample(20.0, score={"value": "C"}, scores=None),
        [1, 2],
        "text",
    ]
    put("odd/dump/values.json", log(m, samples, status="cancelled"))
    again = [
        *[
            sample("q1", epoch, v, model_usage=usage(m, n, 2 * n))
            for epoch, v, n in [(1, "C", 2), (2, "I", 4)]
        ],
        *[sample("q2", epoch, value) for epoch, value in [(1, "C"), (2, None), (3, "what"), (4, 0.0)]],
        *[sample("q3", epoch, value) for epoch, value in [(1, None), (2, 3)]],
        *[sample("once", epoch, value) for epoch, value in [(1, "C"), (2, "C"), (2, "C")]],
        *[sample("twice", epoch, value) for epoch, value in [(1, "I"), (2, "C"), (2, "I")]],
    ]
    put("odd/dump/epochs.json", log(m, again))
    reducers = [{"name": "choice", "scorer": "choice", "reducer": "pass_at_2"}]
    three = [sample("q1", epoch, value) for epoch, value in [(1, "C"), (2, "I"), (3, "I")]]
    put("odd/dump/pass-at-2.eval", archive(log(m, [*three, sample("q2")], results={"scores": reducers})))
    parts = {"strict": True, "loose": 0.5}
    put("odd/dump/parts.json", log(m, [sample("q1", value=parts, scorer="follow")], results=None))
    written_again = [("samples/q1_epoch_1.json", sample("q1", value="I")), ("../samples/x.json", b"no")]
    started = log("anthropic/claude-x", [sample("q1", value="C"), sample("q2")])
    del started["status"]
    put(
        "odd/dump/started.eval",
        archive(started, [*written_again, ("samples/cut.json", b'{"id": 3, ')], header=""),
    )


def unreadable() -> None:
    """Files that are no logs, or not whole, and one that is in parts."""
    m = "openai/gpt-x"
    whole = json.dumps(log(m, [sample("q1"), sample("q2")]), indent=2).encode()
    zipped = archive(log(m, [sample("q1")]))
    files = {
        "cut-in-a-sample.json": whole[: whole.index(b'"q2"') + 40],
        "cut-in-the-header.json": whole[:60],
        "empty.json": b"",
        "list.json": [sample("q1")],
        "text.json": b"no JSON",
        "other.json": {"samples": [sample("q1")]},
        "no-model.json": log(m, [sample("q1")], eval={"task": "quiz"}),
        "no-samples.json": log(m, None),
        "no-scores.json": log(m, [sample("q1", scores=None)]),
        "two-scorers.json": log(m, [sample("q1", scores={"a": {"value": 1}, "b": {"value": 0}})]),
        "unknown-task.json": log(m, [sample("q1"), sample("q2")], eval={"task": "what", "model": m}),
        "unknown-reducer.json": log(
            m,
            [sample("q1", 1), sample("q1", 2)],
            results={"scores": [{"name": "choice", "reducer": "own"}]},
        ),
        "no-zip.eval": b"PK\x03\x04 nothing",
        "cut.eval": zipped[: len(zipped) // 2],
        "no-header.eval": archive({"samples": []}, [("x.json", b"{}")], header="else.json").replace(
            b"_journal/start.json", b"_journal/stop1.json"
        ),
        "bad-header.eval": archive(log(m, []), [("header.json", b"[]")], header=""),
        "zstandard.eval": zipped.replace(b"\x08\x00\x00\x00\x21\x00", b"\x5d\x00\x00\x00\x21\x00"),
        "encrypted.eval": archive(log(m, [sample("q1")]), method=zipfile.ZIP_STORED).replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"
        ),
    }
    for name, content in files.items():
        put(f"unreadable/dump/{name}", content)


if __name__ == "__main__":
    sound()
    odd()
    unreadable()

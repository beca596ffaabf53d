"""Writes the inputs of these golden folders, tiny archives; `../make.py mmlu_pro` writes them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence

EPOCH = (2024, 6, 1, 0, 0, 0)


def without(record: Mapping[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in record.items() if name not in names}


def answer(question_id: object, pred: object, **fields: object) -> dict[str, object]:
    return {
        "question_id": question_id,
        "question": f"What is {question_id} plus one?",
        "options": ["less", "more", "the same"],
        "answer": "B",
        "answer_index": 1,
        "cot_content": "",
        "category": "math",
        "src": "ori_mmlu-elementary_mathematics",
        "pred": pred,
        "generated_text": "The answer is (B).",
        **fields,
    }


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members:
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return buffer.getvalue()


def results(rows: Sequence[object]) -> bytes:
    return zipped(("model_outputs_X_5shots.json", json.dumps(rows).encode()))


def files() -> dict[str, dict[str, bytes]]:
    """Files of every case."""
    good = [answer(70, "B"), answer(71, "A"), answer("72", None)]
    rows = [
        answer(70, "B"),
        "assistant: I cannot answer this.",
        answer(71, None),
        without(answer(72, "B"), "pred"),
        answer(73, "B", answer=None),
        without(answer(74, "B"), "question_id"),
        answer(75, "B"),
        answer(75, "B"),
        answer(76, "B"),
        answer(76, "C"),
        answer(77, 3),
        answer(78, "B", options="ABC"),
        answer(79, "B", question="What is \ud800?"),
        answer(80, "B", generated_text="\ud800", logits=[float("nan")]),
        answer(81.0, "B"),
        12,
        None,
        ["a"],
    ]
    strings = [answer(70, "B"), "total", answer(71, "A"), 1, None, [[]]]
    text = json.dumps(good).encode()
    whole = zipped(("results/x.json", text))
    damaged = bytearray(whole)
    damaged[len(damaged) // 3] ^= 0xFF
    locked = bytearray(whole)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + offset] |= 1
    names = {
        "cut_list": zipped(("x.json", text[:-100])),
        "not_utf8": zipped(("x.json", text.replace(b"What is 71", b"What is \xff"))),
        "trailing": zipped(("x.json", text[:-1] + b', "tail"] and more')),
        "no_list": zipped(("x.json", b'{"rows": []}')),
        "empty_list": zipped(("x.json", b"[]")),
        "no_member": zipped(("readme.txt", b"nothing")),
        "two_members": zipped(("a.json", text), ("b.json", text)),
        "bomb": zipped(("x.json", b"[" + b" " * (1 << 20) + b"]")),
        "cut_archive": whole[: len(whole) // 2],
        "damaged": bytes(damaged),
        "locked": bytes(locked),
        "empty": b"",
    }
    return {
        "good": {
            "model_outputs_org__model_5shots.zip": whole,
            "model_outputs_Bare-Model-1_5_5shots.json.zip": zipped(
                ("__MACOSX/._x.json", b"\0"), ("../../x.json", json.dumps(good[:2], indent=2).encode())
            ),
            "eval_summary.zip": whole,
        },
        "bad-rows": {
            "model_outputs_org__model_5shots.zip": results(rows),
            "model_outputs_org__strings_5shots.zip": results(strings),
        },
        "bad-files": {f"model_outputs_org__{name}_5shots.zip": data for name, data in names.items()},
    }

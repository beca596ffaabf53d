"""Pickles that pass for a DataFrame: code among its parts, and parts that do not fit one another."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.sources.hostile_pickles import Hostile, array, dtype, name, text

F8, ONE = dtype("f8"), b"K\x01"
BLOCK = name("pandas._libs.internals", "_unpickle_block")
INDEX = name("pandas.core.indexes.base", "_new_Index")
PLAIN = name("pandas.core.indexes.base", "Index")
BACKED = name("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked")


def number(value: int) -> bytes:
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def floats(*shape: int) -> bytes:
    """Zeros of a shape."""
    n = 1
    for size in shape:
        n *= size
    return array(
        b"(" + b"".join(map(number, shape)) + b"t", F8, b"B" + struct.pack("<I", 8 * n) + bytes(8 * n)
    )


def objects(*cells: bytes) -> bytes:
    """An array of objects, of one dimension."""
    kind = dtype("O8", "|", b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3f")
    return array(number(len(cells)) + b"\x85", kind, b"](" + b"".join(cells) + b"e")


def fields(**values: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u"


def made(kind: bytes, state: bytes) -> bytes:
    return kind + b")\x81" + state + b"b"


def span(start: int, stop: int, step: int = 1) -> bytes:
    return name("builtins", "slice") + number(start) + number(stop) + number(step) + b"\x87R"


def block(values: bytes, places: bytes) -> bytes:
    return BLOCK + values + places + b"K\x02\x87R"


def index(data: bytes, kind: bytes = PLAIN, label: bytes = b"N") -> bytes:
    return INDEX + kind + fields(data=data, name=label) + b"\x86R"


def rows(stop: int, label: bytes = b"N") -> bytes:
    kind = name("pandas.core.indexes.range", "RangeIndex")
    return INDEX + kind + fields(name=label, start=b"K\x00", stop=number(stop), step=ONE) + b"\x86R"


def labels(*names: str) -> bytes:
    return index(objects(*map(text, names)))


def frame(blocks: bytes, columns: bytes, index: bytes) -> bytes:
    """A DataFrame of such parts."""
    manager = name("pandas.core.internals.managers", "BlockManager")
    managed = manager + b"(" + blocks + b"t](" + columns + index + b"e\x86R"
    return made(name("pandas", "DataFrame"), fields(_mgr=managed)) + b"."


def old_frame(state: bytes) -> bytes:
    """A DataFrame as before pandas 1.3, its blocks in a state."""
    manager = made(name("pandas.core.internals.managers", "BlockManager"), state)
    return made(name("pandas.core.frame", "DataFrame"), fields(_data=manager)) + b"."


def one_column(column: bytes, n: int = 1) -> bytes:
    """A frame of one column."""
    return frame(block(column, span(0, 1)), labels("a"), rows(n))


def arrow(
    alias: str, n: int, start: int, *buffers: bytes, children: bytes = b"]", dictionary: bytes = b"N"
) -> bytes:
    """A column of an array of Arrow's."""
    kind = name("pyarrow.lib", "type_for_alias") + text(alias) + b"\x85R"
    inside = b"(" + kind + number(n) + b"K\x00" + number(start) + b"](" + b"".join(buffers) + b"e"
    array = name("pyarrow.lib", "_restore_array") + inside + children + dictionary + b"t\x85R"
    return made(name("pandas.arrays", "ArrowStringArray"), fields(_pa_array=array))


def buffer(data: bytes) -> bytes:
    inside = name("builtins", "bytearray") + b"B" + struct.pack("<I", len(data)) + data + b"\x85R"
    return name("pyarrow.lib", "py_buffer") + inside + b"\x85R"


def hostile_frames(canary: str) -> list[Hostile]:
    """The corpus, for a canary folder that does not exist yet."""
    return [*_calls(canary), *_places(), *_sizes(), *_kinds(), *_arrow()]


def _calls(canary: str) -> Iterator[Hostile]:
    call = name("os", "mkdir") + b"(" + text(canary) + b"tR"
    spots = {
        "a column": one_column(call),
        "a cell": one_column(objects(call)),
        "a state": made(name("pandas", "DataFrame"), call) + b".",
        "a placement": frame(block(floats(1, 1), call), labels("a"), rows(1)),
        "labels": frame(block(floats(1, 1), span(0, 1)), call, rows(1)),
        "the name of an index": frame(block(floats(1, 1), span(0, 1)), labels("a"), rows(1, call)),
        "a buffer": one_column(arrow("large_string", 1, 0, b"N", buffer(bytes(16)), call)),
        "attributes": made(name("pandas", "DataFrame"), fields(_mgr=b"N", attrs=call)) + b".",
    }
    for spot, data in spots.items():
        yield Hostile(f"code as {spot}", data, runs=True)
    partial = name("functools", "partial")
    system = partial + name("os", "mkdir") + b"\x85R" + text(canary) + b"\x85R"
    yield Hostile("partial of code", one_column(system), runs=True)
    new_block = name("pandas.core.internals.blocks", "new_block")
    changed = partial + new_block + b"\x85R(" + name("os", "mkdir") + b")}Ntb" + text(canary) + b"\x85R"
    yield Hostile("partial that becomes one of code", one_column(changed), runs=True)
    yield Hostile(
        "partial without a state", one_column(partial + new_block + b"\x85R" + floats(1, 1) + b"\x85R")
    )
    yield Hostile("object of a function", name("numpy", "dtype") + b")\x81.")
    yield Hostile("a class as data", name("pandas", "DataFrame") + b".")
    evaluated = name("pandas.core.computation.eval", "eval") + text("1") + b"\x85R."
    yield Hostile("pandas' own eval", evaluated)
    yield Hostile("pandas' own read_pickle", name("pandas", "read_pickle") + text("x") + b"\x85R.")
    yield Hostile("a method of a class", b"\x80\x04" + text("pandas") + text("DataFrame.eval") + b"\x93.")


def _places() -> Iterator[Hostile]:
    two, ab = floats(2, 1), labels("a", "b")
    whole = name("builtins", "slice")
    for label, places in {
        "beyond the columns": span(1, 3),
        "far beyond the columns": span(0, 1 << 60),
        "of too few": span(0, 1),
        "of none": span(2, 2),
        "in steps of none": span(0, 2, 0),
        "of text": whole + text("a") + text("b") + b"N\x87R",
        "that are a number": b"K\x00",
        "that are a list": b"](K\x00K\x01e",
        "in an array of floats": floats(2),
        "in an array, negative": array(b"K\x02\x85", dtype("i1", "|"), b"C\x02\x00\xff"),
        "in an array, twice": array(b"K\x02\x85", dtype("i1", "|"), b"C\x02\x00\x00"),
        "in an array, beyond": array(b"K\x02\x85", dtype("i1", "|"), b"C\x02\x00\x02"),
        "in a matrix": array(b"K\x02K\x01\x86", dtype("i1", "|"), b"C\x02\x00\x01"),
    }.items():
        yield Hostile(f"places {label}", frame(block(two, places), ab, rows(1)))
    yield Hostile("a column twice", frame(block(two, span(0, 2)) * 2, ab, rows(1)))
    yield Hostile("a column without values", frame(block(floats(1, 1), span(0, 1)), ab, rows(1)))
    yield Hostile("no column", frame(b"", labels(), rows(1)))
    yield Hostile("no block", frame(b"", ab, rows(1)))
    yield Hostile("a number for a block", frame(b"K\x01", ab, rows(1)))
    yield Hostile("a dict for a block", frame(fields(values=two), ab, rows(1)))
    yield Hostile("no blocks in an old state", old_frame(b"(]]]}" + text("0.14.1") + b"}st"))
    yield Hostile("another old state", old_frame(b"(]]]t"))
    yield Hostile("three axes", one_column(floats(1, 1)).replace(b"e\x86R", b"Ne\x86R"))
    yield Hostile("a frame without blocks", made(name("pandas", "DataFrame"), b"}") + b".")
    yield Hostile("a frame without a state", name("pandas", "DataFrame") + b")\x81.")
    yield Hostile("a frame with a list for a state", made(name("pandas", "DataFrame"), b"]") + b".")
    yield Hostile("a frame with arguments", name("pandas", "DataFrame") + b"K\x01\x85R.")
    yield Hostile("two states", made(made(name("pandas", "DataFrame"), b"}"), b"}"))
    cyclic = name("pandas", "DataFrame") + b")\x81\x94}" + text("_mgr") + b"h\x00sb."
    yield Hostile("a frame within itself", cyclic)


def _sizes() -> Iterator[Hostile]:
    for label, of_rows in {
        "fewer rows": rows(1),
        "a quintillion rows": rows(1 << 60),
        "more rows than integers": INDEX
        + name("pandas", "RangeIndex")
        + fields(name=text("n"), start=b"K\x00", stop=b"\x8a\xc8" + b"\x7f" * 200, step=ONE)
        + b"\x86R",
        "a billion rows with a name": rows(1 << 30, text("n")),
        "negative rows": rows(-5),
        "rows in steps of none": INDEX
        + name("pandas", "RangeIndex")
        + fields(name=b"N", start=b"K\x00", stop=b"K\x02", step=b"K\x00")
        + b"\x86R",
        "labels of other rows": labels("a"),
        "a matrix of rows": labels("a").replace(b"K\x01\x85", b"K\x01K\x01\x86"),
        "no index": b"N",
        "an index of a list": index(b"]K\x01a"),
        "an index of no kind": index(floats(2), name("pandas", "DataFrame")),
    }.items():
        yield Hostile(f"two rows, but {label}", frame(block(floats(1, 2), span(0, 1)), labels("a"), of_rows))
    yield Hostile("a billion labels", frame(block(floats(1, 1), span(0, 1)), rows(1 << 30), rows(1)))
    yield Hostile(
        "labels that are arrays", frame(block(floats(1, 1), span(0, 1)), index(floats(1, 1, 1)), rows(1))
    )
    yield Hostile(
        "labels that are lists", frame(block(floats(1, 1), span(0, 1)), index(objects(b"]Na")), rows(1))
    )
    beyond = array(b"K\x01" + number(1 << 40) + b"\x86", F8, b"C\x08" + bytes(8))
    yield Hostile("a shape beyond its values", one_column(beyond))
    names = labels(*(f"c{at}" for at in range(2000)))
    blocks = block(floats(1, 500_000) + b"\x94", span(0, 1))
    blocks += b"".join(block(b"h\x00", span(at, at + 1)) for at in range(1, 2000))
    yield Hostile("an array of 4 MB as 2000 columns", frame(blocks, names, rows(500_000)))


def _kinds() -> Iterator[Hostile]:
    code = array(b"K\x01\x85", dtype("i1", "|"), b"C\x01\x05")
    categories = made(name("pandas", "CategoricalDtype"), fields(categories=labels("x"), ordered=b"\x89"))
    cycle = made(name("pandas", "CategoricalDtype"), fields(categories=index(code), ordered=b"\x89"))
    times = array(b"K\x01\x85", F8, b"C\x08" + bytes(8))
    masked = name("pandas.arrays", "IntegerArray")
    for label, column in {
        "a number": b"K\x01",
        "a list": b"]K\x01a",
        "nothing": b"N",
        "three dimensions": floats(1, 1, 1),
        "no dimension": array(b")", F8, b"C\x08" + bytes(8)),
        "complex numbers": array(b"K\x01\x85", dtype("c16"), b"C\x10" + bytes(16)),
        "fixed text": array(b"K\x01\x85", dtype("U1", "<", b"NNNK\x04K\x04K\x08"), b"C\x04a\x00\x00\x00"),
        "a frame": name("pandas", "DataFrame") + b")\x81",
        "a code of no category": BACKED
        + name("pandas", "Categorical")
        + b"K\x01("
        + categories
        + code
        + b"t\x87R",
        "no categories": BACKED + name("pandas", "Categorical") + b"K\x01(N" + code + b"t\x87R",
        "categories that are codes": BACKED
        + name("pandas", "Categorical")
        + b"K\x01("
        + cycle
        + code
        + b"t\x87R",
        "times of floats": BACKED + name("pandas.arrays", "DatetimeArray") + b"K\x01(N" + times + b"t\x87R",
        "text of floats": BACKED + name("pandas.arrays", "StringArray") + b"K\x01(N" + times + b"t\x87R",
        "an array of a frame": BACKED + name("pandas", "DataFrame") + b"K\x01(N" + times + b"t\x87R",
        "an array without a state": BACKED + name("pandas.arrays", "StringArray") + b"K\x01N\x87R",
        "an array with an empty state": BACKED + name("pandas.arrays", "StringArray") + b"K\x01)\x87R",
        "a mask of floats": made(masked, fields(_data=times, _mask=times)),
        "a mask of another length": made(
            masked, fields(_data=floats(2), _mask=array(b"K\x01\x85", dtype("b1", "|"), b"C\x01\x00"))
        ),
        "a mask that is a list": made(masked, fields(_data=times, _mask=b"]")),
        "a time zone": name("datetime", "timedelta") + b"K\x00\x85R",
    }.items():
        yield Hostile(f"a column of {label}", one_column(column))
    yield Hostile("a cell that is a frame", one_column(objects(name("pandas", "DataFrame") + b")\x81")))
    yield Hostile("a cell nested deeply", one_column(objects(b"]" * 50 + b"a" * 49)))
    yield Hostile("a list in itself for a cell", one_column(objects(b"]\x94h\x00a")))
    yield Hostile("a dict in itself for a cell", one_column(objects(b"}\x94" + text("k") + b"h\x00s")))
    lists = b"".join(b"](h%ch%ce\x94" % (at, at) for at in range(60))
    yield Hostile("billion laughs in cells", b"(]\x94" + lists + one_column(objects(b"h\x3c"))[:-1] + b"t.")
    long = text("a" * (1 << 20))
    yield Hostile(
        "a text of a megabyte as 2000 cells", one_column(objects(long + b"\x94", *[b"h\x00"] * 1999), 2000)
    )


def _arrow() -> Iterator[Hostile]:
    ends, ab = struct.pack("<qq", 0, 2), buffer(b"ab")
    for label, column in {
        "no kind": arrow("int64[pyarrow]", 1, 0, b"N", buffer(bytes(8))),
        "a list": arrow("list", 1, 0, b"N", buffer(bytes(8))),
        "text without ends": arrow("large_string", 1, 0, b"N", ab),
        "too few ends": arrow("large_string", 2, 0, b"N", buffer(ends), ab),
        "ends beyond the text": arrow("large_string", 1, 0, b"N", buffer(struct.pack("<qq", 0, 99)), ab),
        "ends before the text": arrow("large_string", 1, 0, b"N", buffer(struct.pack("<qq", -9, 2)), ab),
        "ends in no order": arrow("large_string", 2, 0, b"N", buffer(struct.pack("<qqq", 2, 0, 2)), ab),
        "no UTF-8": arrow("large_string", 1, 0, b"N", buffer(ends), buffer(b"\xff\xfe")),
        "a start beyond the ends": arrow("large_string", 1, 5, b"N", buffer(ends), ab),
        "a negative start": arrow("large_string", 1, -1, b"N", buffer(ends), ab),
        "a negative length": arrow("large_string", -1, 0, b"N", buffer(ends), ab),
        "a quintillion texts": arrow("large_string", 1 << 60, 0, b"N", buffer(ends), ab),
        "a start that overflows": arrow("large_string", 1, (1 << 62) - 1, b"N", buffer(ends), ab),
        "a mask that is too short": arrow("large_string", 1, 0, buffer(b""), buffer(ends), ab),
        "numbers that are too short": arrow("int64", 2, 0, b"N", buffer(bytes(8))),
        "truth values that are too short": arrow("bool", 9, 0, b"N", buffer(b"\xff")),
        "buffers of text": arrow("large_string", 1, 0, b"N", text("ab"), text("ab")),
        "buffers of numbers": arrow("large_string", 1, 0, b"N", b"K\x01", b"K\x01"),
        "no buffers": arrow("large_string", 1, 0),
        "children": arrow("large_string", 1, 0, b"N", buffer(ends), ab, children=b"]Na"),
        "a dictionary": arrow("large_string", 1, 0, b"N", buffer(ends), ab, dictionary=b"]"),
    }.items():
        yield Hostile(f"Arrow: {label}", one_column(column))

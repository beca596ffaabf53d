"""Pickles that attack whoever reads them: code to run, memory and time to burn, values to confuse.

Every exploit that runs code makes the folder `canary`, so that a test sees it, and is marked `runs` where the
standard library's `pickle.loads` falls for it.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Hostile:
    """A pickle, and whether `pickle.loads` makes the canary."""

    name: str
    data: bytes
    runs: bool = False


def assert_bite(corpus: Iterable[Hostile], canary: Path) -> None:
    """The standard library falls for every exploit that is marked so: the canary is no dummy."""
    for hostile in corpus:
        if hostile.runs:
            try:
                pickle.loads(hostile.data)  # noqa: S301  our own exploit, which makes a folder
            except Exception as error:  # what it does after it has run is no matter
                last = error
            assert canary.exists(), (hostile.name, last)
            canary.rmdir()


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def name(module: str, attribute: str) -> bytes:
    """GLOBAL, the spelling of protocols 0 to 3."""
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def stack_name(module: str, attribute: str) -> bytes:
    """STACK_GLOBAL, the spelling of protocols 4 and 5."""
    return text(module) + text(attribute) + b"\x93"


def array(shape: bytes, dtype: bytes, payload: bytes) -> bytes:
    """A numpy array of the given state."""
    skeleton = (
        name("numpy._core.multiarray", "_reconstruct") + name("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
    )
    return skeleton + b"(K\x01" + shape + dtype + b"\x89" + payload + b"tb"


def dtype(code: str, order: str = "<", extra: bytes = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00") -> bytes:
    """A numpy dtype of the given state."""
    return name("numpy", "dtype") + text(code) + b"\x89\x88\x87R(K\x03" + text(order) + extra + b"tb"


def scalar(kind: bytes, payload: bytes) -> bytes:
    return name("numpy._core.multiarray", "scalar") + kind + payload + b"\x86R"


def hostile_pickles(canary: str) -> list[Hostile]:
    """The corpus, for a canary folder that does not exist yet."""
    return [
        *_calls(canary),
        *_names(canary),
        *_numpy(canary),
        *_sizes(),
        *_shapes(),
        *_structures(),
        *_garbage(),
    ]


def _calls(canary: str) -> Iterator[Hostile]:
    arguments, mkdir = b"(" + text(canary) + b"t", name("os", "mkdir")
    call = mkdir + arguments + b"R"
    yield Hostile("reduce", call + b".", runs=True)
    yield Hostile("reduce, protocol 0", f"cos\nmkdir\n(V{canary}\ntR.".encode(), runs=True)
    yield Hostile("reduce, os-specific module", name("posix", "mkdir") + arguments + b"R.", runs=True)
    yield Hostile(
        "reduce, STACK_GLOBAL", b"\x80\x04" + stack_name("os", "mkdir") + arguments + b"R.", runs=True
    )
    memo = b"\x80\x04" + text("mkdir") + b"\x94" + text("os") + b"\x94h\x01h\x00\x93" + arguments + b"R."
    yield Hostile("reduce, STACK_GLOBAL from the memo", memo, runs=True)
    yield Hostile("reduce, Python 2 text", b"cos\nmkdir\n(S'" + canary.encode() + b"'\ntR.", runs=True)
    yield Hostile("reduce of a result that is dropped", call + b"0N.", runs=True)
    yield Hostile("reduce of a result that is left below", call + b"N.", runs=True)
    yield Hostile("reduce, then truncated", call, runs=True)
    yield Hostile("reduce inside plain data", b"}" + text("model") + b"]" + call + b"as.", runs=True)
    yield Hostile("reduce as a dict key", b"}" + call + b"Ns.", runs=True)
    yield Hostile("reduce as a tuple item", call + b"\x85.", runs=True)
    yield Hostile("reduce of a number", b"K\x01)R.")
    yield Hostile("reduce without a tuple", name("numpy", "dtype") + b"]R.")
    yield Hostile("inst", b"(" + text(canary) + b"ios\nmkdir\n.", runs=True)
    yield Hostile("obj", b"(" + mkdir + text(canary) + b"o.", runs=True)
    partial = name("functools", "partial")
    state = b"(" + mkdir + text(canary) + b"\x85}Ntb"
    yield Hostile("newobj, build, reduce", partial + mkdir + b"\x85\x81" + state + b")R.", runs=True)
    yield Hostile("newobj_ex, build, reduce", partial + mkdir + b"\x85}\x92" + state + b")R.", runs=True)
    yield Hostile("newobj alone", name("builtins", "object") + b")\x81.")
    yield Hostile("newobj_ex alone", name("builtins", "object") + b")}\x92.")
    yield Hostile("ext1", b"\x80\x02\x82\x01.")
    yield Hostile("ext2", b"\x80\x02\x83\x01\x00.")
    yield Hostile("ext4", b"\x80\x02\x84\x01\x00\x00\x00.")
    yield Hostile("persid", b"Pos.mkdir\n.")
    yield Hostile("binpersid", text(canary) + b"Q.")
    yield Hostile("next_buffer", b"\x80\x05\x97.")
    yield Hostile("readonly_buffer", b"\x80\x05C\x01a\x98.")


# what scanners of pickles have let through, and neighbours of what numpy writes
_NAMES = """
os:system nt:system subprocess:Popen builtins:eval __builtin__:eval builtins:exec builtins:open
builtins:getattr builtins:bytes builtins:complex builtins:set importlib:import_module runpy:run_path
pty:spawn timeit:timeit webbrowser:open marshal:loads pickle:loads _pickle:loads types:CodeType
types:FunctionType operator:attrgetter functools:partial copyreg:_reconstructor copy_reg:add_extension
collections:OrderedDict datetime:datetime _codecs:decode codecs:encode numpy:load numpy:fromfile
numpy:float64 numpy:ndarray.tofile numpy:ndarray.__class__ numpy.core.multiarray:fromfile
numpy.core.multiarray:frombuffer numpy.lib.npyio:load numpy.f2py:compile
numpy._core.multiarray:_reconstruct.__globals__ NUMPY:dtype numpy.dtypes:StringDType
numpy.ma.core:_mareconstruct pandas.core.frame:DataFrame torch._utils:_rebuild_tensor_v2
joblib.numpy_pickle:NumpyArrayWrapper this:s :numpy
"""


def _names(canary: str) -> Iterator[Hostile]:
    for module, attribute in [found.split(":") for found in _NAMES.split()] + [
        ["numpy ", "dtype"],
        ["numpy", ""],
    ]:
        yield Hostile(f"name {module}.{attribute}", name(module, attribute) + b".")
        yield Hostile(f"stack name {module}.{attribute}", b"\x80\x04" + stack_name(module, attribute) + b".")
    path = b"(" + text(canary) + b"t"
    code = b"(" + text(f"__import__('os').mkdir({canary!r})") + b"t"
    yield Hostile("eval", name("builtins", "eval") + code + b"R.", runs=True)
    yield Hostile("eval, Python 2 name", name("__builtin__", "eval") + code + b"R.", runs=True)
    module = name("importlib", "import_module") + text("os") + b"\x85R"
    chain = name("builtins", "getattr") + module + text("mkdir") + b"\x86R"
    yield Hostile("getattr chain", chain + path + b"R.", runs=True)
    yield Hostile("dotted name", b"\x80\x04" + stack_name("os", "path.os.mkdir") + path + b"R.", runs=True)
    run = name("numpy.testing._private.utils", "runstring") + b"(" + text(f"import os; os.mkdir({canary!r})")
    yield Hostile("numpy's own exec", run + b"}tR.", runs=True)
    yield Hostile("stack name of numbers", b"\x80\x04K\x01K\x02\x93.")
    yield Hostile("stack name of a Python 2 str", b"\x80\x04U\x02osU\x05mkdir\x93.")
    yield Hostile("name across truncated lines", b"cos\nmkdir")
    yield Hostile("name beyond ASCII", b"c\xff\xfe\nmkdir\n.")
    yield Hostile("name of a megabyte", b"c" + b"a" * (1 << 20) + b"\nb\n.")
    yield Hostile("a name as data", name("numpy", "ndarray") + b".")
    yield Hostile("a name in a list", b"]" + name("numpy", "dtype") + b"a.")
    yield Hostile("a name in a tuple", name("numpy", "dtype") + b"\x85.")


def _numpy(canary: str) -> Iterator[Hostile]:
    arguments = b"(" + text(canary) + b"t"
    call = name("os", "mkdir") + arguments + b"R"
    one, f8, objects = b"K\x01\x85", dtype("f8"), dtype("O8", "|")
    zeros = b"C\x08" + bytes(8)
    yield Hostile("code in an object array", array(one, objects, b"]" + call + b"a") + b".", runs=True)
    yield Hostile("code as an array's state", array(one, f8, call) + b".", runs=True)
    yield Hostile("code as a shape", array(call, f8, zeros) + b".", runs=True)
    yield Hostile("code as a dtype", array(one, call, zeros) + b".", runs=True)
    yield Hostile("code as a scalar's payload", scalar(f8, call) + b".", runs=True)
    yield Hostile("number in an object array", array(one, objects, b"]K\x01a") + b".")
    yield Hostile("array in an object array", array(one, objects, b"]" + array(one, f8, zeros) + b"a") + b".")
    yield Hostile("name in an object array", array(one, objects, b"]" + name("numpy", "dtype") + b"a") + b".")
    yield Hostile("pointers as an object array", array(one, objects, zeros) + b".")
    yield Hostile("pointers as an object scalar", scalar(objects, zeros) + b".")
    yield Hostile("list as a number array", array(one, f8, b"]K\x01a") + b".")
    yield Hostile("text as an array", array(one, f8, text("\u0100" * 4)) + b".")
    buffer = name("numpy._core.numeric", "_frombuffer")
    yield Hostile("pointers through _frombuffer", buffer + b"(" + zeros + objects + one + b"U\x01CtR.")
    yield Hostile("_frombuffer of another order", buffer + b"(" + zeros + f8 + one + b"U\x01AtR.")
    yield Hostile("_frombuffer of wrong axes", buffer + b"(" + zeros + f8 + one + b"U\x01KK\x07\x85tR.")
    yield Hostile("_frombuffer of list axes", buffer + b"(" + zeros + f8 + one + b"U\x01K]\x85tR.")
    yield Hostile("_frombuffer of a name", buffer + b"(" + name("numpy", "ndarray") + f8 + one + b"U\x01CtR.")
    reconstruct = name("numpy._core.multiarray", "_reconstruct")
    state = b"(K\x01" + one + f8 + b"\x89" + zeros + b"tb."
    for module, kind in (("numpy", "dtype"), ("numpy._core.multiarray", "scalar")):
        another = reconstruct + name(module, kind) + b"K\x00\x85C\x01b\x87R"
        yield Hostile(f"reconstruct {module}.{kind}", another + state)
    yield Hostile("reconstruct a number", reconstruct + b"K\x01K\x00\x85C\x01b\x87R.")
    skeleton = reconstruct + name("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
    yield Hostile("array without a state", skeleton + b".")
    yield Hostile("array without a state in a tuple", skeleton + b"\x85.")
    yield Hostile("array with a dict for a state", skeleton + b"}" + text("__setstate__") + b"Nsb.")
    yield Hostile("array with a short state", skeleton + b"K\x01\x85b.")
    yield Hostile(
        "array with two states", array(one, f8, zeros) + b"(K\x01" + one + f8 + b"\x89" + zeros + b"tb."
    )
    yield Hostile("array within its own state", skeleton + b"\x94(K\x01" + one + objects + b"\x89]h\x00atb.")
    yield Hostile("ndarray called", name("numpy", "ndarray") + one + b"R.")
    yield Hostile("state for a list", b"]}b.")
    yield Hostile("state for a dict", b"}}b.")
    yield Hostile("state for a name", name("numpy", "dtype") + b"}b.")
    yield Hostile("state for text", text("a") + b"}b.")
    yield Hostile("dtype without a state", name("numpy", "dtype") + text("f8") + b"\x89\x88\x87R.")
    yield Hostile("dtype with two states", dtype("f8") + b"(K\x03" + text(">") + b"NNNK\x00K\x00K\x00tb.")
    for code in (
        "V8",
        "M8",
        "m8",
        "f3",
        "f8,f8",
        "O,f8",
        "U99999999999",
        "U999999999",
        "float64",
        "a5",
        "T16",
        "",
    ):
        yield Hostile(f"dtype {code!r}", dtype(code, "|") + b".")
    yield Hostile("dtype of a name", name("numpy", "dtype") + name("numpy", "ndarray") + b"\x89\x88\x87R.")
    yield Hostile("dtype of a number", name("numpy", "dtype") + b"K\x01\x89\x88\x87R.")
    fields = b"N" + text("a") + b"\x85}" + text("a") + f8 + b"K\x00\x86sK\x08K\x01K\x00"
    yield Hostile("dtype with fields", dtype("f8", "|", fields) + b".")
    yield Hostile("dtype with a subarray", dtype("f8", "<", f8 + b"K\x02\x85\x86NNK\x10K\x01K\x00") + b".")
    metadata = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00}" + text("vlen") + call + b"s"
    yield Hostile("dtype with metadata that is code", dtype("f8", "<", metadata) + b".", runs=True)
    yield Hostile("dtype of another size", dtype("f8", "<", b"NNNK\x10K\x08K\x00") + b".")
    yield Hostile("dtype of no order", dtype("f8", "=") + b".")
    yield Hostile("dtype of no order for its size", dtype("f8", "|") + b".")
    encode = name("_codecs", "encode")
    for codec in ("rot13", "zip", "unicode_escape", "idna", "undefined", "Latin1", "utf-8", "this"):
        yield Hostile(f"codec {codec}", encode + text("abc") + text(codec) + b"\x86R.")
    yield Hostile(
        "codec with an error handler", encode + text("abc") + text("latin1") + text("replace") + b"\x87R."
    )
    yield Hostile("codec of text it cannot hold", encode + text("\u0100") + text("latin1") + b"\x86R.")
    yield Hostile("codec of bytes", encode + b"C\x01a" + text("latin1") + b"\x86R.")
    yield Hostile("bytes of a number", name("__builtin__", "bytes") + b"J\xff\xff\xff\x7f\x85R.")
    yield Hostile("truth value of two", array(one, dtype("b1", "|"), b"C\x01\x02") + b".")
    yield Hostile("truth scalar of two", scalar(dtype("b1", "|"), b"C\x01\x02") + b".")
    u1 = dtype("U1", "<", b"NNNK\x04K\x04K\x08")
    yield Hostile("character beyond Unicode", array(one, u1, b"C\x04\x00\x00\x11\x00") + b".")
    yield Hostile("scalar of the wrong size", scalar(f8, b"C\x01a") + b".")
    yield Hostile("scalar of a list", scalar(f8, b"]") + b".")


def _sizes() -> Iterator[Hostile]:
    huge = struct.pack("<Q", 1 << 62)
    for opcode, label in (
        (b"\x8e", "BINBYTES8"),
        (b"\x96", "BYTEARRAY8"),
        (b"\x8d", "BINUNICODE8"),
        (b"\x95", "FRAME"),
    ):
        yield Hostile(f"{label} of 4 EiB", b"\x80\x05" + opcode + huge + b"abc.")
        yield Hostile(f"{label} of all ones", b"\x80\x05" + opcode + b"\xff" * 8 + b"abc.")
    yield Hostile("BINBYTES of 4 GiB", b"B\xff\xff\xff\xffabc.")
    yield Hostile("BINUNICODE of 4 GiB", b"X\xff\xff\xff\xffabc.")
    yield Hostile("BINSTRING of 2 GiB", b"T\xff\xff\xff\x7fabc.")
    yield Hostile("BINSTRING of a negative size", b"T\xff\xff\xff\xffabc.")
    yield Hostile("LONG4 of 2 GiB", b"\x8b\xff\xff\xff\x7fabc.")
    yield Hostile("LONG4 of a negative size", b"\x8b\xff\xff\xff\xffabc.")
    yield Hostile("LONG4 of a megabyte", b"\x8b" + struct.pack("<i", 1 << 20) + b"\x01" * (1 << 20) + b".")
    yield Hostile("INT of a million digits", b"I" + b"9" * 1_000_000 + b"\n.")
    yield Hostile("LONG of a million digits", b"L" + b"9" * 1_000_000 + b"L\n.")
    yield Hostile("FLOAT of a million digits", b"F" + b"9" * 1_000_000 + b"\n.")
    yield Hostile("PUT at 10**1000", b"Np1" + b"0" * 1000 + b"\n.")
    yield Hostile("PUT at -1", b"Np-1\n.")
    yield Hostile("LONG_BINPUT at 2**32 - 1", b"Nr\xff\xff\xff\xff.")
    yield Hostile("GET of nothing", b"g7\n.")
    yield Hostile("LONG_BINGET of nothing", b"j\xff\xff\xff\xff.")
    yield Hostile("MEMOIZE of nothing", b"\x94.")
    yield Hostile("many lists", b"]" * (1 << 16) + b".")
    yield Hostile("many memo entries", b"(N" + b"\x94" * (1 << 16) + b"t")
    parts = text("a" * (1 << 20)) + b"\x94" + text("latin1") + b"\x94"
    again = name("_codecs", "encode") + b"h\x00h\x01\x86R"
    yield Hostile("a megabyte encoded 1000 times", b"(" + parts + again * 1000 + b"t.")
    integers = b"".join(b"J" + struct.pack("<i", i) + b"N" for i in range(1 << 16))
    yield Hostile("keys that can collide", b"}(" + integers + b"u.")
    same_hash = b"".join(
        b"\x8a\x0a" + ((2**61 - 1) * i).to_bytes(10, "little") + b"N" for i in range(1, 1 << 12)
    )
    yield Hostile("keys that do collide", b"}(" + same_hash + b"u.")
    yield Hostile("key that is a float", b"}G?\xf0\x00\x00\x00\x00\x00\x00Ns.")


def _shapes() -> Iterator[Hostile]:
    f8, zeros, big = dtype("f8"), b"C\x08" + bytes(8), b"\x8a\x09" + (1 << 62).to_bytes(9, "little")
    for label, shape, payload in (
        ("larger than its payload", b"K\x02\x85", zeros),
        ("smaller than its payload", b"K\x01\x85", b"C\x10" + bytes(16)),
        ("without a payload", b"K\x01\x85", b"C\x00"),
        ("negative", b"J\xff\xff\xff\xff\x85", zeros),
        ("twice negative", b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86", zeros),
        ("overflowing 64 bits", big + b"K\x04\x86", b"C\x00"),
        ("huge with nothing in it", big + b"K\x00\x86", b"C\x00"),
        ("endless with nothing in it", b"J\x00\x00\x00\x40K\x00\x86", b"C\x00"),
        ("of a truth value", b"\x88\x85", zeros),
        ("of a float", b"G?\xf0\x00\x00\x00\x00\x00\x00\x85", zeros),
        ("of a list", b"]K\x01a\x85", zeros),
        ("of a name", name("numpy", "ndarray") + b"\x85", zeros),
        ("that is a list", b"]K\x01a", zeros),
        ("that is no tuple", b"K\x01", zeros),
        ("of 65 axes", b"(" + b"K\x01" * 65 + b"t", zeros),
    ):
        yield Hostile(f"shape {label}", array(shape, f8, payload) + b".")
    vast = b"\x8a\xfb" + b"\x01" * 251
    yield Hostile(
        "shape beyond C integers with nothing in it", array(vast + b"K\x00\x86", f8, b"C\x00") + b"."
    )
    large = b"B" + struct.pack("<I", 80_000) + bytes(80_000)
    axes = b"(" + b"K\x01" * 64 + b"M" + struct.pack("<H", 10_000) + b"t"
    yield Hostile(
        "shape of many axes beyond C integers", array(b"(" + vast * 63 + b"K\x00t", f8, b"C\x00") + b"."
    )
    for count in (9_999, 10_001):
        one_off = b"M" + struct.pack("<H", count) + b"\x85"
        yield Hostile(f"shape of {count}, 10000 left on disk", array(one_off, f8, large) + b".")
    yield Hostile("shape of 65 axes, left on disk", array(axes, f8, large) + b".")
    empty_text = dtype("U0", "<", b"NNNK\x00K\x04K\x08")
    yield Hostile(
        "shape of a trillion empty texts",
        array(b"\x8a\x06" + (10**12).to_bytes(6, "little") + b"\x85", empty_text, b"C\x00") + b".",
    )
    yield Hostile("object shape larger than its list", array(b"K\x02\x85", dtype("O8", "|"), b"]Na") + b".")


def _structures() -> Iterator[Hostile]:
    deep = 20_000
    yield Hostile("lists nested deeply", b"]" * deep + b"a" * (deep - 1) + b".")
    yield Hostile("tuples nested deeply", b")" + b"\x85" * deep + b".")
    yield Hostile("dicts nested deeply", (b"}" + text("k")) * deep + b"N" + b"s" * deep + b".")
    yield Hostile("marks nested deeply", b"(" * deep + b"t" * deep + b".")
    ladder = b"".join(b"]h" + bytes([i]) + b"a\x94" for i in range(200))
    yield Hostile("shallow parts that add up", b"(]\x94" + ladder + b"t.")
    lists = b"".join(b"](h%ch%ce\x94" % (i, i) for i in range(60))
    tuples = b"".join(b"h%ch%c\x86\x94" % (i, i) for i in range(60))
    yield Hostile("billion laughs of lists", b"(]\x94" + lists + b"t.")
    yield Hostile("billion laughs of tuples", b"()\x94" + tuples + b"t.")
    yield Hostile("billion laughs as a key", b"()\x94" + tuples + b"}h\x3cNst.")
    yield Hostile(
        "a text of a megabyte 1000 times", b"(" + text("a" * (1 << 20)) + b"\x94" + b"h\x00" * 1000 + b"t."
    )
    for opcode, kind in ((b"T", "Python 2 str"), (b"B", "bytes")):
        megabyte = opcode + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
        yield Hostile(f"{kind} of a megabyte 1000 times", b"(" + megabyte + b"\x94" + b"h\x00" * 1000 + b"t.")
    yield Hostile("list in itself", b"]\x94h\x00a.")
    yield Hostile("dict in itself", b"}\x94" + text("k") + b"h\x00s.")
    yield Hostile("tuple in itself through a list", b"]\x94h\x00\x85a.")
    yield Hostile("lists in each other", b"(]\x94]\x94h\x00ah\x00h\x01at.")
    yield Hostile("key twice", b"}" + (text("k") + b"Ns") * 2 + b".")
    yield Hostile("key twice at once", b"}(" + (text("k") + b"N") * 2 + b"u.")
    yield Hostile("keys that are equal", b"}(I01\nNK\x01Nu.")
    yield Hostile("key that is a list", b"}]Ns.")
    yield Hostile("key that is an array", b"}" + array(b")", dtype("f8"), b"C\x08" + bytes(8)) + b"Ns.")
    yield Hostile("key that is a nested tuple", b"}))\x86Ns.")
    yield Hostile("key without a value", b"}(Nu.")
    yield Hostile("append to a tuple", b")Na.")
    yield Hostile("append to a dict", b"}Na.")
    yield Hostile("items for a list", b"]NNs.")
    yield Hostile("append to an array", array(b")", dtype("f8"), b"C\x08" + bytes(8)) + b"Na.")
    yield Hostile("set", b"\x80\x04\x8f(K\x01\x90.")
    yield Hostile("frozenset", b"\x80\x04(K\x01\x91.")
    yield Hostile("bytearray", b"\x80\x05\x96" + struct.pack("<Q", 3) + b"abc.")
    yield Hostile("Python 2 str beyond ASCII", b"U\x01\xff.")
    yield Hostile(
        "large Python 2 str beyond ASCII", b"T" + struct.pack("<i", 1 << 17) + b"\xff" * (1 << 17) + b"."
    )


_GARBAGE = {
    "nothing": b"",
    "a protocol": b"\x80\x04",
    "a protocol of the future": b"\x80\x06N.",
    "a stop": b".",
    "zeros": bytes(1000),
    "gzip": b"\x1f\x8b\x08\x00",
    "a zip file": b"PK\x03\x04",
    "JSON": b'{"a": 1}',
    "two pickles": b"N.N.",
    "a line after the end": b"N.\n",
    "two values": b"NN.",
    "a mark left": b"(N.",
    "a mark missing": b"t.",
    "items missing": b"e.",
    "a pair missing": b"}Ns.",
    "a tuple of one": b"N\x86.",
    "pop": b"NN0.",
    "pop mark": b"N(N1.",
    "dup": b"N2.",
    "INT of letters": b"Iabc\n.",
    "FLOAT of letters": b"Fabc\n.",
    "no UTF-8": b"X\x01\x00\x00\x00\xff.",
    "no quotes": b"Sabc\n.",
    "one quote": b"S'\n.",
    "two kinds of quotes": b"S'a\"\n.",
    "a strange escape": b"S'\\q'\n.",
    "half an escape": b"S'\\x1'\n.",
    "an escaped quote for the end": b"S'\\'\n.",
    "half a unicode escape": b"V\\u12\n.",
    "a line without an end": b"Vabc",
}


def _garbage() -> Iterator[Hostile]:
    for label, data in _GARBAGE.items():
        yield Hostile(f"garbage: {label}", data)

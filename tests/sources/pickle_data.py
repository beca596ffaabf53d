"""What tests of the pickle reader share: comparison all the way down, and files of old versions."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np

from routerset.etl.sources.pickles.reader import ArrayRef

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
Load = Callable[..., object]

PYTHON2 = {  # cPickle of Python 2.7 with numpy 1.16
    0: b"""(dp1
S'model'
p2
(lp3
S'a/b'
p4
aVc\\u20ac
p5
asS'n'
p6
(I1
L12345678901234567890L
F0.5
I01
Ntp7
sS'data'
p8
cnumpy.core.multiarray
_reconstruct
p9
(cnumpy
ndarray
p10
(I0
tp11
S'b'
p12
tp13
Rp14
(I1
(I2
tp15
cnumpy
dtype
p16
(S'f8'
p17
I0
I1
tp18
Rp19
(I3
S'<'
p20
NNNI-1
I-1
I0
tp21
bI00
S"\\x00\\x00\\x00\\x00\\x00\\x00\\xf0?\\x00\\x00\\x00\\x00\\x00\\x00'@"
p22
tp23
bs.""",
    2: b"\x80\x02}q\x01(U\x05modelq\x02]q\x03(U\x03a/bq\x04"
    b"X\x04\x00\x00\x00c\xe2\x82\xacq\x05eU\x01nq\x06(K\x01"
    b"\x8a\x09\xd2\x0a\x1f\xeb\x8c\xa9\x54\xab\x00G?\xe0\x00\x00\x00\x00\x00\x00\x88Ntq\x07U\x04dataq\x08"
    b"cnumpy.core.multiarray\n_reconstruct\nq\x09cnumpy\nndarray\nq\x0aK\x00\x85q\x0bU\x01bq\x0c\x87q\x0dRq\x0e"
    b"(K\x01K\x02\x85q\x0fcnumpy\ndtype\nq\x10U\x02f8q\x11K\x00K\x01\x87q\x12Rq\x13(K\x03U\x01<q\x14NNN"
    b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x15b\x89U\x10\x00\x00\x00\x00\x00\x00\xf0?\x00\x00\x00\x00\x00\x00'@"
    b"q\x16tq\x17bu.",
}


def whole(value: object) -> object:
    """The data with every array that was left on disk loaded."""
    if isinstance(value, ArrayRef):
        return value.load()
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return type(value)(map(whole, value)) if isinstance(value, list | tuple) else value


def same(found: object, expected: object) -> bool:
    """Equal in types, values (NaN too), dtypes and memory order, all the way down."""
    if type(found) is not type(expected):
        return False
    if isinstance(expected, np.ndarray):
        return (
            (found.dtype, found.shape) == (expected.dtype, expected.shape)
            and found.flags.c_contiguous == expected.flags.c_contiguous
            and (
                found.tolist() == expected.tolist()
                if expected.dtype == object
                else found.tobytes() == expected.tobytes()
            )
        )
    if isinstance(expected, np.generic):
        return found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    return repr(found) == repr(expected)

"""Preloaded into Dask workers: reading wide dumps goes wrong as an environment variable says.

ROUTERSET_TEST_FAULTS is a JSON object. `hold`: one file is read, and the others once this path exists.
`sleep`: seconds before every file. `eat`: megabytes to take before every file. `once`: eat one time only, and
create this path.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from routerset.etl.sources.base import Dump, Reading, SourceSpec
from routerset.etl.sources.registry import SOURCES

FAULTS = json.loads(os.environ["ROUTERSET_TEST_FAULTS"])
SOUND = SOURCES["wide"]


def read(dump: Dump, spec: SourceSpec) -> Iterator[Reading]:
    """Readings of a dump, after what shall go wrong."""
    if "hold" in FAULTS and not first(FAULTS["hold"] + ".first"):
        while not Path(FAULTS["hold"]).exists():
            time.sleep(0.05)
    time.sleep(FAULTS.get("sleep", 0))
    if "eat" in FAULTS and ("once" not in FAULTS or first(FAULTS["once"])):
        eaten = [bytearray(os.urandom(1)) * (1 << 20) for _ in range(FAULTS["eat"])]
        time.sleep(30)  # a nanny looks ten times a second
        del eaten
    return SOUND.read(dump, spec)


def first(path: str) -> bool:
    """Whether this call created the file: true once, whatever the number of workers."""
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


SOURCES["wide"] = replace(SOUND, read=read)

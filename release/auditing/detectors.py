"""Every question that the audit answers, in the order in which it tells."""

from __future__ import annotations

from routerset.release.auditing import dominance, duplicates, headroom, items, models, redundancy, specialists
from routerset.release.auditing.finding import Detector

DETECTORS: dict[str, Detector] = {
    detector.name: detector
    for detector in (
        headroom.HEADROOM,
        headroom.SIGNAL,
        headroom.FEW_MODELS,
        specialists.DETECTOR,
        dominance.DETECTOR,
        models.TWINS,
        models.LIKENESS,
        duplicates.DETECTOR,
        redundancy.DETECTOR,
        items.NOISE,
        items.SOLVED,
        items.ANSWERS,
    )
}
"""Registry: one row here adds a detector."""

"""Which model is meant, where its weights are, and what their headers say. Nothing here loads weights."""

from pytest_slm.models.choose import check_served, locate, select, variants
from pytest_slm.models.derive import best_source, derive, type_named
from pytest_slm.models.detect import (
    check_declared,
    check_quantization,
    check_writes,
    detect,
    differences,
    known_sha256,
    too_large,
)
from pytest_slm.models.missing import arriving, free, missing
from pytest_slm.models.resolve import SERVED, resolve

__all__ = [
    "SERVED",
    "arriving",
    "best_source",
    "check_declared",
    "check_quantization",
    "check_served",
    "check_writes",
    "derive",
    "detect",
    "differences",
    "free",
    "known_sha256",
    "locate",
    "missing",
    "resolve",
    "select",
    "too_large",
    "type_named",
    "variants",
]

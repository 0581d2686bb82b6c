"""Which model is meant, where its weights are, and what their headers say. Nothing here loads weights."""

from pytest_slm.models.choose import locate, select
from pytest_slm.models.detect import check_declared, check_quantization, detect, too_large
from pytest_slm.models.resolve import resolve

__all__ = ["check_declared", "check_quantization", "detect", "locate", "resolve", "select", "too_large"]

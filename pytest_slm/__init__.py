"""Measure small language models with pytest: how good, how fast and how safe, in every quantization."""

from pytest_slm.api import measure

__all__ = ["measure"]
__version__ = "0.1.0"

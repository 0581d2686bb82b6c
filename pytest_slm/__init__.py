"""Measure small language models with pytest: how good, how fast and how safe, in every quantization."""

__version__ = "0.1.0"

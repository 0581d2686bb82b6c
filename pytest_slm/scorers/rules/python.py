"""A function of the user's own, in a file of the suite's folder.

It is run as a ``conftest.py`` there is: by a session of pytest that was pointed at the folder, and by nothing else.
While a suite is collected, listed or checked its file is read and not run.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.errors import ScoringError
from pytest_slm.files import MIB, inside, read_bytes
from pytest_slm.scorers import Rule, Setting
from pytest_slm.scorers.answer import too_long


@dataclass(frozen=True, kw_only=True)
class PythonOptions(Record):
    """``file`` in the suite's folder, and the name of a ``function`` in it: ``(sample, generation)`` to a ``Verdict``,
    True or False, a share from 0 to 1, or None where there is no score."""

    file: str
    function: str = "score"


@dataclass(frozen=True, kw_only=True)
class OwnFunction:
    """The function: where it is, and the hash of its file. It is imported when it is first called."""

    path: Path
    name: str
    sha256: str
    _loaded: list[Callable[[Sample, Generation], Any]] = field(default_factory=list)

    def load(self) -> Callable[[Sample, Generation], Any]:
        """Import the file. Raises ScoringError, with the place, where that fails."""
        if not self._loaded:
            module_name = f"slm_scorer_{self.sha256[:16]}"
            spec = importlib.util.spec_from_file_location(module_name, self.path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[module_name] = module  # dataclasses look themselves up there
            try:
                spec.loader.exec_module(module)
                self._loaded.append(getattr(module, self.name))
            except (Exception, SystemExit) as error:  # the user's own code: whatever it raises is told with its file
                del sys.modules[module_name]
                raise ScoringError(f"{self.path}: cannot be imported ({type(error).__name__}: {error})") from error
        return self._loaded[0]


def prepare(options: PythonOptions, setting: Setting) -> OwnFunction:
    """Find the function without running anything. Raises RecordError where it is not there."""
    try:
        path = inside(setting.folder, options.file)
        data = read_bytes(path, MIB)
    except OSError as error:
        raise RecordError(f"file: {options.file!r:.80} cannot be read ({error.strerror})") from None
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        raise RecordError(f"file: {options.file}:{line}: no valid Python ({getattr(error, 'msg', error)})") from None
    found = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == options.function]
    if not found:
        names = [one.name for one in tree.body if isinstance(one, ast.FunctionDef)]
        known = f"it has {', '.join(names)}" if names else "it has none"
        raise RecordError(f"function: {options.file} has no function {options.function!r:.80}; {known:.200}")
    takes = found[-1].args
    least = len(takes.posonlyargs) + len(takes.args) - len(takes.defaults)
    if least > 2 or (len(takes.posonlyargs) + len(takes.args) < 2 and takes.vararg is None):
        raise RecordError(
            f"function: {options.function!r:.80} takes no two arguments; write it as (sample, generation)"
        )
    return OwnFunction(path=path, name=options.function, sha256=hashlib.sha256(data).hexdigest())


def python(sample: Sample, generation: Generation, own: OwnFunction) -> Verdict:
    """What the user's function says. What it raises is an error of the item, since it says nothing about the model."""
    if odd := too_long(generation):
        return odd
    text = generation.text
    said = own.load()(sample, generation)
    if isinstance(said, Verdict):
        return said
    if said is None:
        return Verdict(value=None, answer=text.strip()[:200], explanation=f"{own.name} gave no score")
    if isinstance(said, bool | int | float) and math.isfinite(said) and 0 <= said <= 1:
        return Verdict(value=float(said), answer=text.strip()[:200], explanation=f"{own.name} says {said!r}")
    raise ScoringError(
        f"{own.path}: {own.name} returned {said!r:.80}; expected a Verdict, True, False, a number from 0 to 1, or None"
    )


def identity(own: OwnFunction) -> Mapping[str, Any]:
    """The hash of the code that judged."""
    return {"scorer_sha256": own.sha256}


PYTHON = Rule(
    judge=python,
    options=PythonOptions,
    prepare=prepare,
    ready=lambda own: own.load() and None,
    identity=identity,
    own_code=lambda _own: True,
)

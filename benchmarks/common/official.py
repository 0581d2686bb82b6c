"""BFCL's own package, asked in an environment that has it and little else."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_slm.data.packages import Package, fetch

WITH = ("mpmath==1.3.0", "rank_bm25==0.2.2", "numpy==1.26.4", "overrides", "filelock")
"""What its classes of tools import, of the 30 packages that it wants."""


def ask(worker: Path, asked: Any, package: Package, python: str | None) -> Any:
    """What a worker makes of a document; ``python`` names an interpreter that has the package, else one is made."""
    with tempfile.TemporaryDirectory() as folder:
        interpreter = python or _environment(Path(folder), package)
        done = subprocess.run(
            [interpreter, str(worker)], input=json.dumps(asked), capture_output=True, text=True, check=False
        )
    if done.returncode:
        sys.exit(f"BFCL's own code failed: {done.stderr[-500:]}")
    return json.loads(done.stdout)


def _environment(folder: Path, package: Package, more: Sequence[str] = WITH) -> str:
    if (problem := fetch(package, lambda _line: None)) is not None:
        raise problem
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    wheel = folder / f"{package.name.replace('-', '_')}-{package.version}-py3-none-any.whl"
    wheel.write_bytes(package.path.read_bytes())
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel), *more], check=True)
    return python

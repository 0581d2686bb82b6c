"""A notebook, executed from the first cell to the last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_slm.docs_checks.config import DocsConfig
from pytest_slm.docs_checks.findings import DocsError, Finding
from pytest_slm.errors import NotAvailableError
from pytest_slm.files import read_text


def run_notebook(path: Path, shown: str, config: DocsConfig, folder: Path) -> None:
    """Execute it in ``folder``; the file is not changed. Raises DocsError with the line in the file."""
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    except ImportError as error:
        problem = f"{shown}: needs {error.name}: pip install 'pytest-slm[docs]'"
        raise NotAvailableError(problem, slug="docs-needs") from None
    text = ""
    try:
        text = read_text(path)
        book = nbformat.reads(text, as_version=4)
        nbformat.validate(book)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise DocsError([Finding(path=shown, line=1, problem=f"no notebook: {error!s:.300}")]) from None
    client: Any = NotebookClient(
        book, timeout=config.notebook_seconds, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    place = [0]
    client.on_cell_start = lambda cell, cell_index: place.__setitem__(0, cell_index)
    try:
        client.execute()
    except CellExecutionError as error:
        problem = f"cell {place[0] + 1}: {error.ename}: {error.evalue}"
    except CellTimeoutError:
        problem = f"cell {place[0] + 1}: was not done after {config.notebook_seconds:g} s"
    except DeadKernelError:
        problem = f"cell {place[0] + 1}: its kernel died"
    else:
        return
    raise DocsError([Finding(path=shown, line=_line(text, book.cells, place[0]), problem=problem)])


def _line(text: str, cells: Any, place: int) -> int:
    """The line of the file where a cell's source begins."""
    at = 0
    for cell in cells[: place + 1]:
        first = str(cell.source).split("\n", 1)[0]
        found = text.find(json.dumps(first, ensure_ascii=False)[1:-1], at)
        found = text.find(json.dumps(first)[1:-1], at) if found < 0 else found
        at = found if found >= 0 else at
        line = text.count("\n", 0, at) + 1
        at += 1
    return line

"""Files for the loaders."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_slm.core.types import Suite, SuiteFacts, Task
from pytest_slm.load import load_task

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write text (or bytes) to a file and give its path back."""

    def write(content: str | bytes, name: str = "task.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def task(write: Write) -> Callable[[str], Task]:
    """Load a task of the suite ``rag`` from text."""
    return lambda text: load_task(write(text, "niah.yaml"), Suite(name="rag", facts=SuiteFacts.of("rag")))

"""A page as a story: its fences in their order, in one folder, the Python of all of them in one process."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_slm.docs_checks.code.fences import Block
from pytest_slm.docs_checks.config import DocsConfig
from pytest_slm.docs_checks.findings import DocsError, Finding
from pytest_slm.errors import NotAvailableError
from pytest_slm.files import inside
from pytest_slm.guest import Guest

PROGRAM = Path(__file__).parent / "guest.py"
LONGEST = 200_000
TOLD = 2000
"""Letters of a command's output that an error quotes."""


class Story:
    """Runs the fences of one page. A fence runs once, behind those before it."""

    def __init__(self, shown: str, blocks: Sequence[Block], config: DocsConfig, folder: Callable[[], Path]) -> None:
        self._shown, self.blocks, self._config, self._make_folder = shown, tuple(blocks), config, folder
        self._outcomes: list[Exception | None] = []
        self._printed = ""
        self._guest: Guest | None = None
        self._ended = 0
        """The line of the fence with which the process ended: what comes behind it lacks its names."""
        self._folder: Path | None = None

    def run(self, place: int) -> None:
        """Run the fence of that place, and first all before it. Raises DocsError for one that fails, NotAvailableError
        for one that needs what is not installed."""
        while len(self._outcomes) <= place:
            try:
                self._run(self.blocks[len(self._outcomes)])
            except (DocsError, NotAvailableError) as error:
                self._outcomes.append(error)
            else:
                self._outcomes.append(None)
        before = [error for error in self._outcomes[:place] if error is not None]
        own = self._outcomes[place]
        if own is not None:
            if before and isinstance(before[0], NotAvailableError):
                raise NotAvailableError(f"a fence before it: {before[0].args[0]}", slug="docs-needs")
            raise own

    def close(self) -> None:
        """End its process."""
        if self._guest is not None:
            self._guest.close()
            self._guest = None

    @property
    def folder(self) -> Path:
        """Where the page's commands run."""
        if self._folder is None:
            self._folder = self._make_folder()
        return self._folder

    def _fail(self, line: int, problem: str) -> DocsError:
        return DocsError([Finding(path=self._shown, line=line, problem=problem)])

    def _run(self, block: Block) -> None:
        missing = [name for name in block.needs if importlib.util.find_spec(name) is None]
        if missing:
            raise NotAvailableError(f"{self._shown}:{block.line}: needs {', '.join(missing)}", slug="docs-needs")
        if "file" in block.marks:
            self._write(block)
        elif block.kind == "python":
            self._python(block)
        elif block.kind == "shell" and "run" in block.marks:
            self._shell(block)
        elif block.kind == "output":
            self._compare(block)

    def _write(self, block: Block) -> None:
        try:
            path = inside(self.folder, block.marks["file"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        except OSError as error:
            raise self._fail(block.line, f"file={block.marks['file']}: {error.strerror or error}") from None

    def _python(self, block: Block) -> None:
        if self._ended:
            raise self._fail(block.line, f"the process of this page has ended in line {self._ended}")
        if self._guest is None:
            memory = self._config.memory_mb << 20
            self._guest = Guest(PROGRAM, memory, longest=LONGEST, environment=_environment(), quiet=True)
        order = {"folder": str(self.folder), "path": self._shown, "line": block.line, "text": block.text}
        self._guest.tell(order)
        answer = self._guest.line(block.seconds(self._config.fence_seconds))
        if not answer:
            self._ended = block.line
            raise self._fail(block.line, f"its process {self._guest.ended}")
        told = json.loads(answer)
        self._printed = told["said"]
        if told["error"]:
            raise self._fail(told["line"], told["error"])

    def _shell(self, block: Block) -> None:
        bash = shutil.which("bash")
        if bash is None:
            raise NotAvailableError(f"{self._shown}:{block.line}: needs bash", slug="docs-needs")
        seconds = block.seconds(self._config.fence_seconds)
        traced = "trap 'echo \"$LINENO\" >&3' ERR\n" + block.text
        log = self.folder / ".failed-line"
        command = ["bash", "-euo", "pipefail", "-c", f"exec 3>{log.name}\n{traced}"]
        with subprocess.Popen(
            command,
            executable=bash,
            cwd=self.folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                said, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                raise self._fail(block.line, f"was not done after {seconds:g} s, so it was ended") from None
        failed = log.read_text("utf-8").split() if log.exists() else []
        log.unlink(missing_ok=True)
        self._printed = said
        if process.returncode:
            line = block.line + max(0, int(failed[-1]) - 3) if failed else block.line
            raise self._fail(line, f"ended with exit code {process.returncode}: {said[-TOLD:].strip()}")

    def _compare(self, block: Block) -> None:
        wanted, got = block.text.strip(), self._printed.strip()
        pattern = ".*?".join(map(re.escape, wanted.split("...")))
        if not re.fullmatch(pattern, got, re.DOTALL):
            raise self._fail(block.line, f"the fence before it printed {got[:TOLD]!r}, not this")


def _environment() -> dict[str, str]:
    """Ours, with the programs of this Python first, and without what would change the words of programs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    folders = (str(Path(sys.executable).parent), kept.get("PATH", os.defpath))
    paths = [str(Path(place).resolve()) for place in kept.get("PYTHONPATH", "").split(os.pathsep) if place]
    more = {"PATH": os.pathsep.join(folders), "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "COLUMNS": "100"}
    if paths:
        more["PYTHONPATH"] = os.pathsep.join(paths)
    return {**kept, **more}

"""What a fence says about itself: its language, and whether and how it is run.

```python                                run, in order, in one process for the page
```python needs="transformers,torch"     run where these can be imported
```sh run                                run by bash, in the page's folder
```sh not-run="needs a Raspberry Pi"     not run, and the page says why
```yaml file="suites/mine/suite.yaml"    checked, and written into the page's folder
```text output                           what the fence before it has printed; ... stands for anything
"""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_slm.docs_checks.markdown import Fence
from pytest_slm.docs_checks.yaml_text import read_yaml
from pytest_slm.files import parse_json

PYTHON = ("python", "py")
SHELL = ("sh", "bash", "shell", "console")
PLAIN = ("text", "")
DATA = ("json", "jsonl", "yaml", "toml")
KEYS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(PYTHON, ("needs", "seconds", "file")),
    **dict.fromkeys(SHELL, ("run", "not-run", "needs", "seconds")),
    **dict.fromkeys(PLAIN, ("output",)),
    **dict.fromkeys(DATA, ("file",)),
}
OTHER = ("not-run", "file")
"""Of languages that nothing here can run."""


class FenceError(ValueError):
    """A fence that cannot be meant."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fence that is understood."""

    line: int
    language: str
    text: str
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """``python``, ``shell``, ``data``, ``output``, ``plain`` or ``other``."""
        if self.language in PLAIN:
            return "output" if "output" in self.marks else "plain"
        groups = {"python": PYTHON, "shell": SHELL, "data": DATA}
        return next((name for name, languages in groups.items() if self.language in languages), "other")

    @property
    def needs(self) -> tuple[str, ...]:
        """Modules without which it cannot run."""
        return tuple(name.strip() for name in self.marks.get("needs", "").split(",") if name.strip())

    def seconds(self, usual: float) -> float:
        """How long it may run."""
        return float(self.marks["seconds"]) if "seconds" in self.marks else usual


def read_only(fence: Fence) -> Block:
    """The fence of a page that is not run: its language alone counts."""
    words = fence.info.split()
    return Block(line=fence.line, language=words[0] if words else "", text=fence.text)


def check_python(block: Block) -> tuple[int, str] | None:
    """What no Python understands in a fence, and in which of its lines; None if all is well."""
    try:
        ast.parse(block.text)
    except (SyntaxError, ValueError) as error:
        return getattr(error, "lineno", None) or 1, f"no valid Python: {error}"
    return None


def understand(fence: Fence) -> Block:
    """The fence's marks. Raises FenceError."""
    try:
        language, *words = shlex.split(fence.info) or [""]
    except ValueError as error:
        raise FenceError(f"its marks cannot be read ({error})") from None
    marks: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        known = KEYS.get(language, OTHER)
        if key not in known:
            raise FenceError(f"a fence of {language or 'text'} has no mark {key!r}; it may have {', '.join(known)}")
        marks[key] = value
    block = Block(line=fence.line, language=language, text=fence.text, marks=marks)
    if "seconds" in marks and not re.fullmatch(r"\d{1,4}(\.\d+)?", marks["seconds"]):
        raise FenceError(f"seconds={marks['seconds']!r} is no time")
    if block.kind in ("shell", "other") and marks.get("not-run") == "":
        raise FenceError('say why it was not run: not-run="needs a GPU"')
    if block.kind == "shell" and ("run" in marks) == ("not-run" in marks):
        raise FenceError('shell is either run or says where it was not: mark it run, or not-run="reason"')
    if block.kind == "other" and "file" not in marks and "not-run" not in marks:
        raise FenceError(f'{language} is not run here: say not-run="reason"')
    return block


def check_data(block: Block) -> tuple[int, str] | None:
    """What is wrong with a fence of data, and in which of its lines, from 1 on; None if nothing is."""
    if block.language == "yaml":
        _, problem = read_yaml(block.text)
        return problem
    try:
        if block.language == "toml":
            tomllib.loads(block.text)
        else:
            for text in block.text.splitlines() if block.language == "jsonl" else [block.text]:
                parse_json(text)
    except ValueError as error:
        found = re.search(r"line (\d+)", str(error))
        return (int(found.group(1)) if found else 1), f"no valid {block.language.upper()}: {error}"
    return None

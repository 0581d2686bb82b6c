"""Answers that are programs: found in what a model wrote, run in the sandbox and nowhere else, right if all of their
tests pass.

The code of an answer in a chat stands in blocks of Markdown. They are found line by line and not with a parser of
Markdown, since models break its rules in ways that are still clear: a fence indented by four spaces, a block in a list
whose lines are not indented, a fence that is never closed (decision 0023).
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.core.request import Trial
from pytest_slm.core.types import JudgedSample, Verdict
from pytest_slm.scorers.call_values import LONGEST_PROGRAM, statements

_OPEN = re.compile(
    r"(?P<lead>[ \t]*+(?:>[ \t]?)*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)?[ \t]*+)(?P<fence>`{3,}+|~{3,}+)(?P<info>.*)"
)
_QUOTE = re.compile(r"[ \t]{0,3}>[ \t]?")
_PYTHON = re.compile(r"(?:\{?[ .]*(?:python|py|pycon|ipython|sage)[\d.]*\b|\Z)", re.IGNORECASE)
_FUTURE = re.compile(r"^from __future__ import .*\n?", re.MULTILINE)
_CODE = re.compile(r"^(?:def|async def|class|import|from|@)\b", re.MULTILINE)
_TRIES, _QUOTED = 8, 9


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block: what stands behind its fence, its lines, and whether it ends before the answer does."""

    info: str
    code: str
    closed: bool

    @property
    def is_python(self) -> bool:
        """Whether it may be Python, by the name of its language."""
        return _PYTHON.match(self.info.strip()) is not None


def code_blocks(text: str) -> list[CodeBlock]:
    """The fenced blocks of a text, in order; one that an answer was cut off in ends with the answer."""
    blocks: list[CodeBlock] = []
    opened: re.Match[str] | None = None
    lines: list[str] = []
    for line in re.split(r"\r\n|\r|\n", text):
        if opened is None:
            found = _OPEN.fullmatch(line)
            if found and not (found["fence"][0] == "`" and "`" in found["info"]):
                opened, lines = found, []
        elif _closes(opened, line):
            blocks.append(CodeBlock(opened["info"], "".join(f"{one}\n" for one in lines), True))
            opened = None
        else:
            lines.append(_content(opened, line))
    if opened is not None:
        blocks.append(CodeBlock(opened["info"], "\n".join(lines), False))
    return blocks


def _closes(opened: re.Match[str], line: str) -> bool:
    content = _content(opened, line)
    fence = content.strip()
    # Further to the right it is a part of the block: a fence in a docstring.
    near = len(content) - len(content.lstrip()) <= 3
    return near and len(fence) >= len(opened["fence"]) and not fence.strip(opened["fence"][0])


def _content(opened: re.Match[str], line: str) -> str:
    """A line of a block without what the block is in: the marks of a quotation, the indentation of a list."""
    lead = opened["lead"]
    for _ in range(min(lead.count(">"), _QUOTED)):
        line = _QUOTE.sub("", line, count=1) if _QUOTE.match(line) else line
    width = len(lead.rpartition(">")[2].removeprefix(" ")) if ">" in lead else len(lead)
    return line[min(width, len(line) - len(line.lstrip(" \t"))) :]


def program_of(text: str, prompt: str, name: str) -> str:
    """The program in an answer of a chat to a prompt that asks for the function ``name``.

    The last block that defines the function counts, of those that are whole. To it belong the imports and helpers of
    the prompt, and those of the answer's other blocks. A block without the function is what comes behind the prompt.
    """
    blocks = code_blocks(text)
    levels = (blocks, [inner for block in blocks for inner in code_blocks(block.code)])  # in a block of Markdown, say
    for level in levels:
        whole = [code for block in level if (code := _whole(block)) is not None and _defines(code, name)]
        if whole:
            others = [block.code for block in level if block.is_python and not _defines(block.code, name)]
            return _joined(prompt, name, [*filter(_helps, others), whole[-1]])
    broken = [block.code for block in blocks if _defines(block.code, name)]
    code = broken[-1] if broken else _bare_code(text)
    if _defines(code, name):
        return _joined(prompt, name, [code])
    body = next((block.code for block in blocks if block.is_python), blocks[0].code if blocks else text)
    if body.strip() and not body.lstrip("\r\n")[:1].isspace():
        body = textwrap.indent(body, "    ")
    return f"{prompt}{body}\n"


def _whole(block: CodeBlock) -> str | None:
    """The code of a block if it is whole; of one that was cut off, its whole statements."""
    code = block.code if block.code[:1].strip() else textwrap.dedent(block.code)
    if statements(textwrap.dedent(code)) is not None:
        return code
    return None if block.closed else _bare_code(code)


def _joined(prompt: str, name: str, parts: Sequence[str]) -> str:
    """One module of what stands before the function in the prompt, and these parts."""
    before = re.search(rf"^(?:@.*\n)*+(?:async )?def {re.escape(name)}\(", prompt, re.MULTILINE)
    module = "\n".join(filter(str.strip, [prompt[: before.start()] if before else "", *parts]))
    futures = "".join(f"{found[0].rstrip()}\n" for found in _FUTURE.finditer(module))
    return futures + _FUTURE.sub("", module) if futures else module


def _defines(code: str, name: str) -> bool:
    """Whether code, whole or broken, defines a function at its top level."""
    code = textwrap.dedent(code)
    body = statements(code)
    if body is None:
        return re.search(rf"^(?:async )?def {re.escape(name)}\s*\(", code, re.MULTILINE) is not None
    return name in _names(body)


def _names(body: Iterable[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _helps(code: str) -> bool:
    """Whether code only imports and defines: an example of how to use the function does more."""
    body = statements(textwrap.dedent(code))
    defining = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return bool(body) and all(
        isinstance(node, defining) or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant))
        for node in body or ()
    )


def _bare_code(text: str) -> str:
    """The code of an answer without fences: from the first line that begins a definition, to where it is none."""
    begun = _CODE.search(text)
    lines = text[begun.start() :].splitlines(keepends=True) if begun else []
    for _ in range(_TRIES):
        code = "".join(lines)[:LONGEST_PROGRAM]
        try:
            ast.parse(code)
        except SyntaxError as error:
            last = min(error.lineno or 0, len(lines)) - 1
            # The line that is no code, and what stands before it in the same statement.
            while last > 0 and (not lines[last].strip() or lines[last][0].isspace()):
                last -= 1
            lines = lines[: max(0, last)]
        except (ValueError, RecursionError, MemoryError):
            return ""
        else:
            return code
    return ""


def try_program(program: str, tests: str, given: str = "", entry_point: str = "") -> Generator[Trial, Any, Verdict]:
    """The part of a conversation in which a program meets its tests; see `Trial`."""
    outcome = yield Trial(program=program, tests=tests, given=given, entry_point=entry_point)
    printed = f"; it printed, last: {outcome.output[-200:]!r}" if outcome.output else ""
    return Verdict(
        value=float(outcome.passed),
        answer=program,
        explanation=f"{outcome.ending}: {outcome.explanation}{printed}",
        details={"ending": outcome.ending, "work": outcome.work},
    )


def endings(judged: Iterable[JudgedSample]) -> dict[str, int]:
    """How the programs ended, in number."""
    return dict(sorted(Counter(str(one.verdict.details["ending"]) for one in judged).items()))

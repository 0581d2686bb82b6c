"""The program that runs the Python of a page, fence by fence, in a process of its own: see ``story.py``.

Nothing imports it. One JSON line in (``folder``, ``path``, ``line``, ``text``), one out: ``said``, what it has printed,
and ``error`` with its ``line``, both null where all went well.
"""

from __future__ import annotations

import code
import contextlib
import io
import json
import linecache
import os
import sys
import traceback
from typing import Any

LONGEST = 20_000


class Interpreter(code.InteractiveInterpreter):
    """Names stay from fence to fence; an error is kept instead of printed."""

    error: BaseException | None = None

    def showtraceback(self) -> None:
        """What ``runcode`` calls behind an error."""
        self.error = sys.exc_info()[1]


def run(interpreter: Interpreter, order: dict[str, Any]) -> dict[str, Any]:
    """The answer to one order."""
    path, before = order["path"], "\n" * (order["line"] - 1)
    source = before + order["text"]
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    said = io.StringIO()
    interpreter.error = None
    try:
        program = compile(source, path, "exec")
        with contextlib.redirect_stdout(said):
            interpreter.runcode(program)
    except SyntaxError as error:
        interpreter.error = error
    except SystemExit as error:
        interpreter.error = error if error.code else None
    failure, line = interpreter.error, None
    if isinstance(failure, SyntaxError):
        line = failure.lineno
    elif failure is not None:
        lines = [frame.lineno for frame in traceback.extract_tb(failure.__traceback__) if frame.filename == path]
        line = lines[-1] if lines else None
    told = None if failure is None else "".join(traceback.format_exception_only(failure)).strip()
    return {"said": said.getvalue()[-LONGEST:], "error": told and told[-LONGEST:], "line": line or order["line"]}


def main() -> None:
    """Answer orders until there are no more. What the page's own children print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    interpreter = Interpreter({"__name__": "__main__"})
    sys.path.insert(0, "")
    for text in sys.stdin:
        order = json.loads(text)
        os.chdir(order["folder"])
        answers.write(json.dumps(run(interpreter, order)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

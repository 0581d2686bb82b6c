"""The program in an answer of a chat: which block it is, however it is fenced, and what belongs to it."""

from __future__ import annotations

import random

import pytest

from pytest_slm.kinds.programs import code_blocks, program_of

PROMPT = 'def double(n: int) -> int:\n    """Return n twice."""\n'
CODE = "def double(n):\n    return 2 * n\n"
DRAFT = "def double(n):\n    return n ** 2\n"


def value(text: str, prompt: str = PROMPT, call: str = "double(21)") -> object:
    """What the answer's function returns; these programs are ours, so that they need no sandbox."""
    program = program_of(text, prompt, "double")
    names: dict[str, object] = {}
    try:
        exec(compile(f"{program}\nfound = {call}", "answer", "exec"), names)
    except Exception as error:
        return f"{type(error).__name__}: {error} in {program!r}"
    return names["found"]


def fenced(code: str, fence: str = "```", info: str = "python", indent: str = "") -> str:
    return "".join(f"{indent}{line}\n" for line in [f"{fence}{info}", *code.splitlines(), fence])


ANSWERS = {
    "a fence": fenced(CODE),
    "prose around it": f"Sure!\n\n{fenced(CODE)}\nIt doubles n.",
    "no language": fenced(CODE, info=""),
    "a space before the language": fenced(CODE, info=" python"),
    "more behind the language": fenced(CODE, info='python title="double.py" linenums'),
    "attributes": fenced(CODE, info="{.python .numberLines}"),
    "python3": fenced(CODE, info="python3"),
    "capitals": fenced(CODE, info="Python"),
    "a wrong language": fenced(CODE, info="c++"),
    "four backticks": fenced(CODE, "````"),
    "tildes": fenced(CODE, "~~~"),
    "many tildes": fenced(CODE, "~~~~~~"),
    "a longer fence at the end": f"```python\n{CODE}`````\n",
    "space behind the fence": f"```python  \n{CODE}```   \n",
    "line ends of Windows": fenced(CODE).replace("\n", "\r\n"),
    "old line ends": fenced(CODE).replace("\n", "\r"),
    "indented by three": fenced(CODE, indent="   "),
    "indented by four": fenced(CODE, indent="    "),
    "indented by a tab": fenced(CODE, indent="\t"),
    "only the fence indented": f"  ```python\n{CODE}  ```\n",
    "a list": f"1. Here it is:\n\n{fenced(CODE, indent='   ')}\n2. Use it.",
    "a list, beginning with the fence": "- ```python\n  def double(n):\n      return 2 * n\n  ```\n",
    "a list whose block is not indented": f"1. Here it is:\n   ```python\n{CODE}   ```\n",
    "a quotation": "".join(f"> {line}\n" for line in fenced(CODE).splitlines()),
    "never closed": f"```python\n{CODE}",
    "cut off behind it": f"```python\n{CODE}\n\ndef main():\n    print(double(",
    "a block of tildes with backticks in it": '~~~python\ndef double(n):\n    """\n```\n>>> double(1)\n```\n    """\n'
    "    return 2 * n\n~~~\n",
    "a fence in the docstring": '```python\ndef double(n):\n    """Twice.\n\n    ```\n    double(1)\n    ```\n    """\n'
    "    return 2 * n\n```\n",
    "nested in a block of Markdown": f"```markdown\n# Solution\n{fenced(CODE)}```\n",
    "nested, the outer one longer": f"````markdown\n# Solution\n{fenced(CODE)}````\n",
    "a command first": f"```bash\npython solution.py\n```\n{fenced(CODE)}",
    "an import first": f"```python\nimport math\n```\nThen:\n{fenced(CODE)}",
    "an example last": f"{fenced(CODE)}\nUse it:\n{fenced('print(double(3))')}\nIt prints:\n{fenced('6', info='')}",
    "an example first": f"You want this:\n{fenced('assert double(3) == 6')}\nSo:\n{fenced(CODE)}",
    "a session first": f"{fenced('>>> double(3)' + chr(10) + '6', info='pycon')}\n{fenced(CODE)}",
    "a draft first": f"First try:\n{fenced(DRAFT)}\nThat is the square. Right is:\n{fenced(CODE)}",
    "the task again first": f"The task:\n{fenced(PROMPT)}\nDone:\n{fenced(CODE)}",
    "a torn one last": f"{fenced(CODE)}\nOr shorter:\n```python\ndef double(n):\n    return (n +",
    "a helper apart": f"{fenced('def twice(x):' + chr(10) + '    return x + x')}\nand\n"
    + fenced("def double(n):\n    return twice(n)\n"),
    "a constant apart": f"{fenced('FACTOR = 2')}\n{fenced('def double(n):' + chr(10) + '    return FACTOR * n')}",
    "a helper behind it": f"{fenced('def double(n):' + chr(10) + '    return twice(n)')}\nwith\n"
    + fenced("def twice(x):\n    return x + x\n"),
    "a lambda": fenced("double = lambda n: 2 * n"),
    "only the body": fenced("    return 2 * n"),
    "only the body, not indented": fenced("m = 2 * n\nreturn m"),
    "a future import": fenced(f"from __future__ import annotations\n{CODE}"),
    "no fence": CODE,
    "no fence, prose before it": f"Sure, here it is:\n\n{CODE}",
    "no fence, prose behind it": f"{CODE}\nThis function doubles n. It's easy.\n\nUse it well.",
    "no fence, prose around it": f"Here is the code:\n{CODE}\nLet's test it, shall we?",
    "no fence, an import": f"import math\n\n{CODE}",
    "a broken block before it": f"{fenced('def double(n) return n')}\n{fenced(CODE)}",
    "the function in another one's name": f"{fenced('def double_all(xs):' + chr(10) + ' return xs')}\n{fenced(CODE)}",
}
WRONG = {  # what was not asked for stays wrong
    "nothing": "",
    "prose": "I would multiply by two.",
    "another name": fenced("def twice(n):\n    return 2 * n\n"),
    "a draft last": f"{fenced(CODE)}\nNo, better:\n{fenced(DRAFT)}",
    "a method": fenced("class Solution:\n    def double(self, n):\n        return 2 * n\n"),
    "an example only": fenced("print(42)"),
    "another language": fenced("int x = 42;", info="c"),
    "torn": "```python\ndef double(n):\n    return (2 *",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_function_is_found(name: str) -> None:
    assert value(ANSWERS[name]) == 42


@pytest.mark.parametrize("name", WRONG)
def test_nothing_else_is_made_a_function(name: str) -> None:
    assert value(WRONG[name]) != 42


@pytest.mark.parametrize(
    ("prompt", "code", "call"),
    [
        (
            f"from typing import List\n\n\n{PROMPT}",
            "def double(n: List[int]) -> List:\n    return 2 * n\n",
            "double([1])",
        ),
        (f"def base():\n    return 21\n\n\n{PROMPT}", "def double(n):\n    return base() * 2\n", "double(0)"),
        (
            f"import math\nK = 2\n\n\n@staticmethod\n{PROMPT}",
            "def double(n):\n    return math.floor(K * n)\n",
            "double(21)",
        ),
        (
            f"from __future__ import annotations\nimport math\n\n{PROMPT}",
            "def double(n: X):\n    return 2 * n\n",
            "double(21)",
        ),
        (
            f"import math\n\n{PROMPT}",
            "from __future__ import annotations\ndef double(n: X):\n    return 2*n\n",
            "double(21)",
        ),
        (
            f"def base():\n    return 1\n\n\n{PROMPT}",
            "def base():\n    return 2\ndef double(n):\n    return n*base()",
            "double(21)",
        ),
    ],
)
def test_imports_and_helpers_of_the_prompt_belong_to_the_program(prompt: str, code: str, call: str) -> None:
    # An answer that leaves them out is as whole as the prompt was.
    assert value(fenced(code), prompt, call) in (42, [1, 1])


def test_blocks_are_those_of_commonmark() -> None:
    markdown = pytest.importorskip("markdown_it", reason="needs markdown-it-py").MarkdownIt("commonmark")
    draw = random.Random(3)
    pieces = [
        "```",
        "````",
        "~~~",
        "~~~~",
        "```python",
        "~~~ py `x`",
        "```a`b```",
        "   ```",
        " ~~~",
        "x = 1",
        "",
        "    y",
        "#",
    ]
    for _ in range(500):
        text = "\n".join(draw.choices(pieces, k=draw.randint(1, 12))) + "\n"
        there = [(one.info.strip(), one.content) for one in markdown.parse(text) if one.type == "fence"]
        ours = [(one.info.strip(), one.code) for one in code_blocks(text)]
        assert [(info, code.rstrip("\n")) for info, code in ours] == [(i, c.rstrip("\n")) for i, c in there], text


@pytest.mark.parametrize(
    "text",
    [
        *("```\n" * 20_000, "````" * 20_000, "> " * 40_000 + "```", "```python\n" + "(" * 50_000, "- " * 40_000),
        *("```python\n" + "-" * 50_000 + "1", "def double(n):\n" * 5_000, "def double(n): return n\nx y\n" * 3_000),
        *(
            "```python\n\0\n```",
            "```python\n\ud800\n```",
            "```\n" + "a." * 30_000 + "b",
            "x" * 100_000,
            "import " * 9_000,
        ),
        "```python\ndef double(n):\n" + "".join(f"{' ' * i}if n:\n" for i in range(1, 200)),
    ],
    ids=lambda text: text[:9].encode("unicode_escape").decode(),
)
def test_hostile_answers_are_some_program(text: str) -> None:
    assert isinstance(program_of(text, PROMPT, "double"), str)


def test_any_mixture_is_some_program() -> None:
    draw = random.Random(11)
    pieces = [
        "```",
        "~~~",
        "python",
        "\n",
        "    ",
        "def double(n):",
        "return",
        "n",
        "(",
        ")",
        ":",
        '"""',
        "'",
        "> ",
        "- ",
        "\t",
    ]
    for _ in range(500):
        text = "".join(draw.choices(pieces, k=draw.randint(1, 40)))
        program = program_of(text, PROMPT, "double")
        assert program.startswith(PROMPT) or "def double(n):" in program, text

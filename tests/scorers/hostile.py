"""Answers that parsers break on."""

import random

ATOMS = (
    *(
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "<",
        ">",
        '"',
        "'",
        "`",
        "\\",
        "/",
        "|",
        ":",
        ",",
        ".",
        "=",
        "-",
        "−",
        "+",
        "*",
        "^",
        "_",
    ),
    *(
        "0",
        "9",
        "1e9",
        "0x",
        "NaN",
        "Infinity",
        "1_0",
        "٣",
        "½",
        "²",
        "⟦",
        "\ufffc",
        "$",
        "%",
        "€",
        "\n",
        "\r\n",
        "\t",
        " ",
    ),
    *("\0", "\ud800", "\udfff", "\u2028", "\u202e", "\u200b", "\x1b[31m", "😀", "ﷺ", "e\u0301", "ß", "İ", "中"),
    *(
        "f(any=",
        "f",
        "any",
        "true",
        "None",
        "lambda",
        "def double(n):",
        "return",
        "import",
        "class",
        "f'{",
        "b'",
        '"""',
        "#",
    ),
    *(
        '{"name": "f", "arguments": {"any": ',
        '"a": ',
        "<tool_call>",
        "</tool_call>",
        "<|tool_call|>",
        "[TOOL_CALLS]",
        "[ARGS]",
    ),
    *(
        "<function=f>",
        "<parameter=any>",
        "</parameter>",
        "<arg_key>",
        "<arg_value>",
        "<escape>",
        "call:f{",
        ">>>f\n",
        "Action: f\n",
    ),
    *(
        "```",
        "~~~",
        "```python\n",
        "> ",
        "- ",
        "1. ",
        "    ",
        "Answer: ",
        "#### ",
        "\\boxed{",
        "\\frac{",
        "\\text",
        "answer is ",
    ),
    *("I can't help", "I'm sorry, but ", "“", "”", "and ", "or ", " x 10^"),
)


def hostile(draw: random.Random) -> str:
    """An answer of one of the shapes that parsers break on: mixed, repeated, nested, torn, or very long."""
    few = draw.choices(ATOMS, k=draw.randint(1, 6))
    shape = draw.randrange(6)
    if shape == 0:
        return "".join(draw.choices(ATOMS, k=draw.randint(1, 60)))
    if shape == 1:
        return "".join(few) * draw.choice([2, 50, 500])
    if shape == 2:
        opening, closing = draw.choice(["[]", "{}", "()", ['{"a":', "}"], ["f(", ")"], ["<tool_call>", "</tool_call>"]])
        depth = draw.choice([10, 63, 64, 65, 300, 500, 999, 3_000])
        around = draw.choice(
            ["{}", '<tool_call>{{"name": "f", "arguments": {{"any": {}}}}}</tool_call>', "[f(any={})]"]
        )
        return around.replace("{{", "{").replace("}}", "}").replace("{}", opening * depth + closing * depth, 1)
    if shape == 3:
        digits = draw.choice("19f") * draw.choice([20, 309, 4_301, 9_000])
        number = draw.choice(["{}", "0x{}", "1e{}", "-{}.{}", "{}/{}", "1{},000"]).replace("{}", digits)
        return draw.choice(
            ["Answer: {}", '{"name": "f", "arguments": {"any": {}}}', "[f(any={})]", "\\boxed{{}}"]
        ).replace("{}", number, 1)
    if shape == 4:
        whole = '<tool_call>{"name": "f", "arguments": {"any": "x", "array": [1, 2]}}</tool_call>'
        whole += " ```python\ndef double(n): pass\n``` Answer: 5"
        return "".join(draw.choice(ATOMS) if draw.random() < 0.1 else letter for letter in whole)[
            : draw.randint(1, 150)
        ]
    return draw.choice(ATOMS) * 2_000 + draw.choice(ATOMS)

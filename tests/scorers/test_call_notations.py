"""Calls in the notations of the models that people run: a table of what each of them writes for the same call.

Wanted is ``book(city="Oslo", nights=2)``. Where nothing is wanted, each of these texts is wrong.
"""

from __future__ import annotations

import random

import pytest

from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers.call_syntax import parse_calls
from pytest_slm.scorers.tool_calls import tool_calls

ARGUMENTS = '{"city": "Oslo", "nights": 2}'
JSON = f'{{"name": "book", "arguments": {ARGUMENTS}}}'
PARAMETERS = f'{{"name": "book", "parameters": {ARGUMENTS}}}'
PYTHON = 'book(city="Oslo", nights=2)'
NOTATIONS = {
    "Hermes, Qwen 2.5 and 3": f"<tool_call>\n{JSON}\n</tool_call>",
    "SmolLM2": f"<tool_call>[{JSON}]</tool_call>",
    "Mistral": f"[TOOL_CALLS][{JSON}]",
    "Mistral v3, raw tokens": f"[TOOL_CALLS] [{JSON}]</s>",
    "Mistral v11": f"[TOOL_CALLS]book[ARGS]{ARGUMENTS}",
    "Mistral v13": f"[TOOL_CALLS]book[CALL_ID]a1B2c3D4e[ARGS]{ARGUMENTS}",
    "Llama 3.1, JSON": f"<|python_tag|>{PARAMETERS}<|eom_id|>",
    "Llama 3.2": PARAMETERS,
    "Llama 3.2, pythonic": f"[{PYTHON}]",
    "Llama 3.1, custom": f"<function=book>{ARGUMENTS}</function>",
    "Llama 3, type first": f'{{"type": "function", "name": "book", "parameters": {ARGUMENTS}}}',
    "Llama 4": f"<|python_start|>[{PYTHON}]<|python_end|>",
    "Functionary v2": f"<|from|>assistant\n<|recipient|>book\n<|content|>{ARGUMENTS}",
    "Functionary v3.2": f">>>book\n{ARGUMENTS}",
    "Firefunction": f" functools[{JSON}]",
    "Phi-4-mini": f'<|tool_call|>[{{"type": "function", "function": {JSON}}}]<|/tool_call|>',
    "Phi-4-mini, functools": f"functools[{JSON}]",
    "Granite 3": f"<|tool_call|>[{JSON}]",
    "Granite 3.1": f"<tool_call>[{JSON}]",
    "xLAM": f"[{JSON}]",
    "xLAM, wrapped": f'{{"tool_calls": [{JSON}]}}',
    "Gemma 3": f"```tool_code\nprint({PYTHON})\n```",
    "Gemma, default_api": f"```tool_code\nresult = default_api.{PYTHON}\nprint(result)\n```",
    "FunctionGemma": "<start_function_call>call:book{city:<escape>Oslo<escape>,nights:2}<end_function_call>",
    "DeepSeek V3": f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>book\n```json\n{ARGUMENTS}\n```"
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "DeepSeek V3.1": f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>book<｜tool▁sep｜>{ARGUMENTS}<｜tool▁call▁end｜>"
    "<｜tool▁calls▁end｜>",
    "Kimi K2": f"<|tool_calls_section_begin|><|tool_call_begin|>functions.book:0<|tool_call_argument_begin|>{ARGUMENTS}"
    "<|tool_call_end|><|tool_calls_section_end|>",
    "GLM 4": f"book\n{ARGUMENTS}",
    "GLM 4.5": "<tool_call>book\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n<arg_key>nights</arg_key>\n"
    "<arg_value>2</arg_value>\n</tool_call>",
    "Qwen3-Coder": "<tool_call>\n<function=book>\n<parameter=city>\nOslo\n</parameter>\n<parameter=nights>\n2\n"
    "</parameter>\n</function>\n</tool_call>",
    "Qwen3-Coder, no outer tag": "<function=book>\n<parameter=city>\nOslo\n</parameter>\n<parameter=nights>\n2\n"
    "</parameter>\n</function>",
    "Seed-OSS": "<seed:tool_call>\n<function=book>\n<parameter=city>Oslo</parameter>\n<parameter=nights>2</parameter>\n"
    "</function>\n</seed:tool_call>",
    "MiniMax M1": f"<tool_calls>\n{JSON}\n</tool_calls>",
    "MiniMax M2": '<minimax:tool_call>\n<invoke name="book">\n<parameter name="city">Oslo</parameter>\n'
    '<parameter name="nights">2</parameter>\n</invoke>\n</minimax:tool_call>',
    "invoke": '<function_calls>\n<invoke name="book">\n<parameter name="city">Oslo</parameter>\n'
    '<parameter name="nights">2</parameter>\n</invoke>\n</function_calls>',
    "Hunyuan": f"<tool_calls>\n<tool_call>book\n```json\n{ARGUMENTS}\n```\n</tool_call>\n</tool_calls>",
    "LFM2": f"<|tool_call_start|>[{PYTHON}]<|tool_call_end|>",
    "Olmo 3": f"<function_calls>{PYTHON}</function_calls>",
    "ToolACE": f"[{PYTHON}]",
    "Gorilla OpenFunctions": f"<<function>>{PYTHON}",
    "NexusRaven": f"Call: {PYTHON}<bot_end>",
    "InternLM 2": f"<|action_start|><|plugin|>\n{PARAMETERS}<|action_end|>",
    "Command R7B": f'<|START_ACTION|>[{{"tool_call_id": "0", "tool_name": "book", "parameters": {ARGUMENTS}}}]'
    "<|END_ACTION|>",
    "Command R": f'Action: ```json\n[{{"tool_name": "book", "parameters": {ARGUMENTS}}}]\n```',
    "Apertus": f'<|tools_prefix|>[{{"book": {ARGUMENTS}}}]<|tools_suffix|>',
    "Nemotron": f"<TOOLCALL>[{JSON}]</TOOLCALL>",
    "Jamba": f"<tool_calls>[{JSON}]</tool_calls>",
    "gpt-oss": f"<|channel|>commentary to=functions.book <|constrain|>json<|message|>{ARGUMENTS}<|call|>",
    "Qwen-Agent": f"✿FUNCTION✿: book\n✿ARGS✿: {ARGUMENTS}",
    "ReAct": f"Action: book\nAction Input: {ARGUMENTS}",
    "LangChain": f'{{"action": "book", "action_input": {ARGUMENTS}}}',
    "OpenAI, copied": '{"tool_calls": [{"id": "c1", "type": "function", "function": {"name": "book", "arguments": '
    '"{\\"city\\": \\"Oslo\\", \\"nights\\": 2}"}}]}',
    "LM Studio": f"[TOOL_REQUEST]{JSON}[END_TOOL_REQUEST]",
    "a fence": f"I will book it.\n\n```json\n{JSON}\n```",
    "a fence of tildes": f"~~~json\n{JSON}\n~~~",
    "a tag in a fence": f"```xml\n<tool_call>\n{JSON}\n</tool_call>\n```",
    "a fence in a tag": f"<tool_call>\n```json\n{JSON}\n```\n</tool_call>",
    "a fence of Python": f"```python\n{PYTHON}\n```",
    "single quotes": "{'name': 'book', 'arguments': {'city': 'Oslo', 'nights': 2}}",
    "single quotes in prose": "Sure:\n{'name': 'book', 'arguments': {'city': 'Oslo', 'nights': 2}}\nDone.",
    "a list in prose": f"I call it.\n[{PYTHON}]",
    "broken off after it": f"<tool_call>{JSON}",
    "with a name's place": '<tool_call>{"name": "functions.book", "arguments": ' + ARGUMENTS + "}</tool_call>",
}
ATTEMPTS = {  # none of these can be read, but a call they are
    "own tags": "<book><city>Oslo</city><nights>2</nights></book>",
    "a colon": 'book: {"city": "Oslo", "nights": 2}',
    "by key": '{"book": {"city": "Oslo", "nights": 2}}',
    "values by place": 'I use book("Oslo", 2) for that.',
    "in a sentence": 'I call book(city="Oslo", nights=2) for you.',
    "no quotes": "book(city=Oslo, nights=2)",
    "broken JSON": '{"name": "book", "arguments": {"city": "Oslo", nights}',
    "torn JSON": '{"name": "book", "arguments": {"ci',
    "a torn mark": "<tool_call>",
    "a torn tag": "<function=book>\n<parameter=ci",
    "ReAct in words": "Action: book\nAction Input: Oslo, 2 nights",
    "a mark with words": "<|tool_call|>book a room in Oslo",
    "too deep": '<tool_call>{"name": "book", "arguments": {"city": ' + "[" * 500 + "]" * 500 + "}}</tool_call>",
    "far too deep": '{"name": "book", "arguments": {"city": ' + "[" * 9000 + "]" * 9000 + "}}",
    "a huge number": '{"name": "book", "arguments": {"nights": ' + "9" * 9000 + "}}",
    "a huge number in hexadecimal": "[book(nights=0x" + "f" * 9000 + ")]",
    "not a number": '<tool_call>{"name": "book", "arguments": {"nights": NaN}}</tool_call>',
    "an infinite one": "[book(nights=1e999)]",
    "bytes": '[book(city=b"Oslo")]',
}
NO_CALLS = [
    "I could use book, but you asked for a poem.",
    "The function book() would be of no help here.",
    "None of the functions fits: book(city, nights) finds rooms.",
    "You can book a room (Oslo is nice) by phone.",
    "Here is a book: {1, 2, 3} are its chapters",
    'A book: "Oslo in winter".',
    '{"title": "book", "city": "Oslo"}',
    '{"name": "book", "description": "Books a room", "parameters": {"type": "object", "properties": {}}}',
    '{"name": "book", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}',
    "<tool_call>[]</tool_call>",
    "<tool_call>\nnull\n</tool_call>",
    '{"tool_calls": []}',
    "Use a <b>tag</b> for bold text.",
    "```python\nfor city in cities:\n    print(city)\n```",
    "import books\nbooks.read()",
    "[1] Oslo, [2] Bergen",
    "Action: none is needed.\n",
    "Thought: nothing fits.\nAction: None\nAction Input: None",
    "x = f(2)",
]

BOOK = {
    "type": "function",
    "function": {
        "name": "book",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "nights": {"type": "integer"}},
            "required": ["city", "nights"],
        },
    },
}
WANTED = [{"name": "book", "arguments": {"city": ["Oslo"], "nights": [2]}}]


def judge(text: str, target: object = None, tool: object = BOOK) -> Verdict:
    sample = Sample(id="s", input="?", target=WANTED if target is None else target, tools=(tool,))  # type: ignore[arg-type]
    return tool_calls(sample, Generation(text=text, n_prompt=1, n_output=1, finish="stop"))


def test_the_call_is_right_in_every_notation() -> None:
    found = {name: judge(text) for name, text in NOTATIONS.items()}
    assert {name: verdict.explanation for name, verdict in found.items() if verdict.value != 1.0} == {}
    assert {name for name, verdict in found.items() if verdict.values != {"strict": 1.0}} == set()


def test_where_nothing_is_wanted_a_call_is_wrong_in_every_notation() -> None:
    texts = {**NOTATIONS, **ATTEMPTS}
    assert [name for name, text in texts.items() if judge(text, []).value != 0.0] == []


def test_a_call_that_cannot_be_read_is_wrong() -> None:
    assert [name for name, text in ATTEMPTS.items() if judge(text).value != 0.0] == []


def test_words_programs_and_definitions_are_no_calls() -> None:
    assert {text: parse_calls(text) for text in NO_CALLS if judge(text, []).value != 1.0} == {}


def test_two_calls_are_two_in_every_notation() -> None:
    other = {name: text.replace("Oslo", "Bergen") for name, text in NOTATIONS.items()}
    both = [*WANTED, {"name": "book", "arguments": {"city": ["Bergen"], "nights": [2]}}]
    alone = {"Llama 3.2, pythonic", "ToolACE", "GLM 4", "a list in prose", "a fence of Python", "NexusRaven"}
    alone |= {"single quotes", "single quotes in prose", "broken off after it"}  # whose whole text is the call
    wrong = {
        name: verdict.explanation
        for name in NOTATIONS
        if name not in alone and (verdict := judge(f"{NOTATIONS[name]}\n{other[name]}", both)).value != 1.0
    }
    assert wrong == {}
    assert judge('[book(city="Oslo", nights=2), book(city="Bergen", nights=2)]', both).value == 1.0
    assert judge('book(city="Oslo", nights=2)\nbook(city="Bergen", nights=2)', both).value == 1.0


def tool(**kinds: object) -> dict[str, object]:
    properties = {name: kind if isinstance(kind, dict) else {"type": kind} for name, kind in kinds.items()}
    return {"function": {"name": "f", "parameters": {"type": "object", "properties": properties}}}


VALUES = [  # what stands in the call, the type of its argument, what is wanted
    ("f(from='Oslo')", {"from": "string"}, {"from": "Oslo"}),
    ("[f(class=1, in=2)]", {"class": "integer", "in": "integer"}, {"class": 1, "in": 2}),
    ("[f(a=true, b=null)]", {"a": "boolean", "b": "null"}, {"a": True, "b": None}),
    ("[f(a=True, b=None)]", {"a": "boolean", "b": "null"}, {"a": True, "b": None}),
    ("[f(a=-1, b=[1, (2, 3)])]", {"a": "integer", "b": "array"}, {"a": -1, "b": [1, [2, 3]]}),
    ("[f(a={'b': 1})]", {"a": "object"}, {"a": {"b": 1}}),
    ('[f(a="one\ntwo")]', {"a": "string"}, {"a": "one\ntwo"}),
    ('<tool_call>{"name": "f", "arguments": {"a": "one\ntwo\tx"}}</tool_call>', {"a": "string"}, {"a": "one\ntwo\tx"}),
    ('{"name": "f", "arguments": {"a": "one\ntwo"}}', {"a": "string"}, {"a": "one\ntwo"}),
    ("{'name': 'f', 'arguments': {'a': True, 'b': null}}", {"a": "boolean", "b": "null"}, {"a": True, "b": None}),
    ("<function=f><parameter=a>5</parameter></function>", {"a": "string"}, {"a": "5"}),
    ("<function=f><parameter=a>5</parameter></function>", {"a": "integer"}, {"a": 5}),
    ("<function=f><parameter=a>5.5</parameter></function>", {"a": "float"}, {"a": 5.5}),
    ("<function=f><parameter=a>true</parameter></function>", {"a": "boolean"}, {"a": True}),
    ("<function=f><parameter=a>True</parameter></function>", {"a": "bool"}, {"a": True}),
    ('<function=f><parameter=a>["x", "y"]</parameter></function>', {"a": "array"}, {"a": ["x", "y"]}),
    ("<function=f><parameter=a>['x', 'y']</parameter></function>", {"a": "list"}, {"a": ["x", "y"]}),
    ('<function=f><parameter=a>{"b": 1}</parameter></function>', {"a": "dict"}, {"a": {"b": 1}}),
    ("<function=f><parameter=a>\nline 1\nline 2\n</parameter></function>", {"a": "string"}, {"a": "line 1\nline 2"}),
    ("<function=f></function>", {"a": "string"}, {}),
    ('[f(a="cafe\u0301")]', {"a": "string"}, {"a": "caf\u00e9"}),
    ('[f(a="caf\u00e9")]', {"a": "string"}, {"a": "cafe\u0301"}),
    ('[f(cafe\u0301="x")]', {"caf\u00e9": "string"}, {"caf\u00e9": "x"}),
    ('{"name": "f", "arguments": {"a": 3.0}}', {"a": "int"}, {"a": 3}),
]


@pytest.mark.parametrize(("text", "kinds", "wanted"), VALUES)
def test_values_are_what_they_mean(text: str, kinds: dict[str, str], wanted: dict[str, object]) -> None:
    target = [{"name": "f", "arguments": {name: [value] for name, value in wanted.items()}}]
    verdict = judge(text, target, tool(**kinds))
    assert (verdict.value, verdict.values) == (1.0, {"strict": 1.0}), verdict.explanation


@pytest.mark.parametrize("name", ["get-weather", "weather.get", "import", "wetter_für"])
def test_names_that_python_cannot_say_are_read(name: str) -> None:
    named = {"function": {"name": name, "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}
    target = [{"name": name, "arguments": {"a": [1]}}]
    for text in (
        f"[{name}(a=1)]",
        f'{{"name": "{name}", "arguments": {{"a": 1}}}}',
        f"<tool_call>{name}(a=1)</tool_call>",
    ):
        assert judge(text, target, named).value == 1.0, text


def test_any_mixture_of_marks_is_read() -> None:
    draw = random.Random(5)
    pieces = [piece for text in (*NOTATIONS.values(), *ATTEMPTS.values()) for piece in text[:300].split() if piece]
    pieces += [
        "<|",
        "|>",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        '"',
        "'",
        "<",
        ">",
        "/",
        "\n",
        "```",
        ":",
        "=",
        ",",
        "\ud800",
        "\0",
    ]
    for _ in range(1_000):
        text = "".join(draw.choices(pieces, k=draw.randint(1, 30)))
        assert judge(text, draw.choice([None, []])).value in (0.0, 1.0), text

"""Marks and switches of thinking, as a chat template says them."""

import pytest

from pytest_slm.core.types import Message, Request
from pytest_slm.errors import BackendError
from pytest_slm.prompts.pairs import shown_of
from pytest_slm.prompts.switches import NEMOTRON, SLASH, switch_of, variables_of
from pytest_slm.prompts.thinking import Marks, answered_with, marks_of, opened_by
from pytest_slm.prompts.writing import ThinkingRules, Writing, written

TEMPLATES = {
    "{% if '</think>' in content %}{{ content.split('</think>')[-1] }}{% endif %}": ("<think>", "</think>"),
    "{{ '<|assistant|>\\n<thought>\\n' }}": ("<thought>", "</thought>"),
    "{{ '[THINK]' + message.thinking + '[/THINK]' }}": ("[THINK]", "[/THINK]"),
    "{{ '<|START_THINKING|>' }}": ("<|START_THINKING|>", "<|END_THINKING|>"),
    "{{ '<|start|>assistant<|channel|>analysis<|message|>' }}": ("<|channel|>analysis<|message|>", "<|end|>"),
    "Write 'Here is my thought process:' and 'Here is my response:'": (
        "Here is my thought process:",
        "Here is my response:",
    ),
    # nobody has seen these before
    "{{ '<my:thinking>' + r + '</my:thinking>' }}": ("<my:thinking>", "</my:thinking>"),
    "{{ '[REASONING]' + r + '[/REASONING]' }}": ("[REASONING]", "[/REASONING]"),
    "{{ '<|reasoning_start|>' + r + '<|reasoning_end|>' }}": ("<|reasoning_start|>", "<|reasoning_end|>"),
    "{{ '<|begin_thinking|>' + r + '<|end_thinking|>' }}": ("<|begin_thinking|>", "<|end_thinking|>"),
}


@pytest.mark.parametrize("source", TEMPLATES)
def test_marks_are_read_from_the_template(source):
    marks = marks_of(source)[0]
    assert (marks.open, marks.close) == TEMPLATES[source]
    found = written(f"{marks.open}\nIs it 3?\n{marks.close}\n\n4", marks_of(source))
    assert (found.reasoning, found.text) == ("Is it 3?", "4")
    assert opened_by(f"<|assistant|>\n{marks.open}\n", marks_of(source)) == marks
    assert opened_by(f"{marks.open}\n\n{marks.close}\n\n", marks_of(source)) is None


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}",
        "{{ message['reasoning_content'] }}{{ messages[reasoning] }} I am thinking of <tools></tools>",
    ],
)
def test_a_template_without_marks_has_none(source):
    assert marks_of(source) == ()


@pytest.mark.parametrize(
    ("source", "thinking", "given"),
    [
        ("{% if enable_thinking is defined and enable_thinking %}x{% endif %}", "off", {"enable_thinking": False}),
        ("{% if enable_thinking==true %}x{% endif %}", "on", {"enable_thinking": True}),
        ("{%- if enable_thinking|default(true) -%}x{%- endif -%}", 30, {"enable_thinking": True}),
        ("{%- if not enable_thinking -%}x{%- endif -%}", 0, {"enable_thinking": False}),
        ("{% if thinking %}{{ '<|thinking|>' }}{% endif %}", "on", {"thinking": True}),
        ("{% if reasoning %}x{% endif %}", "off", {"reasoning": False}),
        ("{{ thinking_budget }}", "off", {"thinking_budget": 0}),
        ("{{ thinking_budget }}", 30, {"thinking_budget": 30}),
        ("{{ thinking_budget }}", "on", {}),
        ("{{ message.thinking }}{{ m['thinking'] }}<thinking></thinking><|thinking|>", "on", {}),
        ("{{ messages }}", "on", {}),
        ('{% if \'thinking on\' in s %}{{ "no reasoning \\" thinking" }}{% endif %} so thinking of it', "on", {}),
        ("{{ f('x', reasoning) }}", "on", {"reasoning": True}),
    ],
)
def test_a_template_is_told_whether_the_model_shall_think_by_the_name_that_it_knows(source, thinking, given):
    assert variables_of(source, thinking) == given


DETAILED = ("detailed thinking on", "detailed thinking off")


SLASHES = ("/think", "/no_think")


@pytest.mark.parametrize(
    ("source", "name", "words"),
    [
        ("{% if 'detailed thinking on' in system_message %}{{ '<think>\\n' }}{% endif %}", "", DETAILED),
        ('{%- set system_message = "detailed thinking off" %}', "", DETAILED),
        ("{% set default = 'Reasoning: off' %}", "", ("Reasoning: on", "Reasoning: off")),
        ("{% if 'DEEP THINKING ON' in s %}", "", ("DEEP THINKING ON", "DEEP THINKING OFF")),
        ("{% if '/no_think' in m.content %}x{% elif '/think' in m.content.replace('</think>', '') %}", "", SLASHES),
        ("{% if '/no-think' in m.content %}", "", ("/think", "/no-think")),
        ("{% if '/nothink' in m.content %}", "", ("/think", "/nothink")),
        ("{% if '/no_thinking' in m.content %}", "", ("/thinking", "/no_thinking")),
        # a variable is the better way
        ("{% if enable_thinking %}{% elif '/no_think' in system %}{% endif %}", "", None),
        # known by name
        ("{{ content.split('</think>')[-1] }}", "Llama-3.1-Nemotron-Nano-8B-v1-Q4_K_M.gguf", DETAILED),
        ("{{ messages }}", "nvidia_Llama-3_3-Nemotron-Super-49B-v1", DETAILED),
        ("{{ messages }}", "Llama-3_3-Nemotron-Super-49B-v1_5-Q8_0.gguf", SLASHES),
        ("{{ messages }}", "NVIDIA-Nemotron-Nano-9B-v2-Q4_0.gguf", SLASHES),
        # nothing of the kind
        ("{{ messages }}", "Llama-3.1-Nemotron-70B-Instruct.gguf", None),
        ("{{ messages }}", "Nemotron-Mini-4B-Instruct.gguf", None),
        ("{{ messages }}", "SmolLM2-135M-Instruct-Q4_1.gguf", None),
        ("{{ 'I think so' }}{{ 'turn on' }}{{ 'thinking' }}{{ '<think>' }}{{ '/think' }}", "", None),
    ],
)
def test_a_switch_in_the_system_message_is_read_from_the_template_or_known(source, name, words):
    switch = switch_of(source, name)
    assert (switch and (switch.on, switch.off)) == words


@pytest.mark.parametrize(
    ("system", "thinking", "told"),
    [
        (None, "off", "detailed thinking off"),
        (None, "on", "detailed thinking on"),
        (None, 30, "detailed thinking on"),
        (None, 0, "detailed thinking off"),
        ("Be short.", "off", "detailed thinking off\n\nBe short."),
        ("", "on", "detailed thinking on"),
        ("Detailed thinking ON", "off", "Detailed thinking ON"),  # the task's own
        ("No detailed thinking once more", "off", "detailed thinking off\n\nNo detailed thinking once more"),
    ],
)
def test_a_switch_begins_the_system_message(system, thinking, told):
    question = Message(role="user", content="detailed thinking on?")
    given = ([] if system is None else [Message(role="system", content=system)]) + [question]
    assert NEMOTRON.set(given, thinking) == (Message(role="system", content=told), question)


@pytest.mark.parametrize(
    ("system", "kept"),
    [("/no_think", True), ("Be short. /think", True), ("see a/think", False), ("a </think> tag", False)],
)
def test_slashes_are_a_switch_where_they_stand_by_themselves(system, kept):
    (message,) = SLASH.set([Message(role="system", content=system)], "off")
    assert message.content == (system if kept else f"/no_think\n\n{system}")


PLAIN_TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "text", "answer"),
    [
        # the model does not think: a bare closing mark is a word of the answer
        (
            PLAIN_TEMPLATE,
            "It closes the block with </think> and goes on.",
            "It closes the block with </think> and goes on.",
        ),
        (PLAIN_TEMPLATE, "[/THINK] ends it", "[/THINK] ends it"),
        (PLAIN_TEMPLATE, "a ◁/think▷ b", "a ◁/think▷ b"),
        (PLAIN_TEMPLATE, "re.split('x', s)\n</reasoning>", "re.split('x', s)\n</reasoning>"),
        # it may think all the same, and says so
        (PLAIN_TEMPLATE, "<think>a</think>4", "4"),
        (PLAIN_TEMPLATE, "<think>a</think>\nIt is 3\n</think>\n\n4", "4"),
        (PLAIN_TEMPLATE, "I look. <think>a</think> It is 4", "I look. It is 4"),
        # models that think, or of which nobody knows
        (None, "Is it 3? No.\n</think>\n\n4", "4"),
        ("{{ content.split('</think>')[-1] }}", "Is it 3? No.\n</think>\n\n4", "4"),
        ("{% if enable_thinking %}{% endif %}", "Is it 3? No.\n</think>\n\n4", "4"),
        ("{% if 'detailed thinking on' in s %}{% endif %}", "Is it 3? No.\n</think>\n\n4", "4"),
    ],
)
def test_a_bare_closing_mark_is_one_where_the_model_can_think(template, text, answer):
    rules = ThinkingRules.of(template, "off", switch=template and switch_of(template))
    for size in (1, 3, len(text)):
        writing = Writing(Request(prompt="x", max_tokens=999), rules)
        for start in range(0, len(text), size):
            writing.add(text[start : start + size])
        assert writing.finish().text == answer


@pytest.mark.parametrize(
    ("thinking", "n", "shown"),
    [("off", 100, 90), ("on", 100, 90), (20, 100, 68), (0, 100, 88), (20, 30, 30), (87, 100, 1), (88, 100, None)],
)
def test_a_prompt_that_is_cut_leaves_room_for_the_thinking_too(thinking, n, shown):
    """A context of 100, an answer of 10; two tokens may end the thinking."""
    request = Request(prompt="x", max_tokens=10, keep_end=True)
    most = ThinkingRules.of("<think></think>", thinking, lambda _: [7]).most(request)
    if shown is None:
        with pytest.raises(BackendError, match="10 tokens and 90 of thinking leave no room"):
            shown_of(list(range(n)), request, 100, most)
    else:
        assert shown_of(list(range(n)), request, 100, most) == list(range(n))[n - shown :]


def test_marks_that_end_a_thinking_are_written_as_templates_write_them():
    assert Marks(open="<think>", close="</think>").closing == "\n</think>\n\n"
    assert marks_of("[THINK]")[0].closing == "[/THINK]"
    assert marks_of("<|channel|>analysis<|message|>")[0].closing == (
        "<|end|><|start|>assistant<|channel|>final<|message|>"
    )


def test_nothing_is_thought_before_an_answer_that_is_begun():
    marks = Marks(open="<think>", close="</think>")
    assert answered_with("user: 1?\nassistant: <think>\n", "It is", [marks]) == (
        "user: 1?\nassistant: <think>\n</think>\n\nIt is"
    )
    assert answered_with("assistant: ", "It is", [marks]) == "assistant: It is"
    assert answered_with("assistant: <think>\n", "", [marks]) == "assistant: <think>\n"

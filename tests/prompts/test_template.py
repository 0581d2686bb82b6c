"""What chat templates are given, what they leave out, and what of them a report tells."""

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Message, ToolCall
from pytest_slm.errors import BackendError
from pytest_slm.prompts import process
from pytest_slm.prompts.template import FOLDED, TOOL, ChatTemplate

SYSTEM = Message(role="system", content="Be brief.")
HELLO = Message(role="user", content="Hello")
CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHATML
)
WITH_TOOLS = "{% if tools %}{% for t in tools %}{{ t | tojson }}{% endfor %}{% endif %}" + CHATML
CALL = ToolCall(name="look_up", arguments={"word": "Oslo"}, id="abcdef123")
CALLING = (
    HELLO,
    Message(role="assistant", content="I look.", tool_calls=(CALL,)),
    Message(role="tool", content="a city", tool_call_id="abcdef123", name="look_up"),
)


def test_a_template_sees_messages_and_special_tokens(render):
    turns = "{% for m in messages %}[{{ m['role'] }}]{{ m.content }}{% endfor %}"
    source = "{{ bos_token }}" + turns + "{% if add_generation_prompt %}>{% endif %}"
    assert render(source, bos_token="<s>") == "<s>[user]Hello>"


def test_tools_are_none_where_there_are_none(render):
    # templates ask `if tools is none`; an empty list would make them announce no tools
    assert render("{{ tools is none }}") == "True"
    assert render("{{ tools | tojson }}", tools=[{"name": "ä"}]) == '[{"name": "ä"}]'


# -- what a template cannot write -------------------------------------------------------------------------------------


def test_without_a_system_role_the_instruction_goes_before_the_first_user_message():
    template = ChatTemplate(NO_SYSTEM)
    assert template.render((SYSTEM, HELLO)) == template.render((Message(role="user", content="Be brief.\n\nHello"),))
    assert template.facts.notes == (FOLDED,)


def test_an_instruction_that_a_template_passes_over_goes_there_too():
    template = ChatTemplate("{% for m in messages if m.role == 'user' %}[{{ m.content }}]{% endfor %}")
    assert template.render((SYSTEM, HELLO)) == "[Be brief.\n\nHello]"
    assert template.facts.notes == (FOLDED,)


def test_an_instruction_alone_becomes_what_the_user_says():
    answer = Message(role="assistant", content="Yes?")
    assert "user\nBe brief.<" in ChatTemplate(NO_SYSTEM).render((SYSTEM, answer))


def test_a_template_with_a_system_role_is_left_alone(render):
    template = ChatTemplate(CHATML)
    assert template.render((SYSTEM, HELLO)) == render(CHATML, (SYSTEM, HELLO))
    assert template.facts.notes == ()


def test_tools_that_a_template_does_not_write_are_an_error():
    assert not ChatTemplate(CHATML).facts.tools
    with pytest.raises(BackendError, match="does not write the tools") as caught:
        ChatTemplate(CHATML).render((HELLO,), (TOOL,))
    assert caught.value.slug == "tools-not-written"


OTHER = {"type": "function", "function": {**TOOL["function"], "name": "look"}}  # its name is a part of the other's


@pytest.mark.parametrize(
    ("written", "left_out"),
    [
        ("{{ tools | length }} tools. ", r"all of the 2 tools \(look_up, look\)"),
        ("{{ tools[0] | tojson }}", r"all of the 2 tools \(look\)"),
        ("{% for t in tools %}{{ t.function.name }}: {{ t.function.description }}{% endfor %}", "look_up, look"),
        ("{% if messages | length > 9 %}{{ tools | tojson }}{% endif %}", "the tools, which"),
        ("{% for t in tools %}{{ t.function.parameters | tojson }}{% endfor %}", "look_up, look"),
    ],
)
def test_every_tool_is_written_with_its_name_and_its_arguments(written, left_out):
    silent = {**TOOL["function"]["parameters"], "properties": {"lemma": {"type": "string"}}}
    tools = [{**tool, "function": {**tool["function"], "parameters": silent}} for tool in (TOOL, OTHER)]
    with pytest.raises(BackendError, match=left_out) as caught:
        ChatTemplate(f"{{% if tools %}}{written}{{% endif %}}{CHATML}").render((HELLO,), tools)
    assert caught.value.slug == "tools-not-written"
    assert "lemma" in ChatTemplate(f"{{{{ tools | tojson }}}}{CHATML}").render((HELLO,), tools)


def test_words_that_json_writes_otherwise_are_not_missed():
    named = {"type": "function", "function": {"name": "höhe", "parameters": {"properties": {"größe": {}, 'a"b': {}}}}}
    template = ChatTemplate(f"{{% if tools %}}{{{{ tools | tojson(ensure_ascii=True) }}}}{{% endif %}}{CHATML}")
    assert "gr\\u00f6" in template.render((HELLO,), (named,))


def test_tools_that_a_template_writes_are_there():
    template = ChatTemplate(WITH_TOOLS)
    assert template.facts.tools
    assert '"look_up"' in template.render((HELLO,), (TOOL,))


@pytest.mark.parametrize(
    ("source", "messages", "missing"),
    [
        (
            "{{ messages[-1].content }}",
            (HELLO, Message(role="assistant", content="Hi"), HELLO),
            r"1 \(user\), message 2",
        ),
        (CHATML, CALLING, r"message 2 \(assistant\)"),  # its words are there, its call is not
        ("{% for m in messages if m.role != 'tool' %}{{ m | tojson }}{% endfor %}", CALLING, r"message 3 \(tool\)"),
        ("{% for m in messages if m.role == 'assistant' %}{{ m.content }}{% endfor %}", (SYSTEM, HELLO), "message 1"),
        # the same words stand elsewhere
        ("{{ messages[0].content }}", (HELLO, Message(role="assistant", content="Hello")), "message 2"),
    ],
)
def test_messages_that_a_template_leaves_out_are_an_error(source, messages, missing):
    with pytest.raises(BackendError, match=missing) as caught:
        ChatTemplate(source).render(messages)
    assert caught.value.slug == "template-leaves-out"


def test_words_beside_a_call_may_be_left_out():
    # many templates have no place for them
    source = "{% for m in messages %}{{ m.tool_calls | tojson if m.tool_calls else m.content }}{% endfor %}"
    assert "I look" not in ChatTemplate(source).render(CALLING)


def test_an_empty_message_is_not_missed():
    assert ChatTemplate(CHATML).render((Message(role="user", content=""),)) == "<|im_start|>user\n<|im_end|>\n"


def test_a_template_that_refuses_says_why():
    with pytest.raises(BackendError, match="roles must alternate"):
        ChatTemplate("{{ raise_exception('roles must alternate') }}").render((SYSTEM, HELLO))


# -- what makes one prompt another one on another day -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("{{ strftime_now('%Y') }}", "date"),
        ("{% if strftime_now is defined %}{{ strftime_now('%Y') }}{% endif %}", "date"),
        ("{{ ['a', 'b'] | random }}", "at random"),
        ("{{ [['a', 'b']] | map('random') | first }}", "at random"),
        ("{{ lipsum(1) }}", "at random"),
        ("{% if false %}{{ [1] | random }}{% endif %}", "at random"),  # it may, for another conversation
    ],
)
def test_a_date_and_draws_are_told_and_do_not_change(source, note):
    template = ChatTemplate(source + CHATML)
    (told,) = template.facts.notes
    assert note in told
    assert len({template.render((HELLO,)) for _ in range(5)}) == 1


def test_a_date_in_a_template_is_the_one_that_templates_have_by_default(render):
    assert render("{{ strftime_now('%d %b %Y') }}") == "26 Jul 2024"


def test_a_template_that_does_not_compile_has_no_facts_and_says_why_when_it_is_used():
    template = ChatTemplate("\n{% if %}")
    assert template.facts == template.facts.__class__(tools=False)
    with pytest.raises(BackendError, match="line 2"):
        template.render((HELLO,))


# -- limits -----------------------------------------------------------------------------------------------------------


def test_the_helpers_lead_nowhere(render):
    assert render("{{ raise_exception.__globals__ }}{{ strftime_now.__self__ }}") == ""


def test_size_has_limits(render, monkeypatch):
    with pytest.raises(BackendError, match="the limit is"):
        render("x" * (process.MAX_TEMPLATE + 1))
    monkeypatch.setattr(process, "MAX_RENDERED", 1000)
    with pytest.raises(BackendError, match="more than 1000"):
        render("{% for i in range(9999) %}abc{% endfor %}")


def test_a_users_markup_is_not_escaped(render):
    assert render("{{ messages[0].content }}", (Message(role="user", content="<b> & 'x'"),)) == "<b> & 'x'"


def test_half_a_character_goes_through(render):
    assert render("{{ messages[0].content }}", (Message(role="user", content="a\ud800"),)) == "a\ud800"


def test_ordinary_arithmetic_works(render):
    assert render("{{ 6 * 7 }} {{ 2 ** 10 }} {{ '-' * 3 }} {{ 0.5 * 4 }}") == "42 1024 --- 2.0"
    assert render("{{ 1 + 2 }} {{ 7 % 4 }} {{ 'a' + 'b' }} {{ [1] + [2] }}") == "3 3 ab [1, 2]"


JSON = '{"a": [1]} [\n  1\n] [1,2]'


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ 1 ~ 'a' ~ none ~ undefined_name ~ [1, 'b'] }}", "1aNone[1, 'b']"),
        ("{{ 1 ~ (2 + 3) }} {{ ('a' ~ 'b')|upper }}", "15 AB"),
        (
            "{{ '%s is %05.1f' % ('x', 2) }} {{ '%(a)s' % {'a': 1} }} {{ '%d'|format(123456789) }}",
            "x is 002.0 1 123456789",
        ),
        ("{{ '{}: {:>4}{a}'.format('x', 7, a='!') }} {{ '{a}'.format_map({'a': 1}) }}", "x:    7! 1"),
        # numbers that are no widths
        ('{{ \'{"id": {"n": 123456789, "s": "%s"}}\' % \'x\' }}', '{"id": {"n": 123456789, "s": "x"}}'),
        ("{{ 'on 20240726: {}'.format(123456789) }}", "on 20240726: 123456789"),
        ("[{{ 'a'.ljust(3) }}{{ 'b'|center(3) }}{{ '7'.zfill(3) }}]", "[a   b 007]"),
        ("{{ 'aXa'.replace('X', '-') }} {{ 'aXa'|replace('a', 'b', 1) }} {{ 12|replace(1, 3) }}", "a-a bXa 32"),
        (
            "{{ ','.join(['a', 'b']) }} {{ [1, 2]|join('|') }} {{ messages|join(',', attribute='role') }}",
            "a,b 1|2 user",
        ),
        ("{{ [1, 2]|map('string')|join(d='-') }} {{ ['a']|map('upper')|join }}", "1-2 A"),
        ("{{ 'a\nb'|indent(2) }}{{ 'a\nb'|indent('> ', true) }}", "a\n  b> a\n> b"),
        ("{{ {'a': [1]}|tojson }} {{ [1]|tojson(indent=2) }} {{ [1, 2]|tojson(separators=(',', ':')) }}", JSON),
        ("{{ 'a b'|wordwrap(1) }}{{ ('<{}>'|safe).format('x') }}{{ ('<%s>'|safe) % 'x' }}", "a\nb<x><x>"),
        ("{% macro m(x) %}<{{ x ~ x }}>{% endmacro %}{{ m('a') }}", "<aa>"),
    ],
)
def test_the_language_is_all_there(source, text, render):
    assert render(source) == text


TURNS = """{% for m in messages %}[{{ m.role }}{% if m.name is defined %} {{ m.name }}{% endif %}]{{ m.content }}\
{% if m.tool_calls is defined %}{% for c in m.tool_calls %}<{{ c.function.name }}:{{ c.function.arguments | tojson }}>\
{% endfor %}{% endif %}{% if m.tool_call_id is defined %}({{ m.tool_call_id }}){% endif %}{% endfor %}"""


def test_a_template_sees_calls_and_results_and_nothing_that_was_not_said(render):
    # many templates test `is defined`, and a None field is defined
    call = ToolCall(name="f", arguments={"x": "a"}, id="7")
    turns = [
        Message(role="user", content="q"),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="3", tool_call_id="7", name="f"),
    ]
    assert render(TURNS, turns) == '[user]q[assistant]<f:{"x": "a"}>[tool f]3(7)'


def test_every_text_of_a_message_is_rewritten():
    call = ToolCall(name="f", arguments={"x": ["a", {"y": "a", "n": 1}]})
    message = Message(role="assistant", content="a", tool_calls=(call,)).rewritten(str.upper)
    assert (message.content, message.tool_calls[0].name) == ("A", "F")
    assert message.tool_calls[0].arguments == {"X": ["A", {"Y": "A", "N": 1}]}


@pytest.mark.parametrize(
    "wrong",
    [{"role": "user", "tool_calls": (ToolCall(name="f"),)}, {"role": "assistant", "tool_call_id": "1"}],
)
def test_only_an_assistant_calls_and_only_a_tool_answers(wrong):
    with pytest.raises(RecordError, match="only a"):
        Message(content="", **wrong)

"""Chat templates are foreign programs: they render, and they do nothing else."""

import contextlib
import tracemalloc

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Message, ToolCall
from pytest_slm.errors import BackendError
from pytest_slm.prompts import template

HELLO = (Message(role="user", content="Hello"),)


def test_a_template_sees_messages_and_special_tokens():
    turns = "{% for m in messages %}[{{ m['role'] }}]{{ m.content }}{% endfor %}"
    source = "{{ bos_token }}" + turns + "{% if add_generation_prompt %}>{% endif %}"
    assert template.render(source, HELLO, bos_token="<s>") == "<s>[user]Hello>"


def test_tools_are_none_where_there_are_none():
    # templates ask `if tools is none`; an empty list would make them announce no tools
    assert template.render("{{ tools is none }}", HELLO) == "True"
    assert template.render("{{ tools | tojson }}", HELLO, tools=[{"name": "ä"}]) == '[{"name": "ä"}]'


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ messages.__class__.__base__ }}",
        "{% set _ = messages.append(1) %}",
        "{% for i in range(10**9) %}{% endfor %}",
    ],
)
def test_attacks_end_in_an_error(attack):
    with pytest.raises(BackendError, match="chat template") as caught:
        template.render(attack, HELLO)
    assert caught.value.slug == "chat-template"


def test_the_helpers_lead_nowhere():
    assert template.render("{{ raise_exception.__globals__ }}{{ strftime_now.__self__ }}", HELLO) == ""


def test_a_template_may_refuse_a_conversation():
    with pytest.raises(BackendError, match="roles must alternate"):
        template.render("{{ raise_exception('roles must alternate') }}", HELLO)


def test_a_broken_template_names_its_line():
    with pytest.raises(BackendError, match="line 2"):
        template.render("\n{% if %}", HELLO)


def test_size_has_limits(monkeypatch):
    with pytest.raises(BackendError, match="the limit is"):
        template.render("x" * (template.MAX_TEMPLATE + 1), HELLO)
    monkeypatch.setattr(template, "MAX_RENDERED", 1000)
    with pytest.raises(BackendError, match="more than 1000"):
        template.render("{% for i in range(9999) %}abc{% endfor %}", HELLO)


def test_a_date_in_a_template_does_not_change_overnight():
    assert template.render("{{ strftime_now('%d %b %Y') }}", HELLO) == "26 Jul 2024"


def test_a_users_markup_is_not_escaped():
    assert template.render("{{ messages[0].content }}", (Message(role="user", content="<b> & 'x'"),)) == "<b> & 'x'"


LOOPS = "{% for number in range(99999) %}" * 3 + "{% endfor %}" * 3


def test_a_template_that_loops_for_ever_is_stopped_and_the_next_one_renders(monkeypatch):
    monkeypatch.setattr(template, "MAX_SECONDS", 0.3)
    with pytest.raises(BackendError, match=r"not done after 0\.3 s") as caught:
        template.render(LOOPS, HELLO)
    assert caught.value.slug == "chat-template"
    monkeypatch.setattr(template, "MAX_SECONDS", 60.0)
    assert template.render("{{ messages[0].role }}", HELLO) == "user"


def test_the_time_of_a_template_that_is_done_never_ends_something_else(monkeypatch):
    monkeypatch.setattr(template, "MAX_SECONDS", 0.001)
    for _ in range(200):  # some are stopped, some are not: nothing else may be
        with contextlib.suppress(BackendError):
            template.render("{% for a in range(300) %}{{ a }}{% endfor %}", HELLO)
    total = sum(range(300_000))
    assert total == 299_999 * 150_000


@pytest.mark.parametrize(
    "greedy",
    [
        "{{ 'x' * 10**9 }}",
        "{{ 10**9 * 'x' }}",
        "{{ [0] * 10**9 }}",
        "{{ 9**9999999 }}",
        "{{ 9999**9**9 }}",
        "{% set n = namespace(x=9**999) %}{% for _ in range(40) %}{% set n.x = n.x * n.x %}{% endfor %}",
        "{% set n = namespace(x='x' * 10**6) %}{% for _ in range(9) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x='x' * 10**6) %}{% for _ in range(9) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x=[1] * 10**6) %}{% for _ in range(9) %}{% set n.x = n.x + n.x %}{% endfor %}",
        # a list of a list of lists is small until it is text
        "{{ '%300000000d' % 1 }}",
        "{{ '%*d' % (300000000, 1) }}",
        "{{ '%.300000000f' % 1 }}",
        "{{ '%-300000000d' % 1 }}",
        "{{ '%1.300000000f' % 1 }}",
        "{{ '%*.300000000f' % (1, 1) }}",
        "{{ '%(a(b))300000000d' % {'a(b)': 1} }}",
        "{{ '%(a)s%(a)s%(a)s' % {'a': 'x' * 10**7} }}",
        "{{ '%300000000d'|format(1) }}",
        "{{ '{:>300000000}'.format(1) }}",
        "{{ '{0}{0}{0}'.format('x' * 10**7) }}",
        "{{ '{a:>300000000}'.format_map({'a': 1}) }}",
        "{{ 'a'.ljust(300000000)|length }}",
        "{{ 'a'.rjust(300000000)|length }}",
        "{{ 'a'.center(300000000)|length }}",
        "{{ 'a'|center(300000000)|length }}",
        "{{ ['a']|map('center', 300000000)|list|length }}",
        "{{ ('a'|attr('zfill'))(300000000)|length }}",
        "{{ 'a'.encode().ljust(300000000)|length }}",
        "{{ (1).to_bytes(300000000, 'big')|length }}",
        "{{ '\t'.expandtabs(300000000)|length }}",
        "{{ ('a' * 10000).replace('a', 'b' * 10000)|length }}",
        "{{ ('a' * 10000).replace('', 'b' * 10000)|length }}",
        "{{ ('a' * 10000)|replace('a', 'b' * 10000)|length }}",
        "{{ ('a' * 10000).translate({97: 'b' * 10000})|length }}",
        "{{ ('b' * 10000).join('a' * 10000)|length }}",
        "{{ (['a' * 10000] * 10000)|join|length }}",
        "{{ ('a' * 10000)|join('b' * 10000)|length }}",
        "{{ ('\n' * 10000)|indent(10000, blank=true)|length }}",
        "{{ [1]|tojson(indent=300000000)|length }}",
        "{{ ('a ' * 10000)|wordwrap(1, wrapstring='b' * 10000)|length }}",
        "{{ ('a ' * 10000)|wordwrap(1, true, 'b' * 10000)|length }}",
        "{{ ('a'|safe).ljust(300000000)|length }}",
        "{{ ('%300000000d'|safe) % 1 }}",
        "{{ ('{:>300000000}'|safe).format(1) }}",
    ],
)
def test_what_makes_much_of_little_is_an_error(greedy, monkeypatch):
    monkeypatch.setattr(template, "MAX_SECONDS", 120.0)  # not for being slow
    tracemalloc.start()
    try:
        with pytest.raises(BackendError, match="more than 16777216"):
            template.render(greedy, HELLO)
        assert tracemalloc.get_traced_memory()[1] < 300_000_000  # before it is made, not after
    finally:
        tracemalloc.stop()


NESTED = "{% set n = namespace(x='x') %}{% for _ in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ WHAT }}"


@pytest.mark.parametrize(
    "what",
    [
        *("n.x", "n.x ~ ''", "n.x|string", "n.x|upper", "'%s' % n.x", "n.x|tojson", "n.x|join"),
        *("'{}'.format(n.x)", "'%s'|format(n.x)"),
    ],
)
def test_what_is_small_until_it_is_text_is_an_error(what, monkeypatch):
    monkeypatch.setattr(template, "MAX_RENDERED", 10**6)
    with pytest.raises(BackendError, match="more than 1000000"):
        template.render(NESTED.replace("WHAT", what), HELLO)


def test_ordinary_arithmetic_works():
    assert template.render("{{ 6 * 7 }} {{ 2 ** 10 }} {{ '-' * 3 }} {{ 0.5 * 4 }}", HELLO) == "42 1024 --- 2.0"
    assert template.render("{{ 1 + 2 }} {{ 7 % 4 }} {{ 'a' + 'b' }} {{ [1] + [2] }}", HELLO) == "3 3 ab [1, 2]"


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
def test_what_is_watched_works_as_ever(source, text):
    assert template.render(source, HELLO) == text


def test_a_template_with_a_concatenation_still_names_its_line():
    with pytest.raises(BackendError, match="line 2"):
        template.render("{{ 'a' ~ 'b' }}\n{% if %}", HELLO)


def test_a_width_that_is_a_field_is_refused():
    # it may be put together from several values
    with pytest.raises(BackendError, match="not supported"):
        template.render("{{ '{:>{a}{b}}'.format(1, a='3', b='00000000') }}", HELLO)


TURNS = """{% for m in messages %}[{{ m.role }}{% if m.name is defined %} {{ m.name }}{% endif %}]{{ m.content }}\
{% if m.tool_calls is defined %}{% for c in m.tool_calls %}<{{ c.function.name }}:{{ c.function.arguments | tojson }}>\
{% endfor %}{% endif %}{% if m.tool_call_id is defined %}({{ m.tool_call_id }}){% endif %}{% endfor %}"""


def test_a_template_sees_calls_and_results_and_nothing_that_was_not_said():
    # many templates test `is defined`, and a None field is defined
    call = ToolCall(name="f", arguments={"x": "a"}, id="7")
    turns = [
        Message(role="user", content="q"),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="3", tool_call_id="7", name="f"),
    ]
    assert template.render(TURNS, turns) == '[user]q[assistant]<f:{"x": "a"}>[tool f]3(7)'


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

"""Chat templates are foreign programs: they render, and they do nothing else."""

import contextlib

import pytest

from pytest_slm.backends import template
from pytest_slm.core.types import Message
from pytest_slm.errors import BackendError

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
    "greedy", ["{{ 'x' * 10**9 }}", "{{ 10**9 * 'x' }}", "{{ [0] * 10**9 }}", "{{ 9**9999999 }}", "{{ 9999**9**9 }}"]
)
def test_operators_that_make_much_of_little_are_errors(greedy):
    with pytest.raises(BackendError, match="more than 16777216"):
        template.render(greedy, HELLO)


def test_ordinary_arithmetic_works():
    assert template.render("{{ 6 * 7 }} {{ 2 ** 10 }} {{ '-' * 3 }} {{ 0.5 * 4 }}", HELLO) == "42 1024 --- 2.0"

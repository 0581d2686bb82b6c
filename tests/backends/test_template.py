"""Chat templates are foreign programs: they render, and they do nothing else."""

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

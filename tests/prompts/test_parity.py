"""Chat templates write the prompts that they write in transformers, character by character."""

from datetime import UTC, datetime

import pytest

from pytest_slm.core.types import Message, ToolCall
from pytest_slm.prompts import process
from pytest_slm.prompts.template import TOOL, variables

HELLO = Message(role="user", content="Hello")
CALL = ToolCall(name="look_up", arguments={"word": "Zürich & <b>'x'\""}, id="abcdef123")
CASES = {
    "generation": (
        "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>\n"
        "{% endgeneration %}{% else %}{{ m.role }}: {{ m.content }}\n{% endif %}{% endfor %}"
    ),
    "generation keeps its variables": (
        "{% set a = 1 %}{% generation %}{% set a = 2 %}{{ a }}{% endgeneration %}{{ a }}{{ messages[0].content }}"
    ),
    "generation trims": "{%- for m in messages -%} {%- generation -%} {{ m.content }} {% endgeneration %} {% endfor %}",
    "tojson": "{{ tools | tojson }}",
    "tojson ascii": "{{ tools | tojson(ensure_ascii=True) }}",
    "tojson unescaped": "{{ messages | tojson(ensure_ascii=False) }}",
    "tojson indent": "{{ tools | tojson(indent=4) }}{{ [1, {}] | tojson(False, 2) }}",
    "tojson separators": "{{ tools | tojson(separators=(',', ':'), sort_keys=true) }}",
    "break and continue": (
        "{% for m in messages %}{% if loop.index == 2 %}{% continue %}{% endif %}{{ m.content }}"
        "{% if loop.index == 3 %}{% break %}{% endif %}{% endfor %}"
    ),
    "raise_exception": "{{ raise_exception('No system') if messages[0].role == 'system' }}{{ messages[0].content }}",
    "date": "{{ strftime_now('%d %b %Y') }}{{ messages[0].content }}",
    "white space": "  {% if true %}\n    a\n  {% endif %}\n\n  {%- if true %} b {% endif -%}\n c{# no #}\n{{ 'd' }}\n",
    "namespace": "{% set n = namespace(a=1, self=2) %}"
    "{% for m in messages %}{% set n.a = n.a + 1 %}{% endfor %}{{ n.a }}",
    "namespace underscore": "{% set n = namespace(_a=1) %}{{ n }}",
    "dict": "{{ dict(a=1, **{'b': 2}) }}{{ dict([('a', 1)]) | tojson }}",
    "documents": "{{ documents is defined }}{{ documents is none }}",
    "slices": "{% for m in messages[::-1] %}{{ loop.index0 }}{{ m.content.split('l')[-1].strip() }}{% endfor %}",
    "tests": "{% for m in messages %}{{ m.content is string }}{{ m.name is defined }}{{ m is mapping }}{% endfor %}",
    "macro": "{% macro turn(m, last=false) %}<{{ m.role }}{{ caller is defined }}{{ last }}>{% endmacro %}"
    "{% for m in messages %}{{ turn(m, loop.last) }}{% endfor %}",
    "recursion": "{% macro f(t) %}{% for k, v in t.items() %}{{ k }}{% if v is mapping %}({{ f(v) }}){% endif %}"
    "{% endfor %}{% endmacro %}{% for t in tools or [] %}{{ f(t) }}{% endfor %}",
    "filters": (
        "{{ messages | map(attribute='role') | list | unique | join(',') }}"
        "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{{ {'b': 1, 'a': 2} | dictsort }}"
        "{{ [3, 1] | sort }}{{ 'a b' | title }}{{ none | default('x', true) }}{{ '<b>' | safe }}"
        "{{ '<b>' | escape }}{{ 'aXa' | replace('X', '-') }}{{ 'a\nb' | indent(2, true) }}{{ ' x ' | trim }}"
    ),
    "what is imported late": (
        "{{ 'a b c' | wordwrap(3) }}{{ [1] | pprint }}{{ '<a>b' | striptags }}{{ 'é'.encode('latin-1') }}"
        "{{ 12345 | filesizeformat }}{{ 'www.a.org' | urlize }}{{ {'a': 'ä b'} | urlencode }}"
    ),
    "an attribute that is missing": "{{ messages[0].reasoning_content }}|{{ messages[0]['x'] is defined }}",
    "error": "{{ messages[9].content.x }}",
    "syntax error": "{{ messages[0].content",
    "attack": "{{ ''.__class__.__mro__ }}",
}
FAILING = ("error", "syntax error", "attack", "namespace underscore")
CONVERSATIONS = (
    (HELLO,),
    (Message(role="system", content="Be brief."), HELLO),
    (HELLO, Message(role="assistant", content="“Hi” <b>&'\n"), Message(role="user", content="é 😀 {{ x }}")),
    (
        HELLO,
        Message(role="assistant", content="", tool_calls=(CALL,)),
        Message(role="tool", content="a city", tool_call_id="abcdef123", name="look_up"),
    ),
)


def test_prompts_are_those_of_transformers(monkeypatch):
    theirs = pytest.importorskip("transformers.utils.chat_template_utils", reason="needs transformers")
    monkeypatch.setattr(theirs, "datetime", _Fixed)
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    for name, source in CASES.items():
        asks = [{**variables(messages, tools), **tokens} for messages in CONVERSATIONS for tools in ((), (TOOL, TOOL))]
        ours, _ = process.render(source, asks)
        texts = [rendering.text for rendering in ours]
        assert (name, texts) == (name, [_theirs(theirs, source, asked) for asked in asks])
        assert any(texts) == (name not in FAILING), (name, ours)


class _Fixed:
    """A clock that stands where templates are told it does."""

    @staticmethod
    def now():
        return datetime(2024, 7, 26, tzinfo=UTC)


def _theirs(module, source, asked):
    named = {name: value for name, value in asked.items() if name not in ("messages", "tools", "documents")}
    try:
        (text,), _ = module.render_jinja_template([asked["messages"]], asked["tools"], chat_template=source, **named)
    except Exception:  # whatever a template raises there, it is an error here
        return None
    return text

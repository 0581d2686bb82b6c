"""What templates print is escaped, whatever kind of value it is."""

import jinja2
import pytest
from markupsafe import escape

from pytest_slm.site.render import environment


class Odd(str):
    """A text that says of itself that it is safe."""

    __slots__ = ()

    def __str__(self):
        return "<i>"


@pytest.mark.parametrize("template", ["{{ x }}", "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(x) }}", "{{ 'a' ~ x }}"])
@pytest.mark.parametrize("value", ["<script>", '"', "'", "&", Odd("<i>")])
def test_no_way_of_printing_leaves_a_mark(template, value):
    text = environment().from_string(template).render(x=value)
    assert "<" not in text
    assert text.removeprefix("a") == str(escape(value))


def test_a_part_that_is_marked_as_safe_is_printed_as_it_is():
    assert environment().from_string("{{ x | safe }}{{ y }}").render(x="<b>", y="<b>") == "<b>&lt;b&gt;"
    assert environment().from_string("{% autoescape false %}{{ x }}{% endautoescape %}").render(x="<b>") == "<b>"


@pytest.mark.parametrize("where", ["a{}", "{}a", "aa{}aa" * 50, "\u2028{}\x00", "\ud83d{}"])
@pytest.mark.parametrize("mark", [*"&<>\"'"])
def test_a_mark_is_found_wherever_it_stands(where, mark):
    text = where.replace("{}", mark)
    assert environment().from_string("{% for x in [x] %}{{ x }}{% endfor %}").render(x=text) == str(escape(text))


@pytest.mark.parametrize("value", [None, 1.5, True, ["<"], {"<": "'"}, escape("<b>")])
def test_what_is_no_text_is_printed_as_jinja_prints_it(value):
    plain = jinja2.Environment(autoescape=True)
    assert environment().from_string("{{ x }}").render(x=value) == plain.from_string("{{ x }}").render(x=value)


def test_every_template_escapes_by_the_quicker_way():
    """Should jinja no longer ask us how, pages would still be right, and this says that they are slower."""
    made = environment()
    source = made.compile("{{ x }}{% macro m(y) %}{{ y }}{% endmacro %}", raw=True)
    assert source.count("environment.escaped(") == 2
    assert " escape(" not in source.partition("\ndef ")[2]

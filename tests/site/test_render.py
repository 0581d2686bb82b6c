"""What templates print is escaped, whatever kind of value it is."""

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

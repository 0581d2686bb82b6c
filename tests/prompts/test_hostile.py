"""Chat templates that want memory, time, or a way out: a list by hand, and any number from a seed.

Every one of them ends as an error. Sizes are beyond what the process may have, so that it is a limit that ends a
template, and not its modesty.
"""

import random
import subprocess
import sys
import time

import psutil
import pytest

from pytest_slm.errors import BackendError
from pytest_slm.prompts import process

GREEDY = (
    # integers: C code that keeps the interpreter's lock
    "{{ ('f' * 9999999)|int(0, 16) // 3 }}",
    "{% set n = ('f' * 1000000)|int(0, 16) %}{{ (n * n) % (n // 7) }}",
    "{{ 9 ** 99999999 }}",
    "{{ (9 ** 9999999) // (7 ** 999999) }}",
    "{{ 3 ** 9999999 % 10 ** 99999 }}",
    "{{ (10 ** 5000)|string }}",
    "{{ '%d' % (10 ** 100000) }}",
    "{{ (1).to_bytes(9999999999, 'big')|length }}",
    "{{ 2 ** 99999999999999 }}",
    "{{ -7 ** 99999999 }}",
    "{{ [9 ** 99999999]|sum }}",
    "{{ (9 ** 99999999)|filesizeformat }}",
    "{{ 1 if 9 ** 99999999 > 3 else 2 }}",
    # texts
    "{{ 'x' * 10 ** 12 }}",
    "{{ 'x'|center(10 ** 11) }}",
    "{{ '%999999999999d' % 1 }}",
    "{{ '%*d' % (9999999999, 1) }}",
    "{{ '{:>9999999999}'.format(1) }}",
    "{{ '{:{w}}'.format(1, w=9999999999) }}",
    "{{ '{:>{a}{b}}'.format(1, a='9999', b='999999') }}",
    "{{ ('a' * 100000).replace('', 'b' * 100000) }}",
    "{{ ('a' * 100000)|replace('a', 'b' * 100000) }}",
    "{{ ('b' * 100000).join('a' * 100000) }}",
    "{{ ('a' * 100000)|join('b' * 100000) }}",
    "{{ ('a' * 100000).translate({97: 'b' * 100000}) }}",
    "{{ '\t'.expandtabs(9999999999) }}",
    "{{ ('\n' * 100000)|indent(100000, blank=true) }}",
    "{{ [[1]]|tojson(indent=9999999999) }}",
    "{{ [1, 2]|tojson(separators=('x' * 10 ** 9, ':')) }}",
    "{{ ('a ' * 100000)|wordwrap(1, wrapstring='b' * 100000) }}",
    "{{ 'x'.encode().ljust(9999999999) }}",
    "{{ 'x'.zfill(9999999999) }}",
    "{{ ('a'|safe).ljust(9999999999) }}",
    "{{ ('<' * 10 ** 9)|escape }}",
    "{{ ('a' * 10 ** 9)|urlencode }}",
    "{{ '%(a)s%(a)s' * 10 ** 8 % {'a': 'x' * 10 ** 8} }}",
    "{% set n = namespace(x='x') %}{% for _ in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{% set n = namespace(x='x') %}{% for _ in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% for _ in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
    "{% set x %}{% for _ in range(99999) %}{{ 'x' * 10 ** 5 }}{% endfor %}{% endset %}",
    "{% filter upper %}{% for _ in range(99999) %}{{ 'x' * 10 ** 5 }}{% endfor %}{% endfilter %}",
    "{% macro m() %}{% for _ in range(99999) %}{{ 'x' * 10 ** 5 }}{% endfor %}{% endmacro %}{{ m()|length }}",
    # lists that keep what is big
    "{{ [0] * 10 ** 11 }}",
    "{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% set n.l = n.l + ['x' * 10 ** 6 ~ i] %}{% endfor %}",
    "{% set n = namespace(l=[1]) %}{% for i in range(99) %}{% set n.l = n.l + n.l %}{% endfor %}",
    "{% set n = namespace(d={}) %}{% for i in range(99999) %}{% set n.d = dict(n.d, **{'k' ~ i: 'x' * 10 ** 6 ~ i}) %}"
    "{% endfor %}",
    "{% set n = namespace(x='x') %}{% for _ in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
    "{% set n = namespace(x='x') %}{% for _ in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x|tojson }}",
    "{% set n = namespace(x=[]) %}{% for _ in range(99999) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
    "{{ range(99999)|map('string')|map('center', 100000)|list }}",
    "{{ ('a,' * 10 ** 9).split(',')|length }}",
    "{{ (range(99999)|list * 99999)|unique|list }}",
    "{{ (range(99999)|list * 99999)|batch(1)|list }}",
    "{{ ('ab' * 10 ** 9)|list|sort }}",
    "{{ ('x' * 10 ** 9)|reverse }}",
    "{{ lipsum(n=99999999) }}",
    # time
    "{% for number in range(99999) %}" * 3 + "{% endfor %}" * 3,
    "{{ range(99999)|map('string')|sum(start='') }}",
    "{% for i in range(10 ** 9) %}{% endfor %}",
    "{% set l = ['a' * 30000] * 3000 %}{% for i in range(99999) %}{{ l|join|replace('ab', 'b')|length }}{% endfor %}",
    "{% set t = '<a' * 99999 %}{% for i in range(99999) %}{{ t|striptags|length }}{% endfor %}",
    # depth
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{% for _ in range(2) %}{{ f() }}{% endfor %}{% endmacro %}{{ f() }}",
    "{% for m in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + "[" * 20000 + "]" * 20000 + " }}",
    "{{ " + "not " * 20000 + "1 }}",
    "{{ " + "-" * 50000 + "1 }}",
    "{{ 1" + " + 1" * 50000 + " }}",
    "{{ 'a'" + "|upper" * 30000 + " }}",
    "{{ a" + ".b" * 30000 + " }}",
    "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
    "{% for a in [1] %}" * 200 + "{% endfor %}" * 200,
)
"""For memory and time: most of them cost the process that renders."""

INTRUSIVE = (
    # ways out
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ().__class__.__bases__[0].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].system('id') }}",
    "{{ joiner.__init__.__globals__['__builtins__']['open']('/etc/passwd').read() }}",
    "{{ namespace.__init__.__globals__['os'].environ.PATH.x }}",
    "{{ self.__init__.__globals__.__builtins__.x }}",
    "{{ self._TemplateReference__context.environment.loader.x }}",
    "{{ raise_exception.__globals__['sys'].modules.x }}",
    "{{ strftime_now.__closure__[0].cell_contents }}",
    "{{ (''|attr('__class__'))|attr('__mro__')|attr('x')|list|first }}",
    "{{ (messages|map(attribute='__class__')|first).__mro__ }}",
    "{{ (['']|map('attr', '__class__')|map('attr', '__base__')|list|first).x.y }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(raise_exception) }}",
    "{{ ('{0.__class__}'|safe).format(1).x.y }}",
    "{{ '{x.__class__}'.format_map({'x': 1}).x.y }}",
    "{{ ''['format']('{0.__class__}').__class__.x }}",
    "{{ ('{0.__class__}'|attr('format'))(1).x.y }}",
    "{% set _ = messages.append(1) %}",
    "{% set _ = messages[0].update({'role': 'x'}) %}",
    "{% set n = namespace(__class__=1) %}",
    "{% set n = namespace() %}{% set n.__class__ = 1 %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os.x }}",
    "{% extends '/etc/passwd' %}",
    "{{ (1).__class__.__base__.__subclasses__() }}",
    "{% macro m() %}{{ caller.__code__.co_code }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% macro m() %}{% endmacro %}{{ m.__func__.__globals__.x }}",
    "{{ (range(1)|map('upper')).gi_frame.f_globals }}",
    "{{ strftime_now('%' * 10 ** 9) }}",
    # texts of errors
    "{{ raise_exception('\x1b[2J\x1b[31mgone\x07') }}",
    "{{ raise_exception('a\nb\r\nc\u2028d\u202ee') }}",
    "{{ raise_exception('x' * 10 ** 8) }}",
    "{{ raise_exception(messages) }}",
    "{{ undefined_thing.attribute }}",
    "{{ {}['\x1b[31m'].x }}",
    "{% if %}",
    "{{",
    "{% unknown_tag %}",
    "{{ 1|unknown_filter }}",
    "{{ 'a'|int(base=99).x }}",
    "{{ '\\ud800'.encode() }}",
)

NUMBERS = ("9 ** 99999999", "('f' * 9999999)|int(0, 16) // 3", "(7 ** 9999999) % (3 ** 999999)")
TEXTS = (
    "'x' * 10 ** 11",
    "'%9999999999d' % 1",
    "'x'.rjust(9999999999)",
    "('a' * 99999).replace('', 'b' * 99999)",
    "('b' * 99999).join('a' * 99999)",
    "'{:>9999999999}'.format(1)",
    "'x'|center(10 ** 10)",
    "[1]|tojson(indent=10 ** 10)",
)
LISTS = ("[0] * 10 ** 10", "range(99999)|list * 99999", "('x' * 10 ** 6 ~ '')|list * 9999")
SLOW = ("range(99999)|map('string')|sum(start='')",)
ESCAPES = (
    "''.__class__.__mro__[1].x",
    "cycler.__init__.__globals__.os.x",
    "((''|attr('__class__'))|attr('__mro__')|list|first).x.y",
    "'{0.__class__}'.format(1).x.y",
    "raise_exception.__code__.co_consts",
    "messages.append(1)",
)
FRAMES = (
    "{{ EXPR }}",
    "{% set x = EXPR %}{{ x|length }}",
    "{% if EXPR %}a{% endif %}{{ (EXPR).x.y }}",
    "{% for x in [EXPR] %}{{ x }}{% endfor %}",
    "{% macro m(x=EXPR) %}{{ x }}{% endmacro %}{{ m() }}",
    "{% set n = namespace(l=[]) %}{% for i in range(9999) %}{% set n.l = n.l + [EXPR] %}{% endfor %}",
    "{% macro m(x) %}{{ caller(x) }}{% endmacro %}{% call(y) m(EXPR) %}{{ y }}{{ EXPR }}{% endcall %}",
    "{% filter upper %}{{ EXPR }}{% endfilter %}",
    "{% generation %}{{ EXPR }}{% endgeneration %}",
    "{% set x %}{{ EXPR }}{% endset %}{{ x }}",
    "{% with x = EXPR %}{{ x ~ x }}{% endwith %}",
    "{{ raise_exception(EXPR) }}",
    "{% for m in messages if EXPR %}{{ (EXPR)|string|length }}{% break %}{% endfor %}{{ (EXPR).x.y }}",
)
CHANGES = (
    *("EXPR", "(EXPR)|string", "[EXPR, EXPR]", "(EXPR) ~ (EXPR)", "{'k': EXPR}", "(EXPR)|list"),
    "dict(a=EXPR)|tojson",
)


def made(seed):
    """A hostile template, the same for the same seed."""
    draw = random.Random(seed)
    wish = draw.choice(draw.choice((NUMBERS, TEXTS, TEXTS, LISTS, SLOW, ESCAPES, ESCAPES)))
    wish = wish.replace("99999", f"9999{draw.randrange(10)}").replace("'x'", draw.choice(("'x'", "'é'", "'😀'")))
    changed = draw.choice(CHANGES).replace("EXPR", wish)
    return draw.choice(FRAMES).replace("EXPR", f"({changed})").replace("(1", f"({draw.randrange(1, 9)}")


@pytest.fixture
def brief(monkeypatch):
    """What takes long is ended soon, and may be tried again by the next test."""
    monkeypatch.setattr(process, "MAX_SECONDS", 0.2)
    monkeypatch.setattr(process, "_fatal", {})


def survived(render, sources):
    """Those that are not one line of error each."""
    wrong = []
    for source in sources:
        try:
            wrong.append((source, render(source)))
        except BackendError as error:
            (line,) = error.args
            if error.slug != "chat-template" or not line.isprintable() or len(line) > 500:
                wrong.append((source, line))
    return wrong


def test_hostile_templates_are_errors_of_one_line_and_the_next_one_renders(brief, render, monkeypatch):
    draw = random.Random(17)
    assert survived(render, [*INTRUSIVE, *draw.sample(GREEDY, 6), *map(made, draw.sample(range(10**6), 8))]) == []
    monkeypatch.setattr(process, "MAX_SECONDS", 60.0)
    assert render("{{ messages[0].content }}") == "Hello"


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(0, 500, 100))
def test_five_hundred_hostile_templates_are_errors_of_one_line(brief, render, first):
    assert survived(render, map(made, range(first, first + 100))) == []


@pytest.mark.nightly
def test_greedy_templates_are_errors_of_one_line(brief, render):
    assert survived(render, GREEDY) == []


LOOPS = "{% for number in range(99999) %}" * 3 + "{% endfor %}" * 3


def test_a_template_that_loops_for_ever_is_tried_once(brief, render):
    with pytest.raises(BackendError, match=r"not done after 0\.2 s"):
        render(LOOPS)
    (started,) = process._renderers
    with pytest.raises(BackendError, match=r"not done after 0\.2 s"):
        render(LOOPS)
    assert process._renderers == [started]  # dead, and nothing was started for the second


def test_an_integer_that_no_limit_of_python_stops_is_stopped(brief, render):
    with pytest.raises(BackendError, match=r"not done after 0\.2 s"):
        render("{{ 9 ** 99999999 }}")


def test_memory_has_a_limit_of_the_kernel_and_of_who_looks(monkeypatch, render):
    greedy = (
        "{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% set n.l = n.l + ['x' * 10 ** 6 ~ i] %}{% endfor %}"
    )
    monkeypatch.setattr(process, "_fatal", {})
    monkeypatch.setattr(process, "MAX_SECONDS", 120.0)  # not for being slow
    with pytest.raises(BackendError, match="took more than"):
        render(greedy)
    # where the kernel has no such limit, or it is not reached
    monkeypatch.setattr(process, "MAX_MEMORY", 1_500_000_000)
    assert render("{{ messages[0].content }}") == "Hello"
    monkeypatch.setattr(process._renderers[0], "_memory", 100_000_000)
    with pytest.raises(BackendError, match="took more than"):
        render(greedy + " ")
    process.close()


def test_a_process_that_dies_is_an_error_with_its_signal_and_the_next_one_is_new(render, monkeypatch):
    assert render("{{ messages[0].content }}") == "Hello"
    (renderer,) = process._renderers
    monkeypatch.setattr(process, "_fatal", {})
    monkeypatch.setattr(type(renderer), "alive", True)
    renderer._process.kill()
    with pytest.raises(BackendError, match=r"ended by SIGKILL|exit code"):
        render("{{ messages[0].role }}")
    monkeypatch.undo()
    assert render("{{ messages[0].role }}") == "user"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_the_process_may_open_nothing(render):
    assert render("{{ messages[0].content }}") == "Hello"
    child = psutil.Process(process._renderers[0]._process.pid)
    if not hasattr(child, "rlimit"):
        pytest.skip("limits of another process can be read on Linux only")
    assert child.rlimit(psutil.RLIMIT_NOFILE) == child.rlimit(psutil.RLIMIT_NPROC) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_AS)[0] == process.MAX_MEMORY


ORPHAN = """
import time
from pytest_slm.prompts import process
process.render("{{ 1 }}", [{}])
print(process._renderers[0]._process.pid, flush=True)
time.sleep(600)
"""


def test_the_process_ends_with_whoever_started_it():
    starter = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(starter.stdout.readline()))
    starter.kill()
    starter.communicate()
    until = time.monotonic() + 30
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
        time.sleep(0.02)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

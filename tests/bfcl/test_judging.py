"""Whatever a model writes has a verdict: by BFCL's reading, by ours, and strictly."""

import time

import pytest

from pytest_slm.bfcl.formats import FORMATS, PromptFormat
from pytest_slm.bfcl.judging import judge
from pytest_slm.bfcl.prompting import PromptForm
from pytest_slm.core.types import Generation

JSON_CALL = '{"name": "f", "arguments": {"x": 1}}'


@pytest.fixture
def verdict(texts):
    """``verdict(question, text)``: (ours, BFCL's, strict), by BFCL's own format or another one; None is a template."""

    def of(question, text, form=PromptFormat()):  # noqa: B008
        asking = PromptForm(texts=texts, form=form, max_tokens=10, seed=0)
        told = judge(question, Generation(text=text, n_prompt=1, n_output=1, finish="stop"), asking)
        assert told.explanation
        return told.value, told.values["bfcl"], told.values["strict"]

    return of


@pytest.fixture
def one(question):
    return question({"f": {"x": [1]}}, x="integer")


@pytest.fixture
def none(question):
    return question(category="irrelevance", names=("f",), x="integer")


AS_ASKED = [
    "[f(x=1)]",
    "f(x=1)",
    "`[f(x=1)]`",
    "```\n[f(x=1)]\n```",
    " [f(x=1)]\n",
    "[f(x=2-1)]",
    "[f(x=1)",
]
AS_ASKED += ["[f(ⅹ=1)]"]  # in names Python itself takes the Roman numeral for the letter
OTHERWISE = [
    "```python\n[f(x=1)]\n```",
    f"<tool_call>{JSON_CALL}</tool_call>",
    f"```json\n{JSON_CALL}\n```",
    f"Sure, here it is:\n{JSON_CALL}",
    "I will call it.\n[f(x=1)]",
    "<function=f><parameter=x>1</parameter></function>",
    f"[f(x=1)]\n```json\n{JSON_CALL}\n```\n<tool_call>{JSON_CALL}</tool_call>",  # several notations: the clearest one
    '<tool_call>{"name": "f", "arguments": {"x": 9, "x": 1}}</tool_call>',  # of a key that is there twice the last
]
WRONG = [
    *("", "abc", "f", "f()", "[]", "[f(x=)]", "[f(1)]", "[f(x=True)]", "[f(x='1')]", "[f(x=1.0)]", "[f(x=1), f(x=1)]"),
    *(
        "[ｆ(x=2)]",
        "[f(х=1)]",
        "[g(x=1)]",
        "[f(x=nan)]",
        "[f(x=2**70)]",
        "[f(x=10**10**10)]",
        "[f(**{'x': 1})]",
    ),
    *("[f(x=__import__('os'))]", "[f(x=(lambda: 1)())]", "[f(x=y[1])]", "<tool_call>{</tool_call>", '{"name": "f"'),
    *('<tool_call>{"name": "f", "arguments": {"x": NaN}}</tool_call>', "\ud800", "[f(x=1)]" + "\0"),
]


@pytest.mark.parametrize("text", AS_ASKED)
def test_right_as_asked(verdict, one, none, text):
    assert verdict(one, text) == (1, 1, 1)
    assert verdict(none, text) == (0, 0, 0)


@pytest.mark.parametrize("text", OTHERWISE)
def test_right_in_another_notation_is_wrong_for_bfcl_alone(verdict, one, none, text):
    assert verdict(one, text) == (1, 0, 1)
    assert verdict(one, text, None) == (1, 1, 1)  # of a template nobody knows the notation
    # BFCL takes it for no call where none is right.
    assert verdict(none, text) == (0, 1, 0)


@pytest.mark.parametrize("text", WRONG)
def test_wrong(verdict, one, text):
    assert verdict(one, text) == (0, 0, 0)
    assert verdict(one, text, None)[::2] == (0, 0)


def test_where_no_call_is_right_silence_is_no_answer(verdict, none):
    assert verdict(none, "None of the functions does that.") == (1, 1, 1)
    assert verdict(none, "[]") == (1, 1, 1)
    assert verdict(none, "") == (0, 1, 0)
    assert verdict(none, "f(x=1") == (0, 1, 0)  # begun, and broken off


def test_any_call_is_right_where_one_is_relevant(verdict, question):
    asked = question(category="live_relevance", names=("f",), x="integer")
    assert verdict(asked, "[f(x=7)]") == (1, 1, 1)
    assert verdict(asked, "I do not know.") == (0, 0, 0)
    assert verdict(asked, f"So: {JSON_CALL}") == (1, 0, 1)


def test_functions_and_arguments_may_be_called_like_keywords(verdict, question):
    asked = question({"import": {"from": [1]}}, **{"from": "integer"})
    text = '<tool_call>{"name": "import", "arguments": {"from": 1}}</tool_call>'
    assert verdict(asked, text, None) == (1, 1, 1)
    assert verdict(asked, "[import(from=1)]") == (1, 0, 1)  # for BFCL that is no Python


HUGE = {
    "a megabyte": "x" * 1_000_000,
    "a megabyte of calls": "[" + "f(x=1), " * 125_000 + "]",
    "lists": "[f(x=" + "[" * 10_000 + "]" * 10_000 + ")]",
    "calls": "f(x=" * 10_000 + ")" * 10_000,
    "objects": '{"name": "f", "arguments": ' + '{"x": ' * 10_000 + "1" + "}" * 10_000,
    "signs": "[f(x=" + "-" * 10_000 + "1)]",
    "sums": "[f(x=" + "1+" * 9_000 + "1)]",
    "digits": "[f(x=" + "9" * 10_000 + ")]",
    "xml": "<functions>" + "<function name='f'>" * 5_000 + "</functions>",
    "tags": "<TOOLCALL>" * 9_000,
}


@pytest.mark.parametrize("name", HUGE)
def test_what_is_huge_or_deep_is_wrong_and_takes_no_time(verdict, one, none, question, name):
    began = time.process_time()
    for form in (None, *FORMATS[::9]):
        assert verdict(one, HUGE[name], form)[::2] == (0, 0)
        verdict(none, HUGE[name], form)
    for category in ("simple_java", "simple_javascript"):
        pytest.importorskip("tree_sitter", reason="needs pip install 'pytest-slm[bfcl]'")
        assert verdict(question({"f": {"x": [1]}}, category=category, x="integer"), HUGE[name])[::2] == (0, 0)
    assert time.process_time() - began < 60  # quadratic time would be an hour


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("ret_fmt=json", '```json\n[{"function": "f", "parameters": {"x": 1}}]\n```'),
        ("ret_fmt=json&tool_call_tag=True", '<TOOLCALL>[{"function": "f", "parameters": {"x": 1}}]</TOOLCALL>'),
        ("tool_call_tag=True", "Well. <TOOLCALL>[f(x=1)]</TOOLCALL> That is it."),
        (
            "ret_fmt=concise_xml",
            '<functions><function name="f"><param name="x" type="integer">1</param></function></functions>',
        ),
        (
            "ret_fmt=verbose_xml",
            '<functions><function name="f"><params><param name="x" value="1" type="integer"/></params></function>'
            "</functions>",
        ),
    ],
)
def test_each_format_has_its_notation(verdict, one, form, text):
    assert verdict(one, text, PromptFormat.parse(form)) == (1, 1, 1)
    assert verdict(one, text.replace("1", "2"), PromptFormat.parse(form)) == (0, 0, 0)
    assert verdict(one, "abc", PromptFormat.parse(form)) == (0, 0, 0)


def test_java_and_javascript_are_read_from_their_own_syntax(verdict, question):
    pytest.importorskip("tree_sitter", reason="needs pip install 'pytest-slm[bfcl]'")
    java = question({"A.f": {"a": [{"k": ["ü"]}], "b": [True]}}, category="simple_java", a="HashMap", b="boolean")
    text = '[A.f(b=true, a=new HashMap<String, String>() {{ put("k", "ü"); }})]'
    # What stands between the braces of an object is lost in BFCL's reading, so that no text is right for it.
    assert verdict(java, text) == (1, 0, 1)
    script = question({"f": {"a": [{"k": ["v"]}], "b": ["x"]}}, category="simple_javascript", a="dict", b="String")
    assert verdict(script, "[f(a={k: 'v'}, b=\"x\")]") == (1, 1, 1)
    assert verdict(script, "[f({k: 'v'}, \"x\")]") == (0, 0, 0)
    assert verdict(script, "[f(a={k: 'v', b=\"x\")]") == (0, 0, 0)

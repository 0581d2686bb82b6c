"""BFCL's prompts are put together from the suite's texts."""

import pytest

from pytest_slm.bfcl.formats import FORMATS, PromptFormat, filled, hinted, system_prompt
from pytest_slm.bfcl.prompting import PromptForm, calls_schema
from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Message

NESTED = {
    "type": "dict",
    "description": "Of all.",
    "properties": {"k": {"type": "string", "enum": ["a", "b"], "default": "a,b"}},
}


def test_there_are_26_formats_and_the_first_words_of_none_is_bfcls_own():
    assert len({str(form) for form in FORMATS}) == 26
    assert PromptFormat() in FORMATS
    assert PromptFormat.parse("") == PromptFormat()
    assert all(PromptFormat.parse(str(form)) == form for form in FORMATS)
    assert (
        str(PromptFormat()) == "ret_fmt=python&tool_call_tag=False&func_doc_fmt=json&prompt_fmt=plaintext&style=classic"
    )


@pytest.mark.parametrize("wrong", ["ret_fmt=yaml", "tool_call_tag=1", "colour=red", "x"])
def test_another_format_is_refused(wrong):
    with pytest.raises(RecordError, match="format:"):
        PromptFormat.parse(wrong)


def test_what_is_filled_in_is_no_place():
    assert filled("{a} {b} {c}", a="{b}", b="x") == "{b} x {c}"


def test_functions_as_python_and_as_xml(texts, question):
    asked = question({"f": {"a": [1]}}, a="integer", b={"type": "array", "items": {"type": "float"}}, c=NESTED)
    shown = hinted(asked.functions, asked.category, texts)
    python = system_prompt(PromptFormat(func_doc_fmt="python"), shown, texts)
    assert "        b (list[float]): \n        c (dict): Of all.\n" in python
    assert "            k (str, default='a,b'):  Enum values: ['a', 'b'].\n" in python
    xml = system_prompt(PromptFormat(func_doc_fmt="xml"), shown, texts)
    assert '    <param name="b" type="array[float]" required="false">\n      <desc></desc>\n    </param>\n' in xml
    assert '        <param name="k" type="string" required="true" default="\'ab\'">' in xml  # every comma is gone


def test_parameters_of_java_are_shown_as_texts(texts, question):
    asked = question({"f": {"a": ["x"]}}, category="simple_java", a={"type": "Array", "items": {"type": "String"}})
    schema = hinted(asked.functions, asked.category, texts)[0]["parameters"]["properties"]["a"]
    assert schema["type"] == "string"
    assert schema["description"].startswith(" This is Java Array type parameter in string representation. The list")
    assert "items" not in schema
    assert asked.functions[0]["parameters"]["properties"]["a"]["type"] == "Array"  # the question itself stays


def test_functions_stand_before_a_system_message_of_the_question(texts, question):
    asked = question({"f": {"a": [1]}}, a="integer")
    said = (Message(role="system", content="Be kind."), Message(role="user", content="One."))
    asking = PromptForm(texts=texts, form=PromptFormat(), max_tokens=9, seed=0)
    asked = type(asked)(**{**vars(asked), "messages": (*said, Message(role="user", content="Two."))})
    system, user = asking.messages(asked)
    assert system.content.startswith("You are an expert")
    assert system.content.endswith("Be kind.")
    assert user.content == "One.\n\nTwo."  # many templates refuse two turns of the user in a row


def test_a_grammar_allows_no_call(texts, question):
    jsonschema = pytest.importorskip("jsonschema")
    asked = question({"f": {"a": [1]}}, names=("g",), a="integer", c=NESTED)
    schema = calls_schema(asked, texts)
    right = [{"function": "f", "parameters": {"a": 1, "c": {"k": "b"}}}]
    for answer in ([], right, right * 2):
        jsonschema.validate(answer, schema)
    for answer in ({}, [{"function": "h", "parameters": {}}], [{"function": "f", "parameters": {"z": 1}}]):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(answer, schema)
    nothing = calls_schema(question(), texts)  # some rows have no function at all
    jsonschema.Draft202012Validator.check_schema(nothing)
    jsonschema.validate([], nothing)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(right, nothing)

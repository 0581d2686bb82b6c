"""Runs in an environment that has bfcl-eval: reads a line of JSON for each answer, and writes what BFCL makes of it.

It is started by its path, with that environment's interpreter, and imports nothing of ours. The table of models that
``bfcl_eval`` wants to know imports the clients of a dozen vendors; of it the checker asks one thing, which stands here.
"""

import contextlib
import io
import json
import sys
import types
from collections import defaultdict


def prepare():
    """Put what stands for the table of models in its place, and return the parts of bfcl_eval that are asked."""
    table = types.ModuleType("bfcl_eval.constants.model_config")
    table.MODEL_CONFIG_MAPPING = defaultdict(lambda: types.SimpleNamespace(underscore_to_dot=False))
    sys.modules[table.__name__] = table
    from bfcl_eval.constants.enums import Language, ReturnFormat
    from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker
    from bfcl_eval.model_handler import utils
    from bfcl_eval.utils import is_empty_output, is_function_calling_format_output

    return Language, ReturnFormat, ast_checker, utils, is_empty_output, is_function_calling_format_output


def values(value):
    """A value out of JSON in which a tuple is written ``{"__tuple__": [...]}``."""
    if isinstance(value, list):
        return [values(one) for one in value]
    if isinstance(value, dict):
        return (
            tuple(values(value["__tuple__"]))
            if set(value) == {"__tuple__"}
            else {k: values(v) for k, v in value.items()}
        )
    return value


def main():
    """Answer every line."""
    language_of, format_of, ast_checker, utils, is_empty, is_calls = prepare()

    def calls_of(asked):
        if "calls" in asked:
            return values(asked["calls"])
        language = asked["language"] if asked["language"] != "python" else asked.get("ret_fmt", "python")
        return utils.default_decode_ast_prompting(asked["text"], format_of(language), asked.get("tag", False))

    def judged(asked):
        category = asked["category"]
        if "prompt" in asked:
            return utils.formulate_system_prompt(asked["prompt"], asked["functions"])
        try:
            calls = calls_of(asked)
        except Exception:  # as BFCL's runner does
            return "irrelevance" in category
        if "relevance" in category:
            return is_empty(calls) == ("irrelevance" in category)
        if not is_calls(calls):
            return False
        language = language_of(asked["language"])
        return bool(ast_checker(asked["functions"], calls, asked["answers"], language, category, "any")["valid"])

    for line in sys.stdin:
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                told = judged(json.loads(line))
            except Exception as error:  # BFCL's own failure: its runner would end here
                told = f"{type(error).__name__}: {error}"
        print(json.dumps(told), flush=True)


main()

"""The interpreter that makes the calls of chains: results are kept by label, and later arguments may name them.

Each message has the functions' modules, the calls and what the last of them should come to; see
``pytest_slm.sandbox.chains``. Nothing of it is evaluated but the modules: a call is the name of a function and plain
data for it, given in the order in which it stands, whatever the arguments are called. That, the module that is run
anew for each call, what a reference is and what equals what are as in NESTful's scorer.
"""

import sys

from pytest_slm.sandbox.guest.wire import Hangup, Reader, parse, write


class Broken(Exception):
    """A call that cannot be made, and why."""


def said(error):
    """The text of an exception, which may have a method of its own for that."""
    try:
        return f"{type(error).__name__}: {str(error)[:300]}"
    except Exception:
        return type(error).__name__


def referred(value, known):
    """What an argument stands for: ``$label.output$``, or ``$var...`` with the last mark left out."""
    if type(value) is not str or not value.startswith("$"):
        return value
    if value.endswith("$"):
        label, _, output = value[1:-1].partition(".")
    elif value.startswith("$var"):
        label, _, output = value[1:].partition(".")
    else:
        return value
    if label not in known or output not in known[label]:
        raise Broken(f"{value[:80]} refers to nothing")
    return known[label][output]


def function(name, modules, functions):
    """The function of that name, in a new module."""
    file = functions[name]
    module = sys.modules[file] = type(sys)(file)
    exec(compile(modules[file], f"<{file}>", "exec"), module.__dict__)
    return getattr(module, name)


def run(modules, functions, outputs, calls):
    """The result of the last call. Raises Broken."""
    known, result = {}, None
    for place, (name, arguments, label) in enumerate(calls, 1):
        try:
            values = [referred(value, known) for value in arguments]
            result = function(name, modules, functions)(*values)
        except (MemoryError, Hangup):
            raise
        except Broken as error:
            raise Broken(f"call {place}, {name}: {error}") from None
        except BaseException as error:  # SystemExit too: a function may not end its own trial
            raise Broken(f"call {place}, {name}: {said(error)}") from None
        known[label] = {outputs[name]: result}
    return result


def listed(value):
    """Tuples as lists, however deep."""
    return [listed(item) for item in value] if isinstance(value, (list, tuple)) else value


def equal(result, expected):
    """Whether a result is the expected one: numbers with a point are rounded to as many places as that has."""
    if type(result) is float and type(expected) is float:
        places = str(expected).partition(".")[2]
        result = round(result, len(places)) if places else result
    if type(result) is tuple and type(expected) is list:
        result = listed(result)
    return bool(result == expected)


def shown(value):
    """The beginning of a result as text."""
    try:
        return repr(value)[:500].encode("utf-8", "replace").decode()
    except Exception as error:
        return said(error)


reader = Reader()
sys.stdout = sys.stderr
sys.path.clear()
sys.path.append("/usr/local/lib/python312.zip")
while True:
    word = None
    try:
        message = parse(reader.read())
        word, expected = message.pop("word"), message.pop("expected")
        result = run(**message)
        answer = {"result": shown(result), "equal": equal(result, expected)}
    except Hangup:
        break
    except Broken as error:
        answer = {"ending": "failed", "explanation": str(error)}
    except MemoryError:
        answer = {"ending": "out_of_memory", "explanation": "the functions lacked memory"}
    except BaseException as error:  # a result whose own comparison fails is not the expected one
        answer = {"ending": "failed", "explanation": said(error)}
    write([word, answer])

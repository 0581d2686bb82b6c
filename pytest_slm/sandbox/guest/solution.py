"""The interpreter that holds the program: runs it, then does what the tests in the other interpreter ask for.

A program may do in here whatever it likes, to this code as well: all that leaves is plain data, and the tests are not
here. The first message is the program. Later ones are ``[operation, object, name, arguments, named arguments]``. The
answers are ``["v", value, changes]``, or ``["e", kinds, arguments, text, line, changes]`` for an exception; the changes
are those of the lists, dicts and the like that were handed over.
"""

import _functools
import io
import marshal
import sys

from pytest_slm.sandbox.guest.values import EXCEPTIONS, Packer, Unpacker, changed, snapshot
from pytest_slm.sandbox.guest.wire import Hangup, Reader, Unfit, parse, write

ModuleType, FunctionType = type(sys), type(lambda: None)

objects = []
"""What the other side knows by number."""
numbers = {}
"""The numbers, by identity."""


def number(value):
    """The number of an object: always the same one."""
    if id(value) not in numbers:
        if len(objects) >= 1_000_000:
            raise Unfit("too many objects")
        numbers[id(value)] = len(objects)
        objects.append(value)
    return numbers[id(value)]


def kinds(kind):
    """What an exception is: Python's own types by name, the program's by number and name; the nearest comes first."""
    return [
        part.__name__ if EXCEPTIONS.get(part.__name__) is part else [number(part), part.__name__]
        for part in kind.__mro__
        if part is not object
    ]


def opaque(value):
    """What stands for an object that does not travel: its number, and what it is as a type of exceptions."""
    exception = isinstance(value, type) and issubclass(value, BaseException)
    return ["o", number(value), kinds(value) if exception else None]


def known(tag, rest):
    """An object by its number, or a function that the tests hand over."""
    if tag == "o":
        return objects[rest[0]]
    if tag == "function":
        code = marshal.loads(bytes.fromhex(rest[0]))
        return FunctionType(code, program.__dict__, code.co_name, Unpacker(known).unpack(rest[1]))
    raise Unfit(tag)


def told(error):
    """An exception: its types, its arguments, its text, and the line of the program that raised it."""
    lines = []
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == "<program>":
            lines.append(step.tb_lineno)
        step = step.tb_next
    if isinstance(error, SyntaxError) and error.filename == "<program>":
        lines.append(error.lineno)
    try:
        text = str(error)[:500]
    except BaseException:
        text = ""
    try:
        arguments = Packer(opaque).parts(error.args)
    except BaseException:
        arguments = [text]
    return ["e", kinds(type(error)), arguments, text, lines[-1] if lines else None]


def named(name):
    """What the program calls by a name. Modules stay here: the tests have their own."""
    value = program.__dict__.get(name, sys)
    if type(value) is ModuleType:
        raise NameError(f"the program does not define {name!r}")
    return value


OPERATIONS = {
    "call": lambda target, name, given, named: target(*given, **named),
    "get": lambda target, name, given, named: getattr(target, name),
    "set": lambda target, name, given, named: setattr(target, name, *given),
    "len": lambda target, name, given, named: len(target),
    "bool": lambda target, name, given, named: bool(target),
    "str": lambda target, name, given, named: str(target),
    "repr": lambda target, name, given, named: repr(target),
    "item": lambda target, name, given, named: target[given[0]],
    "put": lambda target, name, given, named: target.__setitem__(*given),
    "iter": lambda target, name, given, named: iter(target),
    "next": lambda target, name, given, named: next(target),
    "kind": lambda target, name, given, named: isinstance(given[0], target),
}


def answer(message):
    """The answer to one message."""
    operation, target, name, given, options = message
    if operation == "name":
        return ["v", Packer(opaque).pack(named(name)), []]
    arrived = Unpacker(known)
    arguments = arrived.parts(given)
    options = {key: arrived.unpack(part) for key, part in options}
    before = [snapshot(value) for value in arrived.made]
    packer = Packer(opaque, arrived.made)
    try:
        reply = ["v", packer.pack(OPERATIONS[operation](objects[target], name, arguments, options))]
    except BaseException as error:
        reply = told(error)
        packer = Packer(opaque, arrived.made)
    places = [place for place, value in enumerate(arrived.made) if changed(before[place], value)]
    return [*reply, [[place, packer.contents(arrived.made[place])] for place in places]]


program = ModuleType("program")
sys.modules["program"] = program
reader = Reader()
source = parse(reader.read())
# Its prints go the other way, and it has nothing to read.
sys.stdout = sys.stderr
sys.stdin = io.StringIO()
sys.argv = ["program"]
sys.path.clear()
sys.path.append("/usr/local/lib/python312.zip")
if "cache" in source:
    # CPython for WASI ends 160 calls that go through C. Python's own version of lru_cache does not, at two calls each.
    del _functools._lru_cache_wrapper
    sys.setrecursionlimit(2 * sys.getrecursionlimit())
try:
    exec(compile(source, "<program>", "exec"), program.__dict__)
    first = ["v", None, []]
except BaseException as error:
    first = [*told(error), []]
write(first)
while True:
    try:
        message = parse(reader.read())
    except Hangup:
        break
    try:
        reply = answer(message)
    except BaseException as error:
        reply = [*told(error), []]
    write(reply)

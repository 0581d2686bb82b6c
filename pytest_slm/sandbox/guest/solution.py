"""The interpreter that holds the program: runs it, then does what the tests in the other interpreter ask for.

A program may do in here whatever it likes, to this code as well: all that leaves is plain data, and the tests are not
here. The first message is the program; the answer says which names it has. Later messages are
``[operation, object, ...]``, their answers ``["v", value, changed arguments]`` or ``["e", type, text]``.
"""

import io
import marshal
import sys

from pytest_slm.sandbox.guest.wire import Ended, Reader, Unfit, pack, unpack, write

ModuleType, FunctionType = type(sys), type(lambda: None)

objects = []
"""What the other side knows by number."""


def opaque(value):
    """What stands for an object that does not travel: its number, its type, and whether it can be called."""
    if len(objects) >= 100_000:
        raise Unfit("too many objects")
    objects.append(value)
    return ["o", len(objects) - 1, type(value).__name__, callable(value)]


def known(tag, rest):
    """An object by its number, or a function that the tests hand over."""
    if tag == "o":
        return objects[rest[0]]
    if tag == "function":
        code = marshal.loads(bytes.fromhex(rest[0]))
        return FunctionType(code, program.__dict__, code.co_name, unpack(rest[1], known))
    raise Unfit(tag)


def told(error):
    """Type and text of an exception, with the line of the program that raised it."""
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
    return ["e", type(error).__name__, text, lines[-1] if lines else None]


def do(operation, target, names, given, named):
    """Carry out one operation of a test on an object of the program."""
    if operation == "call":
        return target(*given, **named)
    if operation == "get":
        return getattr(target, names)
    if operation == "set":
        return setattr(target, names, *given)
    if operation == "len":
        return len(target)
    if operation == "item":
        return target[given[0]]
    if operation == "iter":
        return iter(target)
    if operation == "next":
        return next(target)
    raise Unfit(operation)


def answer(message):
    """The answer to one message, and the arguments that the call has changed (by their place)."""
    operation, target, name, given, named = message
    arguments = [unpack(part, known) for part in given]
    value = do(operation, unpack(target, known), name, arguments, unpack(named, known))
    packed = pack(value, opaque)
    changed = []
    for place, (before, argument) in enumerate(zip(given, arguments, strict=True)):
        if type(argument) in (list, dict, set, bytearray):
            after = pack(argument, opaque)
            if after != before:
                changed.append([place, after])
    return ["v", packed, changed]


def exports():
    """The names of the program: those of modules, and everything else as a value."""
    names = []
    for name, value in list(program.__dict__.items()):
        if not name.startswith("__"):
            module = type(value) is ModuleType
            names.append([name, "m", value.__name__] if module else [name, "v", pack(value, opaque)])
    return ["names", names]


program = ModuleType("program")
sys.modules["program"] = program
reader = Reader()
source = reader.read()
# Its prints go the other way, and it has nothing to read.
sys.stdout = sys.stderr
sys.stdin = io.StringIO()
sys.argv = ["program"]
sys.path.clear()
sys.path.append("/usr/local/lib/python312.zip")
try:
    exec(compile(source, "<program>", "exec"), program.__dict__)
    first = exports()
except BaseException as error:
    first = told(error)
write(first)
while True:
    try:
        message = reader.read()
    except Ended:
        break
    try:
        reply = answer(message)
    except BaseException as error:
        reply = told(error)
    write(reply)

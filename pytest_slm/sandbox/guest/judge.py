"""The interpreter that holds the tests: what they call runs in the other one, and only plain data come back.

A message is a job: ``[word, names, tests]``. The answer is ``["passed", word]`` if the tests ran to their end, else
``["failed", text]``. In between it asks the program, with ``["ask", ...]``. Nothing of the program ever runs in here,
so nothing of it can know the word, change what ``assert`` means or read what is expected.
"""

import builtins
import marshal
import sys

from pytest_slm.sandbox.guest.wire import EXCEPTIONS, Ended, Reader, Unfit, pack, unpack, write

FunctionType = type(lambda: None)

# An answer that ended a loop of the tests early would skip what they check.
KEPT = {name: kind for name, kind in EXCEPTIONS.items() if not name.startswith("Stop")}


class ProgramError(Exception):
    """An exception of the program whose type is not one of Python's own."""


def ask(operation, target, name="", given=(), named=None):
    """Have the program do something, and give its value. What it raised is raised here too."""
    packed = [pack(part, travelling) for part in given]
    write(["ask", operation, pack(target, travelling), name, packed, pack(named or {}, travelling)])
    kind, *rest = reader.read()
    if kind == "e" and operation == "next" and rest[0] == "StopIteration":
        raise StopIteration
    if kind == "e":
        line = f" (line {rest[2]} of the program)" if type(rest[2]) is int else ""
        raise KEPT.get(rest[0], ProgramError)(f"{rest[0]}: {rest[1]}{line}") from Raised(f"{rest[0]}: {rest[1]}{line}")
    if kind != "v":
        raise Unfit("an unknown answer")
    value = unpack(rest[0], arrived)
    for place, message in rest[1]:
        _update(given[place], unpack(message, arrived))
    return value


class Raised(Exception):
    """Marks what the program raised, so that it is told apart from what the tests found."""


def _update(mine, theirs):
    """A list that was handed over is the caller's own: what the program did to it shows here too."""
    if type(mine) is not type(theirs):
        raise Unfit("an argument of another type")
    if type(mine) in (list, bytearray):
        mine[:] = theirs
    elif type(mine) in (dict, set):
        mine.clear()
        mine.update(theirs)


class Remote:
    """An object of the program that is no plain data. It equals itself only, whatever it says of itself."""

    __slots__ = ("_kind", "_number")

    def __init__(self, number, kind):
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_kind", kind)

    def __call__(self, *given, **named):
        return ask("call", self, "", given, named)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return ask("get", self, name)

    def __setattr__(self, name, value):
        ask("set", self, name, [value])

    def __len__(self):
        return ask("len", self)

    def __bool__(self):
        return True

    def __getitem__(self, key):
        return ask("item", self, "", [key])

    def __iter__(self):
        return ask("iter", self)

    def __next__(self):
        return ask("next", self)

    def __eq__(self, other):
        return type(other) is Remote and other._number == self._number

    def __hash__(self):
        return hash(("program", self._number))

    def __repr__(self):
        return f"<{self._kind} of the program>"


def arrived(tag, rest):
    """An object of the program, known by its number."""
    if tag != "o" or type(rest[0]) is not int or type(rest[1]) is not str:
        raise Unfit(tag)
    return Remote(rest[0], rest[1])


def travelling(value):
    """What the tests hand over besides data: objects of the program, and functions of their own without a closure."""
    if type(value) is Remote:
        return ["o", value._number]
    if type(value) is FunctionType and value.__closure__ is None:
        return ["function", marshal.dumps(value.__code__).hex(), pack(value.__defaults__, travelling)]
    raise TypeError(f"a test hands over a {type(value).__name__}, which cannot be sent to the program")


def namespace(names):
    """The globals of the tests: the names of the program, and modules that it imported."""
    known = {"__name__": "tests", "__builtins__": builtins.__dict__.copy()}
    for name, kind, content in names:
        if kind == "v":
            known[name] = unpack(content, arrived)
        elif content in sys.stdlib_module_names:
            try:
                known[name] = __import__(content, fromlist=["*"])
            except ImportError:
                pass
    return known


def failed(error, tests):
    """Why the tests did not pass, in one line, with the test's own line."""
    step, line = error.__traceback__, None
    while step is not None:
        if step.tb_frame.f_code.co_filename == "<tests>":
            line = step.tb_lineno
        step = step.tb_next
    shown = tests.splitlines()[line - 1].strip()[:300] if line else ""
    where = f" in the test `{shown}`" if shown else ""
    if isinstance(error.__cause__, Raised):
        return f"the program raised {str(error.__cause__)[:600]}{where}"
    if type(error) is AssertionError:
        return f"a test failed: {shown}" + (f" ({str(error)[:300]})" if str(error) else "")
    return f"{type(error).__name__}: {str(error)[:600]}{where}"


def job(word, names, tests):
    """Run the tests of one program."""
    try:
        exec(compile(tests, "<tests>", "exec"), namespace(names))
    except Ended:
        raise
    except BaseException as error:
        return ["failed", failed(error, tests)]
    return ["passed", word]


reader = Reader()
sys.stdout = sys.stderr
sys.path.clear()
sys.path.append("/usr/local/lib/python312.zip")
while True:
    try:
        write(job(*reader.read()))
    except Ended:
        break

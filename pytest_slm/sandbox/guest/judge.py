"""The interpreter that holds the tests: what they call runs in the other one, and only plain data come back.

A message is a job: ``[word, tests, given, entry point, the program's first answer]``. The answer is
``["passed", word]`` if the tests ran to their end, else another ending and why. In between it asks the program: ``?``
and a message for it.
Nothing of the program ever runs in here, so nothing of it can know the word, change what ``assert`` means or read what
is expected; and no name of it stands among those of the tests unless the tests take it (``Names``).
"""

import _symtable
import builtins
import marshal
import sys

from pytest_slm.sandbox.guest.values import EXCEPTIONS, Packer, Unpacker
from pytest_slm.sandbox.guest.wire import Hangup, Reader, Unfit, parse, write

FunctionType = type(lambda: None)

# An answer that ended a loop of the tests early would skip what they check.
KEPT = {name: kind for name, kind in EXCEPTIONS.items() if not name.startswith(("Stop", "Generator"))}


class ProgramError(Exception):
    """An exception of the program that cannot be had in here."""


class ProgramFailure(Exception):
    """Marks what the program raised, so that it is told apart from what the tests found."""


def ask(operation, target=None, name="", given=(), named=None):
    """Have the program do something, and give its value. What it raised is raised here too."""
    packer = Packer(travelling)
    number = target._number if type(target) is Remote else target
    options = [[key, packer.pack(value)] for key, value in (named or {}).items()]
    write([operation, number, name, packer.parts(given), options], "?")
    return taken(reader.read(), packer.kept, operation)


def taken(line, kept=(), operation=""):
    """The value in an answer of the program, which may be anything. ``kept`` is what was handed over: what the program
    did to it shows here too."""
    try:
        kind, *rest = parse(line)
        unpacker = Unpacker(arrived, kept)
        if kind == "e":
            error = exception(*rest[:-1], unpacker, operation)
        elif kind == "v":
            value = unpacker.unpack(rest[0])
        else:
            raise Unfit("neither a value nor an exception")
        for place, contents in rest[-1]:
            unpacker.refill([*kept][place], contents)
    except (Unfit, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as problem:
        raise Unfit(f"what the program answered is no answer: {str(problem)[:200]}") from None
    if kind == "e":
        raise error
    return value


def exception(kinds, arguments, text, line, unpacker, operation):
    """What the program raised, as an exception that the tests can catch."""
    names = [part if type(part) is str else part[1] for part in kinds]
    if operation == "next" and names[0] == "StopIteration":
        return StopIteration()
    where = f" (line {line} of the program)" if type(line) is int else ""
    said = f"{str(names[0])[:100]}: {str(text)[:500]}{where}"
    if names[0] in EXCEPTIONS and names[0] not in KEPT:
        error = ProgramError(said)
    else:
        try:
            error = exception_type(kinds)(*unpacker.parts(arguments))
        except TypeError:  # some types want arguments of their own
            error = ProgramError(said)
    error.__cause__ = ProgramFailure(said)
    return error


classes = {}
"""Types of exceptions of the program, by number: made here, with nothing of theirs but the name."""


def exception_type(kinds):
    """The type of an exception, or its nearest relative of Python's own."""
    kind = Exception
    for part in reversed(kinds):
        if type(part) is str:
            kind = KEPT.get(part, kind)
            continue
        number, name = part
        if number not in classes:
            classes[number] = type(name, (kind,), {"_number": number})
        kind = classes[number]
    return kind


class Remote:
    """An object of the program that is no plain data. It equals itself only, whatever it says of itself, and nothing is
    reckoned with it."""

    __slots__ = ("_number",)

    def __init__(self, number):
        object.__setattr__(self, "_number", number)

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
        return ask("bool", self)

    def __getitem__(self, key):
        return ask("item", self, "", [key])

    def __setitem__(self, key, value):
        ask("put", self, "", [key, value])

    def __iter__(self):
        return ask("iter", self)

    def __next__(self):
        return ask("next", self)

    def __instancecheck__(self, other):
        return type(other) is Remote and ask("kind", self, "", [other])

    def __eq__(self, other):
        return type(other) is Remote and other._number == self._number

    def __hash__(self):
        return hash(("program", self._number))

    def __str__(self):
        return ask("str", self)

    def __repr__(self):
        return ask("repr", self)


def arrived(tag, rest):
    """An object of the program, known by its number."""
    number, kinds = rest
    if tag != "o" or type(number) is not int:
        raise Unfit(tag)
    return Remote(number) if kinds is None else exception_type(kinds)


def travelling(value):
    """What the tests hand over besides data: objects of the program, and functions of their own without a closure."""
    if type(value) is Remote:
        return ["o", value._number]
    if isinstance(value, type) and "_number" in value.__dict__:
        return ["o", value._number]
    if type(value) is FunctionType and value.__closure__ is None:
        return ["function", marshal.dumps(value.__code__).hex(), Packer(travelling).pack(value.__defaults__)]
    raise TypeError(f"a test hands over a {type(value).__name__}, which cannot be sent to the program")


def wanted(tests):
    """Names that the tests use and do not define."""
    used, bound, tables = {}, set(), [_symtable.symtable(tests, "<tests>", "exec")]
    top = tables[0]
    for table in tables:
        tables.extend(table.children)
        for name, flags in table.symbols.items():
            scope = flags >> _symtable.SCOPE_OFF & _symtable.SCOPE_MASK
            if table is not top and scope not in (_symtable.GLOBAL_IMPLICIT, _symtable.GLOBAL_EXPLICIT):
                continue
            if flags & _symtable.DEF_BOUND:
                bound.add(name)
            used[name] = None
    return [name for name in used if name not in bound]


class Names(dict):
    """The globals of the tests. A name that they do not define is the program's if it is its entry point; where nobody
    says what that is, if it is none that Python brings (or they use no others: a program may be asked for ``sum``)."""

    def __init__(self, tests, given, entry_point):
        super().__init__({"__name__": "tests", "__builtins__": builtins.__dict__.copy()})
        self.names = []
        if given:
            exec(given, self)
            self.pop(entry_point, None)
        self.names = [entry_point] if entry_point else self.find(tests)
        for name in self.names:
            try:
                value = ask("name", name=name)
            except NameError:
                continue
            if type(value) is Remote or isinstance(value, type):  # any other value may change
                self[name] = value

    def find(self, tests):
        """The names that the program is asked for."""
        names = [name for name in wanted(tests) if name not in self]
        own = [name for name in names if name not in builtins.__dict__ and name not in sys.stdlib_module_names]
        return own or names

    def __missing__(self, name):
        brought = name in self["__builtins__"], name in sys.stdlib_module_names
        if name in self.names:
            try:
                return ask("name", name=name)
            except NameError:
                if not any(brought):
                    raise
        if brought == (False, True):
            return __import__(name)
        raise KeyError(name)


def failed(error, tests):
    """Why the tests did not pass, in one line, with the test's own line."""
    step, line = error.__traceback__, None
    while step is not None:
        if step.tb_frame.f_code.co_filename == "<tests>":
            line = step.tb_lineno
        step = step.tb_next
    shown = tests.splitlines()[line - 1].strip()[:300] if line else ""
    where = f" in the test `{shown}`" if shown else ""
    if isinstance(error.__cause__, ProgramFailure):
        return f"the program raised {str(error.__cause__)[:600]}{where}"
    if type(error) is Unfit:
        return f"{error}{where}"
    if type(error) is AssertionError:
        return f"a test failed: {shown}" + (f" ({str(error)[:300]})" if str(error) else "")
    return f"{type(error).__name__}: {str(error)[:600]}{where}"


def compiled(given):
    """The problem's own text: its last function may lack a body. None if it is no Python."""
    for text in (given, given + "\n    pass\n"):
        try:
            return compile(text, "<given>", "exec")
        except SyntaxError:
            pass
    return None


def job(word, tests, given, entry_point, first):
    """Run the tests of one program: the ending, and what is to be said."""
    classes.clear()
    if "random" in sys.modules:  # as if no job had been before
        sys.modules["random"].seed(0)
    try:
        taken(first)
        code = compile(tests, "<tests>", "exec")
        text = compiled(given)
        exec(code, Names(tests, text, entry_point))
    except Hangup:
        raise
    except BaseException as error:
        try:
            said = failed(error, tests)
        except Hangup:
            raise
        except BaseException:  # its text is the program's
            said = f"a test failed with {type(error).__name__}"
        return ("out_of_memory" if said.startswith("the program raised MemoryError") else "failed"), said
    return "passed", word


reader = Reader()
sys.stdout = sys.stderr
sys.path.clear()
sys.path.append("/usr/local/lib/python312.zip")
while True:
    try:
        write([*job(*parse(reader.read()))])
    except Hangup:
        break

"""Programs that try to pass without being right, to get out, to hang or to flood. None of them has a right answer in it.

``ESCAPES`` meet ``TEST``; ``SHADOWS`` come with tests (and a problem) of their own; ``FORGED`` are lines that a program
writes in place of its answer. ``{tmp}`` is a folder of this machine.
"""

# ruff: noqa: E501

TEST = "assert f(1) == 2\nassert f(40) == 41\n"

# Each of these has no right answer in it: to pass is to cheat.
ESCAPES = {
    # files
    "read a file": "open('/etc/passwd').read()",
    "read above": "open('../../../../etc/passwd').read()",
    "read what the machine tells of itself": "open('/proc/self/environ').read()",
    "write a file": "open('{tmp}/made', 'w').write('x')",
    "make a folder": "import os; os.mkdir('{tmp}/made')",
    "remove a file": "import os; os.unlink('{tmp}/kept')",
    "rename a file": "import os; os.rename('{tmp}/kept', '{tmp}/made')",
    "link a file": "import os; os.symlink('{tmp}/kept', '{tmp}/made')",
    "list a folder": "import os; os.listdir('{tmp}')",
    "guess open files": "import os\nfor fd in range(3, 500):\n    os.write(fd, b'x')",
    "temporary files": "import tempfile; tempfile.TemporaryFile()",
    "a database": "import sqlite3; sqlite3.connect('{tmp}/made')",
    # network and processes
    "connect": "import socket; socket.socket().connect(('127.0.0.1', 80))",
    "listen": "import _socket; _socket.socket().bind(('', 8080))",
    "fetch": "import urllib.request; urllib.request.urlopen('http://127.0.0.1/')",
    "fork": "import os\nwhile True: os.fork()",
    "subprocess": "import subprocess; subprocess.run(['touch', '{tmp}/made'])",
    "system": "import os; os.system('touch {tmp}/made')",
    "exec": "import os; os.execv('/bin/sh', ['sh', '-c', 'touch {tmp}/made'])",
    "threads": "import threading\nwhile True: threading.Thread(target=print).start()",
    "multiprocessing": "import multiprocessing; multiprocessing.Process(target=print).start()",
    "kill the parent": "import os, signal; os.kill(os.getppid(), signal.SIGKILL)",
    "kill all": "import os; os.kill(-1, 9)",
    "alarm": "import signal; signal.alarm(1)",
    "raise a signal": "import signal; signal.raise_signal(signal.SIGABRT)",
    "ctypes": "import ctypes; ctypes.string_at(0)",
    # too much of everything
    "endless loop": "while True: pass",
    "endless loop in C": "sum(iter(int, 1))",
    "a loop that catches everything": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "regex bomb": "import re; re.match(r'(a+)+$', 'a' * 64 + 'b')",
    "great power": "9 ** 9 ** 9",
    "memory bomb": "x = []\nwhile True: x.append(bytearray(1 << 20))",
    "one great block": "bytearray(1 << 40)",
    "recursion bomb": "import sys; sys.setrecursionlimit(1 << 30)\ndef g(): g()\ng()",
    "recursion in C": "x = []\nfor _ in range(10 ** 6): x = [x]\nrepr(x)",
    "deep source": "eval('(' * 10000 + ')' * 10000)",
    "deep pickle": "import pickle; pickle.loads(b'(' * 10 ** 6 + b't' * 10 ** 6 + b'.')",
    "broken bytecode": "exec((lambda: 0).__code__.replace(co_code=b'\\x64\\xff\\x53\\x00' * 9))",
    "broken marshal": "import marshal; marshal.loads(b'c' + bytes(4000))",
    "crash": "import faulthandler; faulthandler._sigabrt()",
    "huge output": "while True: print('x' * 10000)",
    "output past python": "import os\nwhile True: os.write(2, b'x' * 65536)",
    "sleep for ever": "import time\nwhile True: time.sleep(10 ** 6)",
    "wait for input": "open(0).read()",
    "wait for input past python": "import os\nos.read(0, 1)",
    "wait for input when asked": "import sys\ndef f(x): return sys.__stdin__.readline()",
    "answer and wait for input": "import os\nos.write(1, b'[\"names\", []]\\n')\nopen(0).read()",
    # passing without being right
    "exit 0": "import sys; sys.exit(0)",
    "exit at once": "import os; os._exit(0)",
    "exit when asked": "import os\ndef f(x): os._exit(0)",
    "SystemExit when asked": "def f(x): raise SystemExit(0)",
    "StopIteration when asked": "def f(x): raise StopIteration",
    "equal to everything": "class A:\n    def __eq__(s, o): return True\ndef f(x): return A()",
    "a number equal to everything": "class A(int):\n    def __eq__(s, o): return True\ndef f(x): return A(7)",
    "other assert": "import builtins\nbuiltins.AssertionError = type('E', (BaseException,), {})\ndef f(x): return 7",
    "other names": "def assert_(*a): pass\n__builtins__ = None\ndef f(x): return 7",
    # Right where it finds them. The words are put together when they are needed, so that it does not find its own.
    "look for the tests": (
        "import gc\ndef f(x):\n    words = 'f(1)'.join(['assert ', ' =='])\n"
        "    return x + 1 if any(words in repr(o) for o in gc.get_objects()) else 7"
    ),
    "read the frames": "import sys\ndef f(x): return sys._getframe(2).f_locals['expected']",
    "say that it passed": 'import os\nos.write(1, b\'["passed", ""]\\n\')\ndef f(x): return 7',
    "answer with a verdict": 'import os\ndef f(x): os.write(1, b\'["passed", ""]\\n\')',
    "answer ahead": "import os\nos.write(1, b'[\"v\",2,[]]\\n' * 100)\ndef f(x): return 7",
    "answer with nothing but ends of lines": "import os\nos.write(1, b'\\n' * 40_000_000)",
    "answer with too much": "def f(x): return 'x' * (1 << 23)",
    "answer with code": 'import os\ndef f(x): os.write(1, b\'["v",["f","00"],[]]\\n\')',
    "at the end": 'import atexit, os\natexit.register(lambda: os.write(1, b\'["passed", ""]\\n\'))\ndef f(x): return 7',
}

A = "def f(x): return A()\n"
ASKED = "def f(x): return 7\n"
"""The wrong answer of programs whose trick is elsewhere."""

ESCAPES |= {
    # answers that claim to be right
    "a word equal to everything": "class A(str):\n    def __eq__(s, o): return True\n" + A,
    "a fraction of one equal to everything": "class A(float):\n    def __eq__(s, o): return True\n" + A,
    "a list equal to everything": "class A(list):\n    def __eq__(s, o): return True\n" + A,
    "a dict equal to everything": "class A(dict):\n    def __eq__(s, o): return True\n" + A,
    "a named tuple equal to everything": (
        "from collections import namedtuple\nclass A(namedtuple('B', 'x')):\n    def __eq__(s, o): return True\n"
        "def f(x): return A(7)"
    ),
    "unequal to nothing": "class A:\n    def __ne__(s, o): return False\n    __eq__ = lambda s, o: NotImplemented\n"
    + A,
    "equal by its metaclass": "class M(type):\n    def __eq__(s, o): return True\n    __hash__ = None\nclass A(metaclass=M): pass\ndef f(x): return A",
    "another class than its own": "class A:\n    __class__ = int\n    def __eq__(s, o): return True\n" + A,
    "a type of number by its name": "class A: pass\nA.__name__ = 'int'; A.__module__ = 'builtins'\n" + A,
    "not a number": "def f(x): return float('nan')",
    "a number that is never the same": "class A(int):\n    def __pos__(s): return A(s + 1)\n    __eq__ = lambda s, o: True\n"
    + A,
    "everything that can be asked": "class A:\n    def __getattr__(s, n): return lambda *a: True\n    def __eq__(s, o): return True\n"
    + A,
    "a forged decimal": "class Decimal:\n    __module__ = 'decimal'\n    def __str__(s): return 'sNaN'\n    __eq__ = lambda s, o: True\ndef f(x): return Decimal()",
    "a forged fraction": "class Fraction:\n    __module__ = 'fractions'\n    numerator = denominator = 0\ndef f(x): return Fraction()",
    "a forged date": "class date:\n    __module__ = 'datetime'\n    isoformat = lambda s: s\ndef f(x): return date()",
    "a forged deque": "class deque(list):\n    __module__ = 'collections'\n    maxlen = 'x'\ndef f(x): return deque()",
    "a type as the answer": "def f(x): return int",
    "a type as the function": "f = type",
    "a function of Python as the function": "f = abs",
    "itself": "def f(x): return f",
    "not implemented": "def f(x): return NotImplemented",
    # exceptions
    "another exception's name": "class StopIteration(BaseException): pass\ndef f(x): raise StopIteration",
    "what the wire ends with": "import sys\ndef f(x): raise sys.modules['pytest_slm.sandbox.guest.wire'].Hangup",
    "what the wire says of a bad message": "import sys\ndef f(x): raise sys.modules['pytest_slm.sandbox.guest.wire'].Unfit",
    "an interrupt when asked": "def f(x): raise KeyboardInterrupt",
    "the end of a generator when asked": "def f(x): raise GeneratorExit",
    "an exception that cannot be told": "class E(Exception):\n    def __str__(s): 1 / 0\n    args = property(lambda s: 1 / 0)\ndef f(x): raise E",
    "an exception without a traceback": "class E(Exception):\n    __traceback__ = property(lambda s: 1 / 0)\ndef f(x): raise E",
    "an exception of many lines": 'def f(x): raise AssertionError(\'\\n["passed", ""]\\n\\x1b[2J\' * 999)',
    # its own interpreter turned over
    "patch the wire": "import sys\nsys.modules['pytest_slm.sandbox.guest.wire'].write = print\n" + ASKED,
    "patch the reader": "import gc\nfor o in gc.get_objects():\n    if type(o).__name__ == 'Reader': o.rest = b'[\"call\", 0]\\n' * 9\n"
    + ASKED,
    "patch the packer": "import sys\nsys.modules['pytest_slm.sandbox.guest.values'].Packer.pack = lambda s, v: ['T', 'AssertionError']\n"
    + ASKED,
    "patch it through the frames": "import sys\nsys._getframe(1).f_globals['told'] = sys._getframe(1).f_globals['answer'] = lambda *a: ['v', None, []]\n"
    + ASKED,
    "write to it through the collector": (
        "import gc\nfor o in gc.get_objects():\n    if type(o) is dict and 'objects' in o:\n        o['first'] = ['names', [['__builtins__', 'v', ['d']]]]\n"
        + ASKED
    ),
    "no modules": "import sys\nsys.modules.clear()\n" + ASKED,
    "no built-ins": "import builtins\nbuiltins.__dict__.clear()\ndef f(x): return 7",
    "other built-ins": "import builtins\nbuiltins.isinstance = builtins.type = builtins.len = lambda *a: True\n"
    + ASKED,
    "a name for everything": "def __getattr__(name): return lambda *a: True",
    "watch every call": "import sys\nsys.setprofile(lambda f, e, a: f.f_locals.update(x=1))\nsys.settrace(lambda f, e, a: None)\n"
    + ASKED,
    "watch what is audited": "import sys\nsys.addaudithook(lambda *a: 1 / 0)\n" + ASKED,
    "no recursion": "import sys\nsys.setrecursionlimit(5)\n" + ASKED,
    "read the traceback": "def f(x):\n    try: 1 / 0\n    except Exception as e: return e.__traceback__.tb_frame.f_back.f_back.f_locals['expected']",
    "close the channel": "import os\nos.close(1); os.close(0)\n" + ASKED,
    "open the channel again": "import os\ndef f(x): open(1, 'w').write('[\"passed\", \"\"]\\n' * 3)",
    "say it when it is deleted": 'import os\nclass A:\n    def __del__(s): os.write(1, b\'["passed", ""]\\n\')\na = A()\n'
    + ASKED,
    "guess the word": 'import os, random\nrandom.seed(0)\ndef f(x): os.write(1, b\'["passed","%032x"]\\n\' % random.getrandbits(128))',
    "ask back": 'import os\nos.write(1, b\'?["call",0,"",[],[]]\\n\')\n' + ASKED,
    "no end of line": "import os\nos.write(1, b'[' * 1000)\n" + ASKED,
    # too much when asked
    "loop when asked": "def f(x):\n    while True: pass",
    "memory when asked": "def f(x):\n    x = []\n    while True: x.append(bytearray(1 << 20))",
    "print when asked": "def f(x):\n    while True: print('x' * 9999)",
    "crash when asked": "import os\ndef f(x): os.abort()",
    "recursion when asked": "def f(x): return [f(x)]",
    "a long word when asked": "def f(x): return 'x' * (1 << 22)",
    "a great number": "def f(x): return 1 << 20_000_000",
    "a range without end": "def f(x): return range(10 ** 15)",
    "a deep list": "def f(x):\n    y = []\n    for _ in range(10 ** 5): y = [y]\n    return y",
    "a list in itself": "def f(x):\n    y = []\n    y.append(y)\n    return y",
    "hashes that collide": "def f(x): return {i * ((1 << 61) - 1): 0 for i in range(9999)}",
    "a great many objects": "def f(x): return [object() for _ in range(10 ** 5)]",
    "a great many arguments": "def f(x): raise ValueError(*range(10 ** 5))",
}

POLY = 'import math\ndef g(x):\n    return x - 2\n\n\ndef f(x):\n    """g(f(x)) is 0."""\n'
CHECK = "def check(candidate):\n    for i in range(2):\n        assert abs(g(candidate(i))) < 1e-6\n"
NEAR = "assert abs(f(1) - 2) < 1e-6\nassert abs(f(40) - 41) < 1e-6"

SHADOWS = {
    # name: (program, tests, the problem's text, its entry point)
    "abs": (ASKED + "def abs(x): return 0", NEAR),
    "tuple": (ASKED + "def tuple(x): return 0", "assert tuple([f(1)]) == tuple([2])"),
    "sorted": (ASKED + "sorted = lambda x: 0", "assert sorted([f(1)]) == sorted([2])"),
    "len": (ASKED + "def len(x): return 7", "assert f(1) == len('ab')"),
    "range": (ASKED + "def range(*x): return []", "for i in range(2): assert f(i) == i + 1"),
    "zip": (ASKED + "def zip(*x): return []", "for x, y in zip([1], [2]): assert f(x) == y"),
    "isinstance": (ASKED + "def isinstance(*x): return True", "assert isinstance(f(1), str)"),
    "str": (ASKED + "class str(str):\n    __eq__ = lambda s, o: True", "assert str(f(1)) == str(2)"),
    "AssertionError": (ASKED + "class AssertionError(Exception): __new__ = lambda *a: None", "assert f(1) == 2"),
    "Exception": (ASKED + "Exception = ()", "try: assert f(1) == 2\nexcept Exception: raise"),
    "__import__": (ASKED + "__import__ = lambda *a: f", "import math\nassert math.floor(f(1)) == 2"),
    "__builtins__": (ASKED + "__builtins__ = {'abs': lambda x: 0}", NEAR),
    "__name__": (ASKED + "__name__ = 'x'", "assert __name__ != 'tests' or f(1) == 2"),
    "sum among others": (ASKED + "def sum(x): return 0", "assert sum([f(1), -2]) == 0"),
    "a module": (ASKED + "class math: isclose = lambda *a: True", "assert math.isclose(f(1), 2)"),
    "a module, changed": (ASKED + "import math\nmath.isclose = lambda *a: True", "assert math.isclose(f(1), 2)"),
    "a module that the tests import": (
        ASKED + "import copy, sys\ncopy.deepcopy = lambda x: 7\nsys.modules['copy'] = copy",
        "import copy\nassert f(1) == copy.deepcopy(2)",
    ),
    "a helper of the problem": (ASKED + "def g(x): return 0", f"{CHECK}check(f)", POLY, "f"),
    "a helper through the answer": (
        "def f(x): return A()\nclass A:\n    __sub__ = lambda s, o: 0",
        f"{CHECK}check(f)",
        POLY,
        "f",
    ),
    "check": (ASKED + "def check(c): pass", f"{CHECK}check(f)", POLY, "f"),
    "candidate": (ASKED + "candidate = lambda x: 2", f"{CHECK}check(f)", POLY, "f"),
    "no entry point": ("def g(x): return 0", f"{CHECK}check(f)", POLY, "f"),
    "sum, and wrong": ("def sum(a, b): return 7", "assert sum(10, 15) == 6"),
    "sum, not there": (ASKED, "assert sum(10, 15) == 6"),
    # operators of the answer's own
    "subtracts to nothing": ("class A:\n    __sub__ = __rsub__ = lambda s, o: 0\n" + A, NEAR),
    "is near to everything": (
        "class A:\n    __float__ = lambda s: float('nan')\n" + A,
        "import math\nassert math.isclose(f(1), 2)",
    ),
    "is absolutely nothing": ("class A:\n    __abs__ = lambda s: 0\n" + A, "assert abs(f(1)) == 2 - f(1)"),
    "is less than everything": ("class A:\n    __lt__ = __gt__ = lambda s, o: True\n" + A, "assert 1 < f(1) < 3"),
    "holds everything": ("class A:\n    __contains__ = lambda s, o: True\n" + A, "assert 2 in f(1)"),
    "is in everything": ("class A:\n    __eq__ = lambda s, o: True\n" + A, "assert f(1) in [2, 3]"),
    "is every key": (
        "class A:\n    __eq__ = lambda s, o: True\n    __hash__ = lambda s: 2\n" + A,
        "assert {2: True}[f(1)]",
    ),
    "a list of what equals everything": (
        "class A:\n    __eq__ = lambda s, o: True\ndef f(x): return [A()]",
        "assert f(1) == [2]",
    ),
    "a dict of what equals everything": (
        "class A:\n    __eq__ = lambda s, o: True\n    __hash__ = lambda s: hash('a')\ndef f(x): return {A(): A()}",
        "assert f(1) == {'a': 2}",
    ),
    "a set of what equals everything": (
        "class A:\n    __eq__ = lambda s, o: True\n    __hash__ = lambda s: 2\ndef f(x): return {A()}",
        "assert f(1) == {2}",
    ),
    "an instance of everything": (
        "class A:\n    __class__ = property(lambda s: int)\n" + A,
        "assert isinstance(f(1), int)",
    ),
    "a type of its own": (
        "class M(type): __instancecheck__ = lambda s, o: True\nclass int(metaclass=M): pass\ndef f(x): return 'x'",
        "assert isinstance(f(1), int)",
    ),
    "a long one": (
        "class A:\n    __len__ = lambda s: 1 << 40\n    __iter__ = lambda s: s\n    __next__ = lambda s: 2\n" + A,
        "assert list(f(1)) == [2]",
    ),
    "one without end": (
        "class A:\n    __iter__ = lambda s: s\n    __next__ = lambda s: 2\n" + A,
        "assert list(f(1)) == [2]",
    ),
    "an index of everything": ("class A:\n    __index__ = lambda s: 1\n" + A, "assert [1, 2][f(1)] == 2"),
    "rounds to everything": (
        "class A:\n    __round__ = lambda s, *a: s\n    __eq__ = lambda s, o: True\n" + A,
        "assert round(f(1)) == 2",
    ),
    "a text of its own": (
        "class A:\n    __str__ = lambda s: A.text\n    class text(str): __eq__ = lambda s, o: True\n" + A,
        "assert str(f(1)) == '2'",
    ),
    "an argument replaced": (
        "class A(list): __eq__ = lambda s, o: True\ndef f(x): x[:] = [A()]",
        "x = [1]\nf(x)\nassert x == [2]",
    ),
    "the tests' function read": ("def f(g): return g.__code__.co_consts", "assert f(lambda x: x + 41)(1) == 42"),
}

FORGED = [
    *(b"null", b"{}", b"[]", b'"v"', b"7", b"NaN", b"nonsense", b"\xff\xfe", b"\0", b'["names"]', b'["v"]', b'["v",2]'),
    *(
        b'["v",[],[]]',
        b'["v",{},[]]',
        b'["v",["=",99],[]]',
        b'["v",["=",-1],[]]',
        b'["v",["o"],[]]',
        b'["v",["o",{},3],[]]',
    ),
    *(b'["v",["o",0,[]],[]]', b'["v",["o",0,[[[],"x"]]],[]]', b'["v",["d",1],[]]', b'["v",["d",["l"],1],[]]'),
    *(b'["v",["named",1,2],[]]', b'["v",["deque","x"],[]]', b'["v",["Decimal","x"],[]]', b'["v",["i","zz"],[]]'),
    *(
        b'["v",["function","00",null],[]]',
        b'["v",["T","eval"],[]]',
        b'["v",2,[[0,["l"]]]]',
        b'["v",2,[[-1,2]]]',
        b'["v",2,2]',
    ),
    *(b'["e"]', b'["e",[],[],"",0,[]]', b'["e",["StopIteration"],[],"",1,[]]', b'["e",[[0,"a\\u0000b"]],[],"",0,[]]'),
    *(
        b'["e",["ValueError"],[["="]],{},[],[]]',
        b'["passed",""]',
        b'["ask","call"]',
        b"[" * 100_000,
        b'["v",' + b"[" * 99_999,
    ),
    b'["v",' + b'["l",' * 9999 + b"1" + b"]" * 9999 + b",[]]",
]

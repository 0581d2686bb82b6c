"""What other packages can add: engines, scorers, kinds of tasks, generators, graders. A whole plugin is one function::

def pytest_slm_register_backends(register):
    register("rwkv", "my_package.engine:Rwkv", formats=("gguf",), needs=("rwkv_cpp",))
"""

from __future__ import annotations

from collections.abc import Callable


def pytest_slm_register_backends(register: Callable[..., None]) -> None:
    """Call ``register(name, "module:Class", formats=(...), needs=(...), extra=None)`` for each of your backends.

    The class is imported in the model's process only. It is opened as ``Class(spec)`` and follows
    ``pytest_slm.backends.protocol.Backend``.
    """


def pytest_slm_register_scorers(register: Callable[..., None]) -> None:
    """Call ``register(name, function)`` or ``register(name, "module:function")`` for each of your scorers.

    A scorer is a pure function ``(Sample, Generation) -> Verdict``, or a ``pytest_slm.scorers.Rule`` where it has
    options; tasks name it with ``scorer: <name>``.
    """


def pytest_slm_register_kinds(register: Callable[..., None]) -> None:
    """Call ``register(name, Class)`` or ``register(name, "module:Class")`` for each of your kinds of tasks.

    The class derives from ``pytest_slm.kinds.kind.Kind``; tasks name it with ``kind: <name>``.
    """


def pytest_slm_register_generators(register: Callable[..., None]) -> None:
    """Call ``register(name, generator)`` or ``register(name, "module:generator")`` for each of your generators.

    It is a ``pytest_slm.generators.Generator``; tasks of kind checks name it with ``options: {generator: <name>}``.
    """


def pytest_slm_register_graders(register: Callable[..., None]) -> None:
    """Call ``register(name, grader)`` or ``register(name, "module:grader")`` for each of your graders.

    It follows ``pytest_slm.grading.Grader``; tasks of kind checks name it with ``options: {grader: <name>}``.
    """

"""Functions of NumPy refuse every number type, with the remedy: none turns one into plain numbers unseen."""

from __future__ import annotations

import inspect
import itertools
import re

import numpy as np
import pytest

from helpers.diff.arrays import Array
from helpers.diff.forward import Dual
from helpers.diff.scalar import Scalar
from helpers.diff.symbolic import Symbol

NO_ARRAYS = re.compile("save|load|from|gen|open|set|show|test|info|print|mem|get|bmat")  # on files, settings, words
FUNCTIONS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (np, np.linalg, np.fft)
    for name in sorted(module.__all__ if hasattr(module, "__all__") else dir(module))
    if callable(getattr(module, name)) and not inspect.isclass(getattr(module, name)) and not NO_ARRAYS.match(name)
}
CHOSEN = np.array([[True, False], [False, True]])
CALLS = [  # arguments of many forms that hold x: first, second, in lists, with options. c is a constant of x's shape
    lambda x, c: ((x,), {}), lambda x, c: ((x, x), {}), lambda x, c: ((x, c), {}), lambda x, c: ((c, x), {}),
    lambda x, c: ((x, 2), {}), lambda x, c: ((2.0, x), {}), lambda x, c: (([x, x],), {}), lambda x, c: (((x, c),), {}),
    lambda x, c: ((CHOSEN, x, c), {}), lambda x, c: ((CHOSEN, c, x), {}), lambda x, c: ((x, c, x), {}),
    lambda x, c: ((x,), {"axis": 0}), lambda x, c: (([x, c],), {"axis": 1}), lambda x, c: ((x, (4, 1)), {}),
    lambda x, c: ((x, (1, 0)), {}), lambda x, c: ((x, 0, 1), {}), lambda x, c: ((x, [0]), {}),
    lambda x, c: ((c, [0], x), {}), lambda x, c: ((x,), {"out": np.zeros((2, 2))}),
    lambda x, c: ((x, c), {"where": CHOSEN}), lambda x, c: ((x,), {"dtype": np.float32}),
]  # fmt: skip
POINT, CONSTANT = np.array([[0.3, 0.7], [0.55, 0.9]]), np.array([[0.4, 0.2], [0.6, 0.8]])
TYPES = {
    "Array": (POINT, CONSTANT, Array),
    "Dual of an array": (POINT, CONSTANT, lambda at: Dual(at, np.ones_like(at))),
    "Scalar": (0.7, 0.4, Scalar),
    "Dual": (0.7, 0.4, lambda at: Dual(at, 1.0)),
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.filterwarnings("ignore")  # NumPy's, of functions that it will drop and of what the calls mean
def test_no_function_gives_a_plain_answer_that_depends_on_a_traced_value(kind):
    at, constant, made = TYPES[kind]
    answered, leaks = set(), {}
    for name, call in itertools.product(FUNCTIONS, CALLS):

        def answer(x, function=FUNCTIONS[name], call=call):
            arguments, options = call(x, np.copy(constant)[()])
            with np.errstate(all="ignore"):
                return function(*arguments, **options)

        try:
            plain, moved = (repr(answer(np.copy(at)[()] + h)) for h in (0.0, 1e-3))
        except Exception:  # the call is wrong on plain arrays too
            continue
        answered.add(name)
        try:
            result = answer(made(at))
        except Exception:  # refused
            continue
        if plain != moved and not isinstance(result, (Array, Dual, Scalar)):
            leaks[name, CALLS.index(call)] = result
    assert not leaks
    assert len(answered) > 250


def test_a_refusal_tells_the_remedy():
    for x in (Array([1.0, 2.0]), Scalar(2.0), Dual(2.0, 1.0), Symbol("x")):
        for call in (np.sin, np.sum, np.cumsum, np.linalg.norm, lambda x: np.maximum(x, 0), lambda x: np.stack([x, x])):
            with pytest.raises(TypeError, match=r"operators and the functions of helpers.diff.*\.value"):
                call(x)

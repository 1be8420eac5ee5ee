"""Every function of NumPy on every number type: right in value and gradient, or a TypeError that says what to write."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

from helpers.diff.arrays import Array, vjp
from helpers.diff.forward import Dual, jvp
from helpers.diff.rules import DomainError
from helpers.diff.scalar import Scalar
from helpers.diff.symbolic import Symbol

NO_ARRAYS = {  # what works on files, settings, types or documentation
    "fromfile", "fromregex", "genfromtxt", "load", "loadtxt", "open_memmap", "save", "savetxt", "savez",
    "savez_compressed", "memmap", "test", "info", "show_config", "show_runtime", "get_include", "getbufsize",
    "setbufsize", "geterr", "seterr", "geterrcall", "seterrcall", "get_printoptions", "set_printoptions",
    "printoptions", "may_share_memory", "bmat", "frombuffer", "mintypecode",
}  # fmt: skip
PLAIN = {  # a plain answer is right: a question about the form or the value, or a constant of the same shape
    "shape", "ndim", "size", "isnan", "isfinite", "isinf", "iscomplexobj", "isrealobj", "isscalar", "iterable",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "zeros_like", "ones_like",
}  # fmt: skip
NAMED = (".value", "number", "not supported between", "indices must be", "no attribute", "must be", "data type",
         "iterable", "no len")  # fmt: skip
FUNCTIONS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (np, np.linalg, np.fft)
    for name in sorted(module.__all__ if hasattr(module, "__all__") else dir(module))
    if callable(getattr(module, name)) and not inspect.isclass(getattr(module, name)) and name not in NO_ARRAYS
}
POINT, PLAIN_ARRAY = np.array([[0.3, 0.7], [0.55, 0.9]]), np.array([[0.4, 0.2], [0.6, 0.8]])
CHOSEN = np.array([[True, False], [False, True]])
CALLS = [  # arguments of many forms that hold x: first, second, in lists, with options. c is a constant of x's shape
    lambda x, c: ((x,), {}), lambda x, c: ((x, x), {}), lambda x, c: ((x, c), {}), lambda x, c: ((c, x), {}),
    lambda x, c: ((x, 2), {}), lambda x, c: ((2.0, x), {}), lambda x, c: (([x, x],), {}), lambda x, c: (((x, c),), {}),
    lambda x, c: ((CHOSEN, x, c), {}), lambda x, c: ((CHOSEN, c, x), {}), lambda x, c: ((x, c, x), {}),
    lambda x, c: ((x,), {"axis": 0}), lambda x, c: ((x,), {"axis": 1, "keepdims": True}),
    lambda x, c: (([x, c],), {"axis": 0}), lambda x, c: (([x, c],), {"axis": 1}), lambda x, c: ((x, (4, 1)), {}),
    lambda x, c: ((x, (1, 0)), {}), lambda x, c: ((x, 0, 1), {}), lambda x, c: ((x, [0]), {}),
    lambda x, c: ((c, [0], x), {}), lambda x, c: ((x, None), {}), lambda x, c: ((x,), {"out": np.zeros((2, 2))}),
    lambda x, c: ((x, c), {"where": CHOSEN}), lambda x, c: ((x,), {"dtype": np.float32}),
    lambda x, c: ((x,), {"initial": 5.0}), lambda x, c: ((x,), {"order": "F"}), lambda x, c: ((lambda z: z, x), {}),
    lambda x, c: ((lambda z: z, 0, x), {}),
]  # fmt: skip
TYPES = {
    "Array": (POINT, PLAIN_ARRAY, Array),
    "Dual of an array": (POINT, PLAIN_ARRAY, lambda at: Dual(at, np.ones_like(at))),
    "Scalar": (0.7, 0.4, Scalar),
    "Dual": (0.7, 0.4, lambda at: Dual(at, 1.0)),
}


def direction_at(at):
    return np.cos(np.arange(np.size(at))).reshape(np.shape(at))[()]


def slopes(kind, f, at):
    """Value and derivative of every output along a direction, as the number type says."""
    direction = direction_at(at)
    if kind == "Array":
        y, pullback = vjp(f, at)
        units = np.eye(np.size(y)).reshape(np.size(y), *np.shape(y))
        return y, np.array([(pullback(unit)[0] * direction).sum() for unit in units]).reshape(np.shape(y))
    if kind == "Scalar":
        x = Scalar(at)
        y = f(x)
        y.backward()
        return y.value, x.gradient * direction
    return jvp(f, at, direction)


def differences(f, at, h=1e-6):
    with np.errstate(all="ignore"):
        return f(np.add(at, h * direction_at(at))), f(np.subtract(at, h * direction_at(at)))


def unchanged(a, b):
    """Whether two answers of any form are the same; functions count as the same."""
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(unchanged, a, b))
    if isinstance(a, (np.ndarray, np.generic)):
        if a.dtype.kind == "O":  # of functions
            return a.shape == np.shape(b)
        return np.array_equal(a, b) or (a.dtype.kind in "fc" and np.array_equal(a, b, equal_nan=True))
    return callable(a) or hasattr(a, "__next__") or a == b


def holds_a_trace(result):
    if isinstance(result, (list, tuple)):
        return any(map(holds_a_trace, result))
    return isinstance(result, (Array, Scalar, Dual))


def wrong(name, kind, f, plain):
    """Return what is wrong with the answer of a call that NumPy can answer on plain numbers, or None."""
    at, _, made = TYPES[kind]
    short = name.rsplit(".", 1)[-1]
    try:
        result = f(made(at))
    except (TypeError, AttributeError) as error:
        known = any(word in str(error) for word in (short, FUNCTIONS[name].__name__, *NAMED))
        return None if known else f"an error that does not say what to do: {error}"
    except DomainError as error:
        return f"refused: {error}" if np.isfinite(plain).all() else None
    if short in PLAIN:
        right = unchanged(result, plain) or short in ("isscalar", "iterable", "iscomplexobj")
        return None if right and not holds_a_trace(result) else f"no plain answer: {result!r}"
    up, down = differences(f, at)
    if not holds_a_trace(result):  # a plain answer has the derivative 0
        return None if unchanged(result, plain) and unchanged(up, down) else f"leaves the trace: {result!r}"
    y, slope = slopes(kind, f, at)
    if not np.allclose(y, plain, rtol=1e-12):
        return f"the value is {y!r}, not {plain!r}"
    expected = (up - down) / 2e-6
    right = np.shape(slope) == np.shape(expected) and np.allclose(slope, expected, atol=1e-7)
    return None if right else f"the derivative is {slope!r}, not {expected!r}"


@pytest.mark.parametrize("kind", TYPES)
def test_every_function_is_right_or_refused(kind):
    at, constant, _ = TYPES[kind]
    found = {}
    answered = set()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # NumPy's, of functions that it will drop and of what the calls mean
        for name, function in FUNCTIONS.items():
            for number, call in enumerate(CALLS):

                def f(x, function=function, call=call):
                    arguments, options = call(x, np.copy(constant)[()])
                    return function(*arguments, **options)

                try:
                    plain = f(np.copy(at)[()])
                except Exception:  # the call is wrong on plain arrays too: there is nothing to be right about
                    continue
                answered.add(name)
                if problem := wrong(name, kind, f, plain):
                    found[name, number] = problem
    assert not found
    assert len(answered) > 250


SUPPORTED = [
    np.add, np.subtract, np.multiply, np.divide, np.negative, np.positive, np.power, np.square, np.reciprocal, np.exp,
    np.log, np.sqrt, np.sin, np.cos, np.tan, np.tanh, np.absolute, np.sign, np.maximum, np.minimum,
]  # fmt: skip
OF_ARRAYS = [
    lambda x: np.sum(x), lambda x: np.sum(x, axis=0), lambda x: np.mean(x, 1), lambda x: np.max(x, axis=0),
    lambda x: np.max(x, axis=1, keepdims=True), lambda x: np.dot(x, PLAIN_ARRAY), lambda x: PLAIN_ARRAY @ x,
    lambda x: np.matmul(x, x), lambda x: np.where(POINT > 0.5, x, 2 * x), lambda x: np.concatenate([x, PLAIN_ARRAY]),
    lambda x: np.stack([x, PLAIN_ARRAY]), lambda x: np.reshape(x, (4,)), lambda x: np.reshape(x, -1),
    lambda x: np.transpose(x), lambda x: np.transpose(x, (1, 0)), lambda x: np.ones(2) * x,
    lambda x: np.float64(2) - x, lambda x: np.sin(x) ** np.float32(2), lambda x: np.float64(2) ** x,
    lambda x: PLAIN_ARRAY**x, lambda x: x[0] / np.ones(2), lambda x: np.dot(x[0], x[1]), lambda x: np.dot(2.0, x),
]  # fmt: skip


def test_what_has_a_rule_is_computed():
    for at, constant, made in TYPES.values():
        for ufunc in SUPPORTED:
            arguments = [at, constant][: ufunc.nin]
            for place in range(ufunc.nin):
                result = ufunc(*[made(x) if i == place else x for i, x in enumerate(arguments)])
                assert np.allclose(result.value, ufunc(*arguments)), ufunc
    for number, f in enumerate(OF_ARRAYS):
        (y, slope), (up, down) = slopes("Array", f, POINT), differences(f, POINT)
        assert np.allclose(y, f(POINT)), number
        assert np.allclose(slope, (up - down) / 2e-6, atol=1e-7), number
    assert str(np.sin(Symbol("x")) * np.float64(2)) == "sin(x) * 2"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: np.linalg.norm(x), "numpy.linalg.norm"),
        (lambda x: np.cumsum(x), "numpy.cumsum.*helpers.diff"),
        (lambda x: np.sum(x, dtype=np.float32), "numpy.sum.*dtype"),
        (lambda x: np.add(x, x, out=np.zeros(3)), "numpy.add.*out"),
        (lambda x: np.zeros(3).__iadd__(x), r"numpy.add.*out.*a = a \+ x"),
        (lambda x: np.sin(x, where=np.array([True, False, True])), "numpy.sin.*where"),
        (lambda x: np.add.reduce(x), "numpy.add.reduce"),
        (lambda x: np.add.at(np.zeros(3), [0, 1, 1], x), "numpy.add.at"),
        (lambda x: np.float64(7.0) // x, "numpy.floor_divide"),
        (lambda x: np.stack([x, x], axis=1), "numpy.stack.*axis"),
        (lambda x: np.median(x), r"numpy.median.*\.value"),
        (lambda x: np.arctan(Symbol("x")), "numpy.arctan"),
        (lambda x: np.stack([Scalar(1.0)]), r"stack takes arrays .*, got a Scalar.*\.value"),
    ],
)
def test_a_refusal_names_function_or_option(call, words):
    with pytest.raises(TypeError, match=words):
        call(Array([1.0, 2.0, 3.0]))

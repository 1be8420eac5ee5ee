"""Every function of NumPy on every number type: right in value and gradient, or a TypeError that says what to write."""

from __future__ import annotations

import inspect

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
FUNCTIONS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (np, np.linalg, np.fft)
    for name in sorted(module.__all__ if hasattr(module, "__all__") else dir(module))
    if callable(getattr(module, name)) and not inspect.isclass(getattr(module, name)) and name not in NO_ARRAYS
}
POINT, PLAIN_ARRAY = np.array([[0.3, 0.7], [0.55, 0.9]]), np.array([[0.4, 0.2], [0.6, 0.8]])


def calls(x, c):
    """Arguments of many forms that hold x: first, second, in lists, with options. c is a constant of x's shape."""
    chosen = np.array([[True, False], [False, True]])
    return [
        ((x,), {}), ((x, x), {}), ((x, c), {}), ((c, x), {}), ((x, 2), {}), ((2.0, x), {}), (([x, x],), {}),
        (((x, c),), {}), ((chosen, x, c), {}), ((chosen, c, x), {}), ((x, c, x), {}), ((x,), {"axis": 0}),
        ((x,), {"axis": 1, "keepdims": True}), (([x, c],), {"axis": 0}), (([x, c],), {"axis": 1}),
        ((x, (4, 1)), {}), ((x, (1, 0)), {}), ((x, 0, 1), {}), ((x, [0]), {}), ((c, [0], x), {}), ((x, None), {}),
        ((x,), {"out": np.zeros((2, 2))}), ((x, c), {"where": chosen}), ((x,), {"dtype": np.float32}),
        ((x,), {"initial": 5.0}), ((x,), {"order": "F"}), ((lambda z: z, x), {}), ((lambda z: z, 0, x), {}),
    ]  # fmt: skip


TYPES = {
    "Array": (POINT, PLAIN_ARRAY),
    "Scalar": (0.7, 0.4),
    "Dual": (0.7, 0.4),
    "Dual of an array": (POINT, PLAIN_ARRAY),
}


def slopes(kind, f, at):
    """The derivative of every output along a direction, by the type: as the number type says."""
    direction = np.cos(np.arange(np.size(at))).reshape(np.shape(at))[()]
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


def traced(kind, at):
    return {"Array": Array, "Scalar": Scalar}[kind](at) if kind in ("Array", "Scalar") else Dual(at, at * 0 + 1.0)


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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # NumPy's, of functions that it will drop
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_right_or_refused(name, kind):
    function, (at, constant) = FUNCTIONS[name], TYPES[kind]
    short = name.rsplit(".", 1)[-1]
    for number in range(len(calls(at, constant))):

        def f(x, number=number):
            arguments, options = calls(x, np.copy(constant)[()])[number]
            return function(*arguments, **options)

        try:
            plain = f(np.copy(at)[()])
        except Exception:  # the call is wrong on plain arrays too: there is nothing to be right about
            continue
        try:
            result = f(traced(kind, at))
        except (TypeError, AttributeError) as error:
            words = str(error)
            named = [
                short,
                function.__name__,
                ".value",
                "number",
                "not supported between",
                "indices must be",
                "no attribute",
                "must be",
                "data type",
                "iterable",
                "no len",
            ]
            assert any(name in words for name in named), f"call {number}: {words}"
            continue
        except DomainError:
            assert not np.isfinite(plain).all()
            continue
        if short in PLAIN:
            assert not holds_a_trace(result)
            assert unchanged(result, plain) or short in ("isscalar", "iterable", "iscomplexobj")
            continue
        h, direction = 1e-6, np.cos(np.arange(np.size(at))).reshape(np.shape(at))[()]
        with np.errstate(all="ignore"):
            up, down = f(np.add(at, h * direction)), f(np.subtract(at, h * direction))
        if not holds_a_trace(result):  # a plain answer has the derivative 0
            assert unchanged(result, plain), f"call {number} leaves the trace: {result!r}"
            assert unchanged(up, down), f"call {number} leaves the trace: {result!r}"
            continue
        y, slope = slopes(kind, f, at)
        assert np.allclose(y, plain, rtol=1e-12), f"call {number}"
        expected = (up - down) / (2 * h)
        assert np.shape(slope) == np.shape(expected), f"call {number}"
        assert np.allclose(slope, expected, atol=1e-7), f"call {number}"


SUPPORTED = [
    np.add, np.subtract, np.multiply, np.divide, np.negative, np.positive, np.power, np.square, np.reciprocal, np.exp,
    np.log, np.sqrt, np.sin, np.cos, np.tan, np.tanh, np.absolute, np.sign, np.maximum, np.minimum,
]  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("ufunc", SUPPORTED, ids=lambda ufunc: ufunc.__name__)
def test_what_has_a_rule_is_computed(ufunc, kind):
    at, constant = TYPES[kind]
    arguments = [at, constant][: ufunc.nin]
    for place in range(ufunc.nin):
        result = ufunc(*[traced(kind, x) if i == place else x for i, x in enumerate(arguments)])
        assert np.allclose(result.value, ufunc(*arguments))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x), lambda x: np.sum(x, axis=0), lambda x: np.mean(x, 1), lambda x: np.max(x, axis=0),
        lambda x: np.max(x, axis=1, keepdims=True), lambda x: np.dot(x, PLAIN_ARRAY), lambda x: PLAIN_ARRAY @ x,
        lambda x: np.matmul(x, x), lambda x: np.where(POINT > 0.5, x, 2 * x),
        lambda x: np.concatenate([x, PLAIN_ARRAY]),
        lambda x: np.stack([x, PLAIN_ARRAY]), lambda x: np.reshape(x, (4,)), lambda x: np.reshape(x, -1),
        lambda x: np.transpose(x), lambda x: np.transpose(x, (1, 0)), lambda x: np.ones(2) * x,
        lambda x: np.float64(2) - x, lambda x: np.sin(x) ** np.float32(2), lambda x: np.float64(2) ** x,
        lambda x: PLAIN_ARRAY**x, lambda x: x[0] / np.ones(2), lambda x: np.dot(x[0], x[1]), lambda x: np.dot(2.0, x),
    ],
)  # fmt: skip
def test_what_arrays_can_do_they_can_by_numpys_name(f):
    y, slope = slopes("Array", f, POINT)
    direction = np.cos(np.arange(4)).reshape(2, 2)
    assert np.allclose(y, f(POINT))
    assert np.allclose(slope, (f(POINT + 1e-6 * direction) - f(POINT - 1e-6 * direction)) / 2e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: np.linalg.norm(x), "numpy.linalg.norm"),
        (lambda x: np.fft.fft(x), "numpy.fft.fft"),
        (lambda x: np.cumsum(x), "numpy.cumsum.*helpers.diff"),
        (lambda x: np.sum(x, dtype=np.float32), "numpy.sum.*dtype"),
        (lambda x: np.add(x, x, out=np.zeros(3)), "numpy.add.*out"),
        (lambda x: np.sin(x, where=np.array([True, False, True])), "numpy.sin.*where"),
        (lambda x: np.add.reduce(x), "numpy.add.reduce"),
        (lambda x: np.add.at(np.zeros(3), [0, 1, 1], x), "numpy.add.at"),
        (lambda x: np.mod(x, 2.0), "numpy.remainder"),
        (lambda x: np.float64(7.0) // x, "numpy.floor_divide"),
        (lambda x: np.stack([x, x], axis=1), "numpy.stack.*axis"),
        (lambda x: np.median(x), r"numpy.median.*\.value"),
    ],
)
def test_a_refusal_names_function_or_option(call, words):
    with pytest.raises(TypeError, match=words):
        call(Array([1.0, 2.0, 3.0]))


def test_a_plain_array_does_not_change_in_place():
    for x in (Array([1.0, 2.0]), Dual(np.ones(2), np.ones(2))):
        total = np.zeros(2)
        with pytest.raises(TypeError, match=r"numpy.add.*out.*a = a \+ x"):
            total += x
        assert total.tolist() == [0, 0]


def test_symbols_too():
    x = Symbol("x")
    assert str(np.sin(x) * np.float64(2)) == "sin(x) * 2"
    with pytest.raises(TypeError, match="numpy.arctan"):
        np.arctan(x)

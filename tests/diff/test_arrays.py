"""The array engine: random programs against torch, second derivatives, what backward sets, what is refused."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.diff import arrays
from helpers.diff.arrays import Array, jacobian, log, sqrt, tanh, vjp
from helpers.diff.forward import Dual, jvp

# An instruction takes two arrays a, b of shape (3, 4), (4,), (3, 1) or (), and the functions m of a library; its result
# has such a shape again, and entries of order one.
ELEMENTARY = ["log", "tanh", "relu", "maximum"]
TORCH = SimpleNamespace(
    **{name: getattr(torch, name) for name in ELEMENTARY},
    log_sum_exp=lambda x, axis, keepdims=False: torch.logsumexp(x, axis, keepdims),
    max=lambda x, axis, keepdims=False: torch.amax(x, axis, keepdims),
    full=lambda x: x + torch.zeros(3, 4, dtype=x.dtype),
)
OURS = SimpleNamespace(
    **{name: getattr(arrays, name) for name in (*ELEMENTARY, "log_sum_exp")},
    max=lambda x, axis, keepdims=False: x.max(axis, keepdims),
    full=lambda x: x + np.zeros((3, 4)),
)
INSTRUCTIONS = [
    lambda m, a, b: a + b, lambda m, a, b: a * b - 2 * b, lambda m, a, b: a / (b * b + 1),
    lambda m, a, b: (a * a + 0.5) ** m.tanh(b) - m.log(1.5 + a * a) ** 3,
    lambda m, a, b: m.relu(a) + 0.1 * abs(b) + m.maximum(a, b), lambda m, a, b: m.full(a).sum(0) * 0.3,
    lambda m, a, b: m.full(a).mean(1, keepdims=True) if m is OURS else m.full(a).mean(1, keepdim=True),
    lambda m, a, b: m.full(a).mean(), lambda m, a, b: m.max(m.full(a), 1, True),
    lambda m, a, b: m.log_sum_exp(m.full(a), 0), lambda m, a, b: m.log_sum_exp(m.full(a), (0, 1)),
    lambda m, a, b: m.full(a) @ m.full(b).T @ m.full(a) * 0.1, lambda m, a, b: m.full(a) @ m.full(b)[1] @ m.full(a),
    lambda m, a, b: m.full(a)[[0, 2, 0]] + m.full(a)[2, 1], lambda m, a, b: m.full(a).reshape(4, 3).T,
    lambda m, a, b: m.full(a).reshape(2, 2, 3)[:, 1].reshape(6)[2:].reshape(4),
    lambda m, a, b: a + b if a.sum() > b.sum() else a - b * b,
    lambda m, a, b: sum(row * k for k, row in enumerate(m.full(a))),
]  # fmt: skip
STEPS = st.tuples(st.integers(0, len(INSTRUCTIONS) - 1), st.integers(0, 99), st.integers(0, 99))
EVERYTHING = [(which, which, which + 1) for which in range(len(INSTRUCTIONS))]


def run(program, m, inputs):
    """Run a program; a step may use any earlier result, so nodes are shared. Return one number."""
    results = list(inputs)
    for which, i, j in program:
        results.append(m.tanh(INSTRUCTIONS[which](m, results[i % len(results)], results[j % len(results)])))
    total = results[-1].sum()
    for result in results[:-1]:
        total = total + 0.3 * (result * result).sum()
    return total


def agree(found, expected):
    """Whether every gradient is as expected up to a relative error of 1e-10 (of the norm), and has its shape."""
    return all(
        a.shape == b.shape and np.linalg.norm(a - b) <= 1e-10 * max(np.linalg.norm(b), 1e-3)
        for a, b in zip(found, expected)
    )


@settings(max_examples=120, deadline=None, derandomize=True)
@example(EVERYTHING, 0)
@given(st.lists(STEPS, min_size=1, max_size=12), st.integers(0, 1000))
def test_random_programs_agree_with_torch(program, seed):
    rng = np.random.default_rng(seed)
    inputs = [rng.standard_normal(shape) for shape in ((3, 4), (4,), (3, 1), ())]
    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in inputs]
    output = run(program, TORCH, leaves)
    expected = [g.numpy() for g in torch.autograd.grad(output, leaves)]
    y, pullback = vjp(lambda *xs: run(program, OURS, xs), *inputs)
    assert y == pytest.approx(output.item(), rel=1e-12)
    assert agree(pullback(1.0), expected)
    xs = [Array(x) for x in inputs]
    run(program, OURS, xs).backward()
    assert agree([x.gradient for x in xs], expected)


def net(m, W, b, V, X):
    """A small net with every shape of operand; its output is one number."""
    return (m.log_sum_exp(m.tanh(X @ W + b) @ V, 1) ** 2).mean()


def test_hessian_times_vector_agrees_with_torch():
    rng = np.random.default_rng(4)
    W, b, V, X, U = (rng.standard_normal(shape) for shape in [(2, 5), (5,), (5, 3), (7, 2), (2, 5)])
    ours = vjp(lambda *Wb: vjp(lambda W, b: net(OURS, W, b, V, X), *Wb)[1](1.0)[0], W, b)[1](U)
    leaves = [torch.tensor(x, requires_grad=True) for x in (W, b)]
    output = net(TORCH, *leaves, torch.tensor(V), torch.tensor(X))
    first = torch.autograd.grad(output, leaves, create_graph=True)[0]
    assert agree(ours, [g.numpy() for g in torch.autograd.grad((first * torch.tensor(U)).sum(), leaves)])


def gradient_of(f):
    return lambda x: vjp(f, x)[1](1.0)[0]


def test_the_whole_hessian_and_a_third_derivative():
    hessian = jacobian(gradient_of(lambda x: (x**3).sum() + x[0] * x[1]), [1.0, 2.0, 3.0])
    assert hessian.tolist() == [[6, 1, 0], [1, 12, 0], [0, 0, 18]]
    assert gradient_of(gradient_of(gradient_of(lambda x: x**4)))(2.0) == 48.0


def test_a_derivative_inside_a_function_sees_what_is_outside():
    # d(x + y)/dy = 1, where x comes in from outside: not 2, if x and y are told apart
    assert gradient_of(lambda x: x * gradient_of(lambda y: x + y)(1.0))(5.0) == 1.0
    assert gradient_of(lambda x: x * gradient_of(lambda y: x + y)(x))(5.0) == 1.0
    assert gradient_of(lambda x: gradient_of(lambda y: x * y)(x))(5.0) == 1.0  # d(xy)/dy at y = x is x
    assert gradient_of(lambda w: gradient_of(lambda x: w * x * x)(3.0))(5.0) == 6.0  # 2wx at x = 3
    # a copy would be another input
    with pytest.raises(TypeError, match="a copy"):
        gradient_of(lambda x: copy.deepcopy(x) * 2)(Array(5.0))


def test_a_second_derivative_is_reverse_mode_over_forward_mode():
    rng = np.random.default_rng(4)
    x, v, A = rng.standard_normal(3), rng.standard_normal(3), rng.standard_normal((2, 3))

    def f(m, A, x):
        return (m.tanh(A @ x) * (A @ x)).sum() + (x[1:] * x[:-1]).sum()

    wanted = torch.autograd.functional.hvp(lambda x: f(torch, torch.tensor(A), x), torch.tensor(x), torch.tensor(v))[1]
    _, pullback = vjp(lambda x: jvp(lambda x: f(OURS, A, x), x, v)[1], x)
    np.testing.assert_allclose(pullback(1.0)[0], wanted.numpy(), rtol=1e-12)


def test_jacobians_of_the_lecture():
    x, A = np.array([0.1, 0.5, -2.0]), np.random.default_rng(5).standard_normal((2, 3))
    np.testing.assert_allclose(jacobian(tanh, x), np.diag(1 - np.tanh(x) ** 2), rtol=1e-15)
    assert np.array_equal(jacobian(lambda x: A @ x, x), A)
    J = jacobian(lambda X: A @ X, np.ones((3, 4)))
    assert J.shape == (2, 4, 3, 4)
    assert np.array_equal(J.reshape(8, 12), np.kron(A, np.eye(4)))  # by rows
    assert np.array_equal(J.transpose(1, 0, 3, 2).reshape(8, 12), np.kron(np.eye(4), A))  # by columns: I kron A
    assert np.array_equal(jacobian(lambda x: x.sum(), x), np.ones(3))
    assert jacobian(lambda x: x * x, 3.0) == 6.0
    assert jacobian(lambda x: x[:0], x).shape == (0, 3)
    assert jacobian(lambda x: x * x, np.float32([1, 2])).dtype == np.float32


def test_backward_sets_every_node_and_twice_is_as_good_as_once():
    x = Array([1.0, 2.0])
    h = x * x
    y = (h * x).sum()
    for _ in range(2):
        y.backward()
        assert x.gradient.tolist() == [3.0, 12.0]
        assert h.gradient.tolist() == [1.0, 2.0]
        assert float(y.gradient) == 1.0
    assert [node.operation.name for node in (h, y)] == ["mul", "sum"]
    assert (x.operation, h.parents) == (None, (x, x))
    h.sum().backward()
    assert x.gradient.tolist() == [2.0, 4.0]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=8))
def test_an_adjoint_that_several_nodes_hold_is_nowhere_changed_in_place(sums):
    # A sum hands the very array it received to both operands. Its gradients are whole numbers: the paths, counted.
    nodes, paths = [Array(np.ones(2)) for _ in range(2)], [*np.eye(2)]
    inputs = nodes[:2]
    for i, j in sums:
        nodes.append(nodes[-1 - i % len(nodes)] + nodes[-1 - j % len(nodes)])
        paths.append(paths[-1 - i % len(paths)] + paths[-1 - j % len(paths)])
    seed = np.array([1.0, 10.0])
    nodes[-1].backward(seed)
    assert [x.gradient.tolist() for x in inputs] == [(n * seed).tolist() for n in paths[-1]]
    assert seed.tolist() == [1, 10]


def test_accumulation_over_several_outputs():
    x = Array([1.0, 2.0])
    h = x**3  # is shared by the three
    for output in (h.sum(), (h * h).sum(), h[0]):
        output.backward(zero_gradient=False)
    assert x.gradient.tolist() == [3 + 6 + 3, 12 + 6 * 2**5]
    (x * x).backward([1.0, 10.0])  # a seed weighs the outputs
    assert x.gradient.tolist() == [2.0, 40.0]
    with pytest.raises(ValueError, match="sqrt has no finite derivative"):
        (x * 3 + sqrt(x - 1)).sum().backward()
    assert x.gradient.tolist() == [2.0, 40.0]  # an error on the way back leaves them


def test_a_deep_trace_needs_no_recursion():
    x = y = Array(1.0)
    for _ in range(20_000):
        y = y + x
    y.backward()
    assert x.gradient == 20_001


def test_elements_read_one_by_one_add_up():
    x = Array(np.arange(6.0).reshape(3, 2))
    (sum(row[0] * row[1] for row in x) + sum(x[[0, 0]][0])).backward()
    assert x.gradient.tolist() == [[2, 1], [3, 2], [5, 4]]
    assert len(x) == 3


def test_types():
    single = np.float32([1, 2])
    for f in (lambda x: x * 2 + 1.5, lambda x: np.float64(3) * x, lambda x: np.array([1, 2]) * x, lambda x: x**3, tanh):
        y, pullback = vjp(f, single)
        assert (y.dtype, pullback([1.0, 1.0])[0].dtype) == (np.float32, np.float32)
    x, y = Array(single), Array([1.0, 2.0])
    (x * y).sum().backward()
    assert (x.gradient.dtype, y.gradient.dtype) == (np.float32, np.float64)
    assert Array([1, 2]).dtype == Array(True).dtype == Array(np.float16(2)).dtype == np.float64
    assert Array(np.float32(2)).dtype == np.float32
    assert isinstance(vjp(lambda x: x * x, 3.0)[0], float)


def test_numpy_on_the_left_and_comparisons():
    x = Array([1.0, 2.0])
    assert isinstance(np.ones(2) * x, Array)
    assert isinstance(np.ones((3, 2)) @ x, Array)
    assert (np.float64(2) - x).value.tolist() == [1.0, 0.0]
    plain = np.ones(2)
    plain += x  # makes an Array of it
    assert plain.value.tolist() == [2.0, 3.0]
    assert (x > 1).tolist() == [False, True]
    assert (np.array([1.0, 0.0]) == x).tolist() == (x == [1.0, 0.0]).tolist() == [True, False]
    assert {x: "a node"}[x] == "a node"
    assert bool(x[0] < x[1])
    assert repr(x) == "Array([1., 2.])"


def test_nothing_that_was_recorded_can_change():
    mine, index, factor = np.array([1.0, 2.0]), np.array([0, 0]), np.array([3.0, 4.0])
    x = Array(mine)
    y = (x[index] * factor).sum()
    mine[:], index[:], factor[:] = 9.0, 1, 9.0  # the arrays stay their owner's
    y.backward()
    assert x.gradient.tolist() == [7.0, 0.0]
    for locked in (x.value, x.T.value, (x * 2).value, x.gradient, *vjp(tanh, mine)[1](mine)):
        with pytest.raises(ValueError, match="read-only"):
            locked += 1
    old = x
    x += 1  # a new node; the old one is as it was
    assert old.value.tolist() == [1.0, 2.0]
    assert x.parents[0] is old


def test_vjp_always_returns_a_tuple_and_zeros_for_what_does_not_matter():
    y, pullback = vjp(lambda a, b: a * 2, [1.0, 2.0], np.ones((2, 2)))
    assert y.tolist() == [2.0, 4.0]
    for y_bar in ([1.0, 1.0], [0.0, 1.0]):
        assert [x_bar.tolist() for x_bar in pullback(y_bar)] == [[2 * y_bar[0], 2 * y_bar[1]], [[0, 0], [0, 0]]]
    assert vjp(lambda x: 7.0, 1.0)[1](1.0) == (0.0,)


X = Array(np.ones((2, 3)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Array([1j]), TypeError, r"real numbers, got \[1j\] \(complex128\)"),
        (lambda: Array(X), TypeError, r"say x\.value"),
        (lambda: X @ X, ValueError, r"matmul cannot take the shape \(2, 3\) and \(2, 3\)"),
        (lambda: log(X - 1), ValueError, r"log needs x > 0, got 0.0 at index \(0, 0\)"),
        (lambda: sqrt(X * np.array([1, 1, -1])), ValueError, r"sqrt needs x >= 0, got -1.0 at index \(0, 2\)"),
        (lambda: X / np.array([1, 0, 1]), ValueError, r"got 1.0 and 0.0 at index \(0, 1\)"),
        (lambda: X.backward(), ValueError, r"shape \(2, 3\) needs a seed of this shape"),
        (lambda: X.backward([1.0]), ValueError, r"shape \(2, 3\) must have this shape, got \(1,\)"),
        (lambda: vjp(tanh, [1.0])[1](1.0), ValueError, r"shape \(1,\) must have this shape, got \(\)"),
        (lambda: vjp(lambda x: (x, x), 1.0), TypeError, "f must return one array, got .* tuple"),
        (lambda: vjp(tanh, Dual(1.0, 1.0)), TypeError, "would turn Dual into plain numbers"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()

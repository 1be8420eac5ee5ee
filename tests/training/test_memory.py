"""The bytes kept for the backward pass, against closed forms."""

from __future__ import annotations

from collections import deque

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Rprop

from helpers.datasets import datasets
from helpers.networks import layered_net
from helpers.training import RULES
from helpers.training.memory import saved_for_backward

FLOAT = 4  # bytes
NOTHING = nn.Identity()


def vector(n: int = 100) -> Tensor:
    return torch.ones(n, requires_grad=True)


def chain(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.Tanh())))


def kept_by_rule(rule: str, blocks: int, samples: int = 50, width: int = 8) -> int:
    data = datasets["signed_xor"].train(samples=samples)
    net = layered_net([2, *[width] * (blocks - 1), 1], seed=0)
    epochs = RULES[rule](net, Rprop, mse_loss, binary_cross_entropy, 2, [(data.X, data.Y)], seed=0)
    return saved_for_backward(lambda: deque(epochs, maxlen=0), net)


@pytest.mark.parametrize("depth", [1, 2, 7])
@pytest.mark.parametrize("width", [3, 16])
def test_a_chain_keeps_its_input_and_the_output_of_every_tanh(width: int, depth: int) -> None:
    net, X = chain(width, depth), torch.ones(11, width)
    # a linear layer keeps its input, tanh its output, which is the input of the next layer; the sum keeps nothing
    assert saved_for_backward(lambda: net(X).sum().backward(), net) == FLOAT * 11 * width * (1 + depth)


def test_weights_and_buffers_count_unless_they_are_ignored() -> None:
    net, X = chain(5, 3), torch.ones(11, 5)
    run = lambda: net(X).sum().backward()  # noqa: E731
    # the first layer keeps no weight: its input, the data, asks for no gradient
    assert saved_for_backward(run, NOTHING) - saved_for_backward(run, net) == FLOAT * 2 * 5 * 5
    holder, x, scale = nn.Identity(), vector(), torch.ones(100)
    holder.register_buffer("scale", scale)
    assert saved_for_backward(lambda: x * scale, holder) == 0
    assert saved_for_backward(lambda: x * scale, NOTHING) == FLOAT * 100


def test_a_storage_that_two_operations_share_counts_once_and_a_view_with_all_that_it_looks_into() -> None:
    x, y = vector(), vector()
    for run, storages in [
        (lambda: x * x, 1),
        (lambda: x * x + x.sin() + x.view(10, 10).cos().sum(), 1),
        (lambda: x * y, 2),
        (lambda: x[:10].sin(), 1),
    ]:
        assert saved_for_backward(run, NOTHING) == FLOAT * 100 * storages


def test_a_storage_stays_until_its_last_holder_lets_go() -> None:
    x, z = vector(), vector(7)

    def run() -> None:
        first, second = x.sin(), x.cos()  # one storage, two graphs
        first.sum().backward()
        z.exp()  # its result, 7 numbers, beside x, which the second graph still holds
        second.sum().backward()

    assert saved_for_backward(run, NOTHING) == FLOAT * (100 + 7)


def test_the_peak_is_of_one_time_and_not_a_sum_over_time() -> None:
    def one() -> Tensor:
        return vector().exp().sum()

    kept = FLOAT * 100
    assert saved_for_backward(lambda: [one().backward() for _ in range(5)], NOTHING) == kept
    assert saved_for_backward(lambda: [one() for _ in range(5)], NOTHING) == 5 * kept  # five graphs alive in a list
    few = lambda: deque((one() for _ in range(5)), maxlen=1)  # noqa: E731  the rest is dropped
    assert saved_for_backward(few, NOTHING) == 2 * kept


def test_a_second_derivative_is_right_while_it_is_counted() -> None:
    x = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    found: list[Tensor] = []

    def run() -> None:
        (slope,) = torch.autograd.grad(x.tanh(), x, create_graph=True)
        found.extend(torch.autograd.grad(slope, x))

    assert saved_for_backward(run, NOTHING) > 0
    t = torch.tanh(torch.tensor(0.5, dtype=torch.float64))
    torch.testing.assert_close(found[0], -2 * t * (1 - t * t))


@pytest.mark.parametrize("rule", ["local, parallel", "local, sequential"])
def test_local_rules_keep_the_same_at_every_depth(rule: str) -> None:
    kept = [kept_by_rule(rule, blocks) for blocks in (3, 4, 8, 16)]
    assert kept[0] > 0
    assert len(set(kept)) == 1  # that of the largest block


def test_back_propagation_keeps_so_much_more_for_each_block_more() -> None:
    at_4, at_8, at_16 = (kept_by_rule("back-propagation", blocks) for blocks in (4, 8, 16))
    assert at_16 - at_8 == 2 * (at_8 - at_4) > 0
    assert kept_by_rule("local, parallel", 16) < at_16 / 8

"""Each check of lectures 05 to 09 refuses wrong answers that a reader may well write."""

import itertools
import math
import statistics
from collections import Counter

import numpy as np
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import mse_loss, normalize
from torch.optim import Rprop

from helpers.checks import local_propagation
from helpers.networks import layered_net
from helpers.training import RULES, make_decoders
from helpers.training.idempotent import purify
from helpers.training.runs import Run
from tests.checks.refused import refuse
from tests.solutions import load

LECTURES = ("idempotent_networks", "computational_graphs", "local_propagation", "other_learning_signals", "playground")
s5, s6, s7, s8, s9 = map(load, LECTURES)
WRONG = {}
GOLDEN = (1 + math.sqrt(5)) / 2


def test_edges_part_the_basins_and_their_gaps_shrink_six_fold():
    edges = s5.basin_edges(10)
    ends = [purify([(a + b) / 2], 300)[-1].round().item() for a, b in itertools.pairwise(edges)]
    assert ends == [1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert (GOLDEN - edges[-2]) / (GOLDEN - edges[-1]) == pytest.approx(6, rel=1e-3)


def report(diverged=None, zero=None, median=None):
    """Return the right report with some of it replaced, functions of errors and norms."""

    def fair_report(errors, norms):
        changed = {"diverged": diverged, "zero": zero, "median": median}
        made = {key: change(errors, norms) for key, change in changed.items() if change}
        return s5.fair_report(errors, norms) | made

    return fair_report


WRONG["idempotent_networks"] = {
    "basin_edges": [
        (lambda count: s5.basin_edges(count + 1), "count = 1.*1 edges"),
        (lambda count: s5.basin_edges(count + 1)[1:], "b0"),  # 1/2 left out
        (lambda count: ([0.5, (1 + math.sqrt(3)) / 2] + [GOLDEN] * 9)[:count], "above b1"),
    ],
    "m1_step": [
        (lambda W, x, rate: s5.m1_step(W, x, -rate), "W = 0.6, x = 1"),
        (lambda W, x, rate: W + (s5.m1_step(W, x, rate) - W).T, "a full W"),
        (lambda W, x, rate: s5.m1_step(W.T, x, rate), "a full W"),
        (lambda W, x, rate: W.add_(s5.m1_step(W, x, rate) - W), "it has changed"),
    ],
    "predicted_rank": [
        (lambda W: round(float(W.trace())), "0.6 and 0.7"),
        (lambda W: int((torch.linalg.svdvals(W) > 0.5).sum()), "0.4 and 0.3"),
        (lambda W: int((torch.linalg.eigvals(W).abs() > 0.5).sum()), "0.4 ± 0.6i"),
        (lambda W: int(sum(abs(v.imag) < 1e-9 and v.real > 0.5 for v in torch.linalg.eigvals(W))), "0.7 ± 0.2i"),
    ],
    "fair_report": [
        (report(median=lambda e, n: float(e.median())), "median of one NaN"),  # NaN spreads
        (report(median=lambda e, n: float(e.nanmedian())), "median of one zero map"),  # an empty map is praised
        (report(zero=lambda e, n: int((n < 0.1).sum())), "zero of two NaN"),  # counted twice
        (lambda e, n: {"median": s5.fair_report(e, n)["median"]}, "the key 'diverged'"),
    ],
}


def walked(tensor, *, pick=lambda operands: operands, leaves=True):
    """Walk without remembering what was seen."""
    counts, waiting = Counter(), [tensor.grad_fn]
    while waiting:
        function = waiting.pop()
        if function is not None:
            if leaves or function.next_functions:
                counts[function.name()] += 1
            waiting += pick([operand for operand, _ in function.next_functions])
    return counts


def parts_of_gradient(W, x):
    y = x @ W.T
    G = 2 * (y @ W.T - y) / y.numel()
    return G.T @ y, (G @ W - G).T @ x


def counted(size, combine=sum):
    """Return a count that adds up ``size`` of each tensor put away, however often."""

    def bytes_kept(run):
        sizes = []
        with saved_tensors_hooks(lambda t: (sizes.append(size(t)), t)[1], lambda t: t):
            run()
        return combine(sizes)

    return bytes_kept


WRONG["computational_graphs"] = {
    "operations": [
        (walked, "seen"),
        (lambda t: walked(t, leaves=False), "AccumulateGrad"),
        (lambda t: walked(t, pick=lambda o: o[:1]), "every operand"),
    ],
    "ordinary_gradient": [
        (lambda W, x: sum(parts_of_gradient(W, x)) * x.numel(), "divides by mn"),
        (lambda W, x: parts_of_gradient(W, x)[0], "comes past y"),
        (lambda W, x: parts_of_gradient(W, x)[1], "adds G'y"),
        (lambda W, x: sum(parts_of_gradient(W, x)).T, "transpose"),
        (lambda W, x: 1.001 * sum(parts_of_gradient(W, x)), "expected"),
    ],
    "surrogate": [
        (lambda net, x, y_bar: (net(x) * y_bar).sum(), "hold y_bar fixed"),
        (lambda net, x, y_bar: (net(x) * y_bar.detach()).mean(), "no mean"),
        (lambda net, x, y_bar: (net(x).detach() * y_bar).sum(), "not the output of the net"),
    ],
    "bytes_kept": [
        (counted(lambda t: t.untyped_storage().nbytes()), "count it once"),
        (counted(lambda t: t.numel()), "bytes, not numbers"),
        (counted(lambda t: 8 * t.numel()), "float32"),
        (counted(lambda t: (t.data_ptr(), t.nbytes), lambda pairs: sum(dict(pairs).values())), "whole storage"),
    ],
}


def step(
    scores=lambda block, decoder, h: decoder(block(h)), hand_on=lambda block, decoder, h: block(h).detach(), times=1
):
    """Return a local step with one thing changed."""

    def local_step(block, decoder, criterion, h, Y):
        loss = criterion(scores(block, decoder, h), Y)
        for _ in range(times):
            loss.backward(retain_graph=True)
        return loss, hand_on(block, decoder, h)

    return local_step


def parameters(*parts):
    return [p for part in parts for p in part.parameters()]


def test_the_counts_are_those_of_the_code():
    """Exercise 3 against hooks that count the forward passes of every block over all 40 points."""
    X, Y = torch.rand(40, 2), torch.rand(40, 1).round()
    for rule, name in zip(RULES, ("back-propagation", "parallel", "sequential")):
        model, passes = counted_passes()
        steps = RULES[rule](model, Rprop, mse_loss, mse_loss, 5, [(X, Y)], seed=0)
        passes.clear()  # the call itself tries a batch, so that what cannot be trained is refused there
        list(steps)
        assert passes.count(40) == s7.block_passes(name, 4, 5)
    model, passes = counted_passes()
    decoders, shared = make_decoders(model, X, seed=0), Rprop(model.parameters())
    for _ in range(5):
        local_propagation.one_optimizer_epoch(model, decoders, shared, X, Y, True)
    assert passes.count(40) == s7.block_passes("document's parallel", 4, 5)


def counted_passes():
    """Return a net of four blocks and the list of the batch sizes that its blocks run forward on."""
    model, passes = layered_net([2, 3, 3, 3, 1], seed=0), []
    for block in model:
        block.register_forward_hook(lambda _, inputs, out: passes.append(len(out)))
    return model, passes


def test_the_trap_freezes_the_step_lengths_and_the_cure_frees_them():
    X = torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) - 0.5
    Y = (X[:, :1] * X[:, 1:] > 0).float()
    lengths = {}
    for set_to_none in (False, True):
        model = layered_net([2, 8, 8, 1], seed=0)
        decoders, shared = make_decoders(model, X, seed=0), Rprop(model.parameters())
        for _ in range(20):
            local_propagation.one_optimizer_epoch(model, decoders, shared, X, Y, set_to_none)
        lengths[set_to_none] = shared.state[model[0][0].weight]["step_size"]
    assert (lengths[False] == 0.01).all()
    assert lengths[True].max() > 2 * lengths[True].min()


WRONG["local_propagation"] = {
    "local_step": [
        (step(hand_on=lambda block, decoder, h: block(h)), "detach"),
        (step(lambda block, decoder, h: decoder(block(h).detach())), "gradients of block 0"),
        (step(hand_on=lambda block, decoder, h: decoder(block(h)).detach()), r"\(6, 5\)"),
        (step(times=2), "once"),
    ],
    "optimizers": [
        (lambda blocks, decoders: [Rprop(parameters(*blocks, *decoders))] * 3, "different optimisers"),
        (lambda blocks, decoders: [Rprop(parameters(*blocks, *decoders)) for _ in blocks], "the trap again"),
        (lambda blocks, decoders: [Rprop(block.parameters()) for block in blocks], "learns with its block"),
        (lambda blocks, decoders: s7.make_optimizers(blocks, decoders)[:-1], "one each"),
    ],
    "block_passes": [
        (lambda rule, blocks, epochs: blocks * epochs, "expected"),
        (lambda rule, *sizes: s7.block_passes(rule, *sizes) + (rule == "parallel"), "expected"),
        (lambda rule, blocks, epochs: epochs * blocks**2 if rule[0] == "d" else epochs * blocks, "expected"),
    ],
    "displacement": [
        (lambda b, a: ((a - b).norm(dim=1) / b.norm(dim=1)).mean(), "expected"),
        (lambda b, a: (a - b).norm(dim=1).mean() / a.norm(dim=1).mean(), "expected"),
        (lambda b, a: (a.norm(dim=1) - b.norm(dim=1)).abs().mean() / b.norm(dim=1).mean(), "expected"),
    ],
}


def cosines(rows, centre=True, unit=True):
    rows = rows - rows.mean(1, keepdim=True) if centre else rows
    rows = normalize(rows) if unit else rows
    return rows @ rows.T


def through_the_layers(X, activities, delta, matrices):
    """Feedback alignment where the direct kind is asked for: the first layer's error comes from the second's."""
    (a1, a2), (_, B2) = activities, matrices
    d2 = (delta @ B2) * (1 - a2**2)
    return [((d2 @ torch.ones(4, 5)) * (1 - a1**2)).T @ X, d2.T @ a1]


def gradients(slope=lambda a: 1 - a**2, inputs=lambda X, activities: [X, *activities], scale=1.0):
    def direct_gradients(X, activities, delta, matrices):
        errors = [(scale * delta @ B) * slope(a) for B, a in zip(matrices, activities)]
        return [e.T @ h for e, h in zip(errors, inputs(X, activities))]

    return direct_gradients


def moved(low, high):
    def wrong_labels(labels, classes, generator):
        drawn = labels + torch.randint(low, max(low + 1, classes + high), labels.shape, generator=generator)
        return drawn % classes

    return wrong_labels


def unpaired(a, b, t):
    half = t * np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / len(a))
    return np.mean(a) - np.mean(b), half


WRONG["other_learning_signals"] = {
    "similarity": [
        (lambda F, T: (cosines(F, unit=False) - cosines(T, unit=False)).square().mean(), "length 1"),
        (lambda F, T: (cosines(F, centre=False) - cosines(T, centre=False)).square().mean(), "less its mean"),
        (lambda F, T: (cosines(F) - cosines(T)).square().sum(), "mean over all"),
        (lambda F, T: s8.similarity(F.detach(), T), "graph"),
    ],
    "direct_gradients": [
        (through_the_layers, "straight from the output"),
        (gradients(slope=torch.ones_like), "slope"),
        (gradients(inputs=lambda X, activities: activities), "layer 2"),
        (gradients(scale=1.001), "entry"),
    ],
    "wrong_labels": [
        (lambda labels, classes, g: torch.randint(0, classes, labels.shape, generator=g), "no true label"),
        (moved(1, -1), "all other classes alike"),
        (lambda labels, classes, g: (labels + 1) % classes, "all other classes alike"),
        (lambda labels, classes, g: s8.wrong_labels(labels, classes, None), "equal seeds"),
    ],
    "paired_interval": [
        (unpaired, "pair by pair"),
        (lambda a, b, t: s8.paired_interval(b, a, t), "all differ by 0.1"),
        (lambda a, b, t: (np.mean(np.subtract(a, b)), t * np.std(np.subtract(a, b)) / np.sqrt(len(a))), "ddof=1"),
        (lambda a, b, t: (abs(np.mean(np.subtract(a, b))), s8.paired_interval(a, b, t)[1]), "exchanged"),
    ],
}


def updates_by(share, updates=True, rules=None):
    def each_weight_changes(text):
        state = Run.from_text(text)
        shared = state.equal == "passes" or not updates
        return {
            rule: share(state) if rule == "local, sequential" and shared else state.epochs
            for rule in rules or state.rules
        }

    return each_weight_changes


def by(measure, summary=statistics.median):
    def winner(races):
        found = {}
        for race in races:
            for outcome in race:
                found.setdefault(outcome.rule, []).append(measure(outcome))
        return max(found, key=lambda rule: summary(found[rule]))

    return winner


def by_position(races):
    columns = list(zip(*races))
    best = max(columns, key=lambda column: statistics.median(o.test for o in column))
    return best[0].rule


THREE = ["back-propagation", "local, parallel", "local, sequential"]
TWO = "rules=back-propagation | local, parallel; epochs=5; samples=50; hidden=4-4-4"


WRONG["playground"] = {
    "each_weight_changes": [
        (updates_by(lambda s: s.epochs // len(s.hidden)), "the output is one too"),
        (updates_by(lambda s: s.epochs / (len(s.hidden) + 1)), "round down"),
        (updates_by(lambda s: max(1, s.epochs // (len(s.hidden) + 1)), updates=False), "read the part equal"),
        (updates_by(lambda s: max(1, s.epochs // (len(s.hidden) + 1)), rules=THREE), "only rules"),
    ],
    "winner": [
        (by(lambda o: o.training), "read .test"),
        (by(lambda o: o.test, min), "not a mean or the worst"),
        (by(lambda o: o.test, statistics.mean), "not a mean"),
        (by_position, "not by position"),
    ],
    "local_wins": [
        (lambda: TWO, "make that signal weak"),
        (lambda: TWO + "; equal=updates", "choose it in the panel"),
        (lambda: TWO.replace("samples=50", "samples=600"), "500 points at most"),
        (lambda: "epochs=5; planet=mars", "no part of a run is called 'planet'"),
    ],
}


@pytest.mark.parametrize("lecture", WRONG)
def test_wrong_answers_are_refused(lecture):
    refuse(lecture, WRONG[lecture])

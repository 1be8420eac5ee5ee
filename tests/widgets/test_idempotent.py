"""The panels of lecture 05 without a browser: every control at both ends, and the run of the plain generator."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch.optim import SGD

from helpers.networks import NETWORKS
from helpers.training.idempotent import Algorithm, Samples, idempotent_error, trace_and_norm, train_idempotent
from helpers.widgets.controls import option_of
from helpers.widgets.idempotent import GOLDEN, RULES, IdempotentPanel, folded, idempotent_panel, purified


def test_a_cobweb_is_kept_and_updated_in_place():
    panel = idempotent_panel("cobweb of 3a² - 2a³", start=0.6)
    first = panel.answer[1]
    assert panel.run(start=1.4, steps=3)[1] is first
    assert first.path == pytest.approx(purified(1.4, 3))
    assert panel.run(high=1.5)[1] is not first


def test_the_start_is_dragged_in_every_view():
    panel = idempotent_panel()
    for view in option_of(panel.controls["view"]).values:
        shown = panel.run(view=view, start=0.6)[1]
        for handle in shown.handles:
            panel.touched(lambda: handle.drag(1.234, 0.0))  # noqa: B023
            assert panel.controls["start"].value == 1.23
            assert handle.at()[0] == pytest.approx(1.23)
    panel.touched(lambda: handle.drag(99.0, 0.0))  # beyond the control's range
    assert panel.controls["start"].value == 2.5
    assert panel.error is None


def test_the_maps_are_those_of_the_document():
    a = np.array([-1.0, 0.25, 1.5])
    assert purified(a, 1)[1] == pytest.approx(3 * a**2 - 2 * a**3)
    assert folded(a, 1)[1] == pytest.approx(np.abs(a**2 - a))
    assert folded(2.0, 50)[-1] == 2
    assert np.isinf(folded(2.1, 50)[-1])
    assert "beyond all bounds" in idempotent_panel("cobweb of |a² - a|").run(start=2.1, steps=40)[0]
    assert purified(GOLDEN, 2)[[0, 2]] == pytest.approx(GOLDEN)


def test_a_run_is_that_of_the_plain_generator():
    panel = IdempotentPanel("N1", samples=16, seed=2, epochs=6)
    states = panel.run().history[-1]
    for mine, rule, last in zip(panel.nets, RULES, states, strict=True):
        net, data = NETWORKS["N1"](seed=2), Samples("normal", 16, fresh=True, seed=2)
        for step in train_idempotent(net, partial(SGD, lr=0.1), rule, 6, data):
            pass
        assert all(torch.equal(p, q) for p, q in zip(mine.parameters(), net.parameters()))
        assert (last.error, last.trace, last.rank) == (step.error, step.trace, step.rank)
        with torch.no_grad():
            y = net(panel.inputs)
            np.testing.assert_array_equal(last.outputs, y[:, :2])
            np.testing.assert_array_equal(last.again, net(y)[:, :2])


def test_in_the_plane_the_factor_is_1_and_with_five_outputs_it_is_not():
    for net, same in (("plane, tanh (2-16-2)", True), ("N1", False)):
        ordinary, scaled, modified = IdempotentPanel(net, samples=16, epochs=5).run().history[-1]
        assert (ordinary.error == scaled.error) == same
        assert ordinary.error != modified.error


def test_before_the_first_epoch_the_first_net_is_measured():
    panel = IdempotentPanel("N2", seed=5)
    (states,) = panel.picture.history
    assert panel.picture.x == [0]
    assert states[0].error == states[1].error == states[2].error == idempotent_error(panel.nets[0], panel.inputs)
    assert states[2].trace == pytest.approx(trace_and_norm(panel.nets[2])[0])


def test_a_rule_that_diverges_is_named_and_the_others_go_on():
    panel = IdempotentPanel("N1", rate=1.0, samples=32, epochs=60)
    for seed in range(9):
        panel.controls["seed"].value = seed
        picture = panel.run()
        if picture.history[-1][2].diverged:
            break
    states = dict(zip(RULES, picture.history[-1]))
    assert states[Algorithm.MODIFIED].diverged
    assert not states[Algorithm.ORDINARY].diverged
    assert picture.x[-1] == 60
    assert picture.titles[2].get_text() == "DIVERGED"
    assert np.isfinite(states[Algorithm.MODIFIED].outputs).all()
    assert panel.error is None

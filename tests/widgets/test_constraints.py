"""The panel of constrained training without a browser: every control, equal numbers, live and without hands."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy
from torch.optim import Rprop

from helpers.datasets import datasets
from helpers.training.constrained import adjoints, train_constrained
from helpers.widgets.constraints import FIXED, WAYS, constraint_panel, measure

SMALL = {"samples": 40}
JOINT = list(WAYS)[1]


def test_with_the_weights_fixed_the_multipliers_become_the_adjoints():
    panel = constraint_panel(FIXED, **SMALL)
    weights = [p.clone() for p in panel.model.parameters()]
    picture = panel.run()
    assert all(torch.equal(p, q) for p, q in zip(panel.model.parameters(), weights))
    assert max(picture.history[-1].differences) < 1e-2
    assert max(picture.history[-1].violation) < 1e-3
    assert picture.x == list(range(1, 13))
    assert "relative difference" in panel.live.words.value


def test_a_run_is_that_of_the_plain_generator():
    panel = constraint_panel(JOINT, seed=3, **SMALL)
    panel.run(15)
    data = datasets["signed_xor"].train(samples=40, seed=3)
    fresh = constraint_panel(JOINT, seed=3, **SMALL).model
    for step in train_constrained(fresh, Rprop, binary_cross_entropy, 15, [(data.X, data.Y)]):
        pass
    assert all(torch.equal(p, q) for p, q in zip(panel.model.parameters(), fresh.parameters()))
    last = panel.picture.history[-1]
    assert last.violation == step.violation
    now = adjoints(fresh, data.X, data.Y, binary_cross_entropy)
    assert last.adjoint_sizes == pytest.approx([float(a.norm()) for a in now])
    assert last.sizes == pytest.approx([float(m.norm()) for m in step.multipliers])


def test_what_is_measured_is_hand_made():
    panel = constraint_panel(JOINT, **SMALL)
    panel.run(12)
    X, Y = panel.training_set.X, panel.training_set.Y
    found = measure(panel.model, X, Y, panel.step)
    wanted = adjoints(panel.model, X, Y, binary_cross_entropy)
    for i, (mine, theirs) in enumerate(zip(panel.step.multipliers, wanted)):
        assert found.differences[i] == pytest.approx(float((mine - theirs).norm() / theirs.norm()), rel=1e-5)
        assert found.cosines[i] == pytest.approx(float((mine * theirs).sum() / mine.norm() / theirs.norm()), rel=1e-5)
    assert found.net_loss == pytest.approx(binary_cross_entropy(panel.model(X), Y).item(), rel=1e-6)

"""The panels of lecture 04 without a browser: the gradient of a cycle, and the run of the plain generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy
from torch.optim import Rprop

from helpers.datasets import datasets
from helpers.diff.lagrange import Program
from helpers.training.constrained import adjoints, train_constrained
from helpers.widgets.lagrange import (
    CELLS,
    FIXED,
    STEPS,
    WAYS,
    ConstraintPanel,
    cell_of,
    cycle_panel,
    draw_weights,
    look_into,
    unrolled_gradients,
)

SMALL = {"samples": 40}
JOINT = list(WAYS)[1]


@pytest.mark.parametrize("bent", [True, False])
def test_the_unrolled_gradient_is_that_of_finite_differences(bent):
    weights = W, U, x, c = draw_weights(0.7, seed=3, size=6)
    changes, gradients = unrolled_gradients(weights, bent, steps=5)
    assert np.isnan(changes[0])
    assert not gradients[0].any()

    def loss(at):
        z = np.zeros(6)
        for _ in range(5):
            z = W @ z + U @ at
            z = np.tanh(z) if bent else z
        return c @ z

    h = 1e-6
    numerical = [(loss(x + h * e) - loss(x - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(gradients[5], numerical, rtol=1e-7)  # central difference, h² and eps/h


@pytest.mark.parametrize("bent", [True, False])
def test_unrolling_comes_to_the_implicit_gradient_at_the_rate_of_the_spectral_radius(bent):
    cycle = look_into(0.6, 2, bent)
    assert "contracts" in cycle.words
    assert cycle.errors[STEPS] < 1e-12
    radius = np.abs(cycle.eigenvalues).max()
    rate = (cycle.errors[50] / cycle.errors[20]) ** (1 / 30)
    assert rate == pytest.approx(radius, rel=0.1)  # k J^k beside J^k: the point moves too


def test_where_iteration_fails_the_words_say_so_and_the_implicit_gradient_still_holds():
    cycle = look_into(1.5, 2)
    assert cycle.words.startswith("The iteration FAILS")
    assert "Newton's method finds a solution" in cycle.words
    assert np.abs(cycle.eigenvalues).max() > 1
    assert cycle.errors[-1] > 0.1
    weights = draw_weights(1.5, 2)
    x = weights[2]
    program = Program(inputs=["x"]).let("z", cell_of(weights), "z", "x")
    program.let("loss", lambda z: (weights[3] * z).sum(), "z")
    at = program.solve({"x": x}, start={"z": np.zeros(20)}, method="newton")["z"]
    h = 1e-6
    losses = [
        [program.solve({"x": x + s * h * e}, start={"z": at}, method="newton")["loss"] for s in (1, -1)]
        for e in np.eye(3)
    ]
    np.testing.assert_allclose(cycle.gradient, [(up - down) / (2 * h) for up, down in losses], rtol=1e-6)


def test_a_line_fails_beyond_one_and_a_singular_one_has_no_gradient_to_trust():
    assert "contracts" in look_into(0.95, 0, False).words
    beyond = look_into(1.05, 0, False)
    assert "grown without bounds" in beyond.words
    assert beyond.gradient is not None
    at_one = look_into(1.0, 0, False).words  # its largest eigenvalue is 1, so I - J is singular
    assert "singular" in at_one
    panel = cycle_panel(radius=1.0, seed=0)
    parts = panel.run(cell=list(CELLS)[1])
    assert panel.error is None
    assert "singular" in parts[0]


def test_the_words_name_both_spectral_radii():
    solved, radii, error, picture = cycle_panel(seed=0).run(radius=1.5, k=40)
    assert solved.startswith("The iteration contracts")  # W's radius is above 1, J's is not
    assert radii.startswith("Spectral radius: 1.50 of W, 0.58")
    assert "unrolled through 40 steps" in error
    assert "0 of them on or outside the unit circle" in picture.description


def test_the_radius_and_k_are_dragged_in_the_picture():
    panel = cycle_panel(seed=0)
    radius, k = panel.answer[-1].handles
    assert radius.at() == pytest.approx((0.8 * 0.5**0.5, -0.8 * 0.5**0.5))
    panel.touched(lambda: radius.drag(-0.9, 1.2))
    assert panel.controls["radius"].value == 1.5
    panel.touched(lambda: k.drag(41.4, 1e9))
    assert panel.controls["k"].value == 41
    assert k.at()[0] == 41
    panel.touched(lambda: radius.drag(0.0, 99.0))  # beyond the control's range
    assert panel.controls["radius"].value == 2.5
    assert panel.error is None


def test_with_the_weights_fixed_the_multipliers_become_the_adjoints():
    panel = ConstraintPanel(FIXED, **SMALL)
    weights = [p.clone() for p in panel.model.parameters()]
    picture = panel.run()
    assert all(torch.equal(p, q) for p, q in zip(panel.model.parameters(), weights))
    assert max(picture.history[-1].differences) < 1e-2
    assert max(picture.history[-1].violation) < 1e-3
    assert picture.x == list(range(13))
    assert picture.history[0].differences == [1, 1]  # before the first step every multiplier is zero
    assert "relative difference" in panel.live.words.value


def test_a_run_is_that_of_the_plain_generator():
    panel = ConstraintPanel(JOINT, seed=3, **SMALL)
    panel.run(15)
    data = datasets["signed_xor"].train(samples=40, seed=3)
    fresh = ConstraintPanel(JOINT, seed=3, **SMALL).model
    for step in train_constrained(fresh, Rprop, binary_cross_entropy, 15, [(data.X, data.Y)]):
        pass
    assert all(torch.equal(p, q) for p, q in zip(panel.model.parameters(), fresh.parameters()))
    last = panel.picture.history[-1]
    assert last.violation == step.violation
    now = adjoints(fresh, data.X, data.Y, binary_cross_entropy)
    assert last.adjoint_sizes == pytest.approx([float(a.norm()) for a in now])
    assert last.sizes == pytest.approx([float(m.norm()) for m in step.multipliers])


def test_what_is_measured_is_hand_made():
    panel = ConstraintPanel(JOINT, **SMALL)
    panel.run(12)
    X, Y = panel.training_set.X, panel.training_set.Y
    found = panel.picture.history[-1]
    wanted = adjoints(panel.model, X, Y, binary_cross_entropy)
    for i, (mine, theirs) in enumerate(zip(panel.last.multipliers, wanted)):
        assert found.differences[i] == pytest.approx(float((mine - theirs).norm() / theirs.norm()), rel=1e-5)
        assert found.cosines[i] == pytest.approx(float((mine * theirs).sum() / mine.norm() / theirs.norm()), rel=1e-5)
    assert found.net_loss == pytest.approx(binary_cross_entropy(panel.model(X), Y).item(), rel=1e-6)

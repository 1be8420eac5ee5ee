"""Every number and every word of a stepper, in every mode, against vjp and jvp: what is shown is what is computed."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.diff import exp, forward, sin, tanh
from helpers.diff.arrays import vjp
from helpers.diff.formula import parse
from helpers.diff.graphs import written
from helpers.diff.step_graphs import graph_of
from helpers.diff.steps import Sweep
from helpers.plots.stepper import StepPicture
from helpers.widgets.stepper import Stepper

ON_ARRAYS = {
    "net": lambda x, W: (tanh(W @ x) ** 2).sum(),
    "bias": lambda x, W: ((W @ x + x[0]) * 0.5).sum(),
    "mixed": lambda x, W: (x - W).sum() - (x * W).mean() + exp(-x).sum(),
    "one number": lambda x, W: (W[0] @ x * x.sum()).sum(),
}
AT = {"x": np.array([[0.4], [-0.7]]), "W": np.array([[1.5, -0.3], [0.2, 2.0]])}


@pytest.mark.parametrize("name", ON_ARRAYS)
@pytest.mark.parametrize("seed", ["x", "W"])
def test_forward_mode_on_arrays_shows_the_derivative_in_the_direction_that_it_names(name, seed):
    f = ON_ARRAYS[name]
    stepper = Stepper(f, AT, mode="forward")
    picture = stepper.run(seed=seed)
    y, pullback = vjp(f, *AT.values())
    gradient = dict(zip(AT, pullback(1.0)))[seed]
    along_ones = stepper.sweep.state(len(stepper.sweep.steps)).slopes[stepper.sweep.graph.output]
    assert np.ravel(along_ones)[0] == pytest.approx(gradient.sum())
    assert f"/∂{seed} =" not in stepper.words  # the gradient is an array, this is a number
    shown = re.search(rf"in the direction {seed[0]}\u0307, 1 in every entry of {seed}, is ([-\d.e]+)\.$", stepper.words)
    assert float(shown[1]) == pytest.approx(gradient.sum(), rel=1e-5)
    assert "1 in every entry" in stepper.sweep.steps[0].words
    assert "1 in every entry" in picture.describe(1)
    assert f"{written(y[()])}" in stepper.words


@pytest.mark.parametrize("name", ON_ARRAYS)
def test_reverse_mode_on_arrays_shows_the_gradient(name):
    f = ON_ARRAYS[name]
    stepper = Stepper(f, AT)
    stepper.run()
    _, pullback = vjp(f, *AT.values())
    for input_, gradient in zip(AT, pullback(1.0)):
        assert f"/∂{input_} = {written(gradient)}" in stepper.words


def worked_out(numbers):
    """Work out what a step says in numbers, as a reader would."""
    return eval(numbers.replace("·", "*"), {"exp": np.exp, "sin": np.sin, "tanh": np.tanh, "log": np.log})


formulas = st.recursive(
    st.sampled_from(["x", "y", "x", "2", "1e-05"]),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
        st.builds("{}({})".format, st.sampled_from(["sin", "tanh", "-"]), inner),
        st.builds("({})**{}".format, inner, st.sampled_from(["2", "3"])),
    ),
    max_leaves=6,
).map("({0}) * x - y".format)
points = st.floats(-2, 2).map(lambda v: round(v, 3))


@settings(max_examples=40, deadline=None)
@given(formulas, points, points)
def test_every_number_of_a_formula_is_the_truth(text, x, y):
    f = parse(text, ["x", "y"])
    graph = graph_of(f, {"x": x, "y": y})
    truth = {name: forward.derivative(g, at) for name, g, at in [
        ("x", lambda t: f(t, y), x), ("y", lambda t: f(x, t), y)]}  # fmt: skip
    for mode, seed in (("reverse", None), ("forward", "x"), ("forward", "y"), ("values", None)):
        sweep = Sweep(graph, mode, seed)
        for step in sweep.steps:
            assert step.words.endswith(written(step.product)), step.words
            if step.numbers:  # six digits are shown of each operand
                size = max(1.0, abs(float(step.product)), *(abs(float(v)) for v in sweep.state(99).values.values()))
                assert worked_out(step.numbers) == pytest.approx(float(step.product), abs=1e-4 * size), step.words
        slopes = sweep.state(len(sweep.steps)).slopes
        if mode == "reverse":
            assert {n: slopes[n] for n in truth} == pytest.approx(truth, abs=1e-12)
        if mode == "forward":
            assert slopes[graph.output] == pytest.approx(truth[seed], abs=1e-12)
        last = sweep.sentence(len(sweep.steps))
        for name in {"reverse": ["x", "y"], "forward": [seed], "values": []}[mode]:
            assert f"∂{graph.output}/∂{name} = {written(slopes[name if mode == 'reverse' else graph.output])}" in last


def texts_of(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


@pytest.mark.parametrize("mode", ["reverse", "forward", "values"])
def test_the_picture_says_what_it_draws_at_every_step(mode):
    sweep = Sweep(graph_of(parse("log(x1) + x1*x2 - sin(x2)"), {"x1": 2.0, "x2": 5.0}), mode)
    picture = StepPicture(sweep)
    for position in range(len(sweep.steps) + 1):
        drawn, said, state = texts_of(picture.svg(position)), picture.describe(position), sweep.state(position)
        for name, value in state.values.items():
            assert f"{name} = {value:.6g}" in said
            assert f"{value:.4g}" in drawn
        assert drawn.count("?") == (len(sweep.nodes) - len(state.values))
        for name in sweep.nodes:
            if name in state.slopes and state.received[name] == sweep.expected[name]:
                assert f"{sweep.slope_name(name)} = {state.slopes[name]:.4g}" in drawn
                assert f"{sweep.slope_name(name)} = {state.slopes[name]:.6g}" in said


def test_numbers_with_a_sign_stand_in_brackets():
    sweep = Sweep(graph_of(lambda x: (tanh(x) + x**2).sum(), {"x": np.array([-0.5])}))
    shown = " | ".join(step.numbers for step in sweep.steps)
    assert "-0.5" not in re.sub(r"\[[^\]]*\]", "", shown)
    number = Sweep(graph_of(lambda x, y: (tanh(y) + y**2) * x.sum(), {"x": np.ones(2), "y": np.array(-0.5)}))
    shown = " | ".join(step.numbers for step in number.steps)
    assert "2 (-0.5)" in shown
    assert "(1 - (-0.462" in shown


def test_what_cannot_be_chosen_leaves_the_stepper_alive():
    stepper = Stepper("x*y", at="x=2, y=3")
    for wrong in ({"mode": "sideways"}, {"seed": "z"}, {"formula": 3}):
        with pytest.raises(ValueError, match="must be one of"):
            stepper.run(**wrong)
    stepper.controls["formula"].value = "x + y"
    assert stepper.sweep.nodes["v1"].value == 5
    assert sin(0.0) == 0

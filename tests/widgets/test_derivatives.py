"""The panels of lecture 01 without a browser: true numbers, theory that holds, and what a hand does in the pictures."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.diff.numerical import METHODS, gradient
from helpers.diff.symbolic import operations
from helpers.plots.derivatives import scientific
from helpers.widgets import derivatives as panels
from helpers.widgets.derivatives import (
    CASES,
    INPUTS,
    OPERATIONS,
    PRECISIONS,
    STEPS,
    TARGETS,
    derivatives,
    estimates,
    expected_parts,
    in_words,
    nested,
)
from tests.solutions import load

BELLANI, WANG_JENKINS, LARGE, BENT = CASES


def by_hand():
    """Return f, f', f'' and f''' from the school book, in the order of CASES."""
    a = math.exp(-1)
    c, c1, c2, c3 = a + a * a, a + 2 * a * a, a + 4 * a * a, a + 8 * a * a
    e, s, k = math.exp(c), math.sin(c), math.cos(c)
    wang_jenkins = [
        e + s,
        (e + k) * c1,
        (e - s) * c1**2 + (e + k) * c2,
        (e - k) * c1**3 + 3 * (e - s) * c1 * c2 + (e + k) * c3,
    ]
    sin, cos = math.sin, math.cos
    return [
        [math.log(2) + 10 - sin(5), 2 - cos(5), sin(5), cos(5)],
        wang_jenkins,
        [1000 + sin(1), cos(1), -sin(1), -cos(1)],
        [sin(30), 30 * cos(30), -900 * sin(30), -27000 * cos(30)],
    ]


def handle(panel, name):
    return next(one for one in panel.answer[-1].handles if one.name.startswith(name))


def drag(panel, name, x, y=0.0):
    panel.touched(lambda: handle(panel, name).drag(x, y))


def click(panel, name):
    panel.touched(lambda: handle(panel, name).click(0.0, 0.0))


def test_the_truth_is_that_of_the_school_book():
    for case, exact in zip(CASES.values(), by_hand()):
        assert derivatives(case) == pytest.approx(exact, rel=1e-12)
        assert exact[1] > 0  # or the tangent would not be the diagonal


def test_the_estimates_are_those_of_the_engine():
    case = CASES[WANG_JENKINS]
    for dtype, method, step in itertools.product(PRECISIONS.values(), METHODS, (1e-6, 1e-4, 1e-2)):
        engine = gradient(case.f, dtype(case.x), method, step)
        assert float(estimates(case, method, dtype, step)) == pytest.approx(float(engine), rel=1e-3)


def test_what_theory_estimates_is_seldom_far_from_the_errors():
    """Above the step that x can see, and below the length on which f changes, errors stay near the dashed lines."""
    for case, dtype, method in itertools.product(CASES.values(), PRECISIONS.values(), METHODS):
        fine = (np.spacing(dtype(case.x)) * 4 < STEPS) & (STEPS < 1e-2)
        error = np.abs(estimates(case, method, dtype, STEPS) - derivatives(case)[1])
        expected = sum(expected_parts(case, method, dtype, STEPS))
        assert (error <= 3 * expected)[fine].all(), (case, dtype, method)
        assert (error[fine] >= expected[fine] / 20).any(), (case, dtype, method)


def test_bellanis_error_is_one_ulp_over_h_whatever_was_left_in_the_panel():
    panel = panels.secant_panel()
    panel.run(step=1e-3, function=LARGE, method="central", precision="float64")
    words, picture = panel.run(step=1e-5, function=BELLANI, method="forward", precision="float32")
    ulp = float(np.spacing(np.float32(11.65)))
    assert abs(picture.error["float32"] - 0.09509146) <= ulp / 1e-5
    assert picture.error["float64"] == pytest.approx(4.8e-6, rel=0.01)
    assert f"off by {scientific(picture.error['float32'])}" in words
    assert words.endswith("rounding rules.")
    assert picture.texts["float32"].get_text() == f"float32: off by {scientific(picture.error['float32'])}"


def test_the_larger_part_rules():
    assert in_words("float32", 1e-3, 0.1, 2e-3, 1e-3).endswith("truncation rules.")
    assert in_words("float32", 1e-3, 0.1, 1e-3, 2e-3).endswith("rounding rules.")


@pytest.mark.parametrize("method", METHODS)
def test_the_solid_line_has_the_slope_of_the_estimate_and_the_dashed_one_that_of_the_tangent(method):
    panel = panels.secant_panel()
    for case, step, precision in itertools.product(CASES, (1.0, 0.03, 1e-5), PRECISIONS):
        picture = panel.run(step=step, function=case, method=method, precision=precision)[1]
        true = derivatives(CASES[case])[1]
        slope = float(estimates(CASES[case], method, PRECISIONS[precision], step))
        x, y = picture.secant.get_data()
        assert (y[1] - y[0]) / (x[1] - x[0]) * true == pytest.approx(slope, rel=1e-6, abs=1e-6 * abs(true))
        assert np.ptp(picture.tangent.get_ydata()) == np.ptp(picture.tangent.get_xdata())
        assert 0.25 <= picture.second.get_xdata()[0] <= 2.5


def test_the_second_point_is_dragged_inside_its_window_and_a_click_looks_closer():
    panel = panels.secant_panel()
    drag(panel, "the second point", 0.5)
    assert panel.values["step"] == pytest.approx(0.5, rel=0.03)
    drag(panel, "the second point", -7.0)
    assert panel.values["step"] == pytest.approx(0.25, rel=0.03)
    assert panel.answer[1].error["float64"] < 0.15
    click(panel, "the second point")
    assert panel.values["step"] == pytest.approx(0.025, rel=0.03)
    drag(panel, "the second point", 99.0)
    assert panel.values["step"] == pytest.approx(0.024 * 10, rel=0.03)
    for _ in range(20):
        click(panel, "the second point")
    assert panel.values["step"] == pytest.approx(1e-16)
    drag(panel, "the step h", 1e-8)
    assert panel.values["step"] == pytest.approx(1e-8)
    assert panel.error is None


def test_in_float32_a_small_window_shows_stairs_and_in_float64_none():
    panel = panels.secant_panel()
    heights = [len(set(panel.run(step=1e-6, precision=precision)[1].curve.get_ydata())) for precision in PRECISIONS]
    assert heights[0] < 8
    assert heights[1] > 400


def test_the_caption_says_that_the_complex_step_does_not_rise_again_and_no_dot_lies_on_the_texts():
    panel = panels.secant_panel()
    for method in METHODS:
        picture = panel.run(method=method)[1]
        assert ("rise again" in picture.look_for) == (method != "complex")
        for text in picture.texts.values():
            box = text.get_window_extent(picture.figure.canvas.get_renderer())
            for dots in picture.dots.values():
                spots = dots.axes.transData.transform(dots.get_xydata())
                assert not any(box.contains(*spot) for spot in spots), (method, text.get_text())


def test_a_step_downhill_is_the_rate_times_the_slope_and_a_click_takes_it():
    panel = panels.descent_panel()
    words, picture = panel.run(weight=0.4, rate=0.3, model="w x")
    slope = float((2 * (0.4 * INPUTS - TARGETS) * INPUTS).mean())
    assert picture.state["slope"] == pytest.approx(slope)
    assert picture.state["next"] == pytest.approx(0.4 - 0.3 * slope)
    assert f"slope {slope:.3g}".replace("-", "−") in words
    drag(panel, "the next weight", 0.4 - 0.2 * slope)
    assert panel.values["rate"] == pytest.approx(0.2)
    click(panel, "the next weight")
    assert panel.values["weight"] == pytest.approx(0.4 - 0.2 * slope, abs=0.006)
    drag(panel, "your weight", -0.7)
    assert panel.values["weight"] == pytest.approx(-0.7)
    panel.answer[1].state["slope"] = 0.0  # at the bottom there is no step whose rate one could read off
    before = panel.values
    drag(panel, "the next weight", 1.0)
    assert panel.values == before
    assert panel.error is None


def test_a_rate_above_the_inverse_of_half_the_curvature_climbs():
    panel = panels.descent_panel()
    limit = 2 / float((2 * INPUTS**2).mean())
    for rate, climbs in ((limit - 0.02, False), (limit + 0.02, True)):
        state = panel.run(weight=0.0, rate=round(rate, 2), model="w x")[1].state
        assert (state["then"] > state["loss"]) == climbs


def test_trees_swell_as_the_formulas_of_the_lecture_say_and_the_graph_does_not():
    panel = panels.expression_panel()
    trees, graph = panel.controls["form"].options
    for n in range(1, 6):
        y, slope = nested(n)
        assert operations(y, shared=False) == 2 ** (n + 1) - 2
        assert operations(slope, shared=False) == 3 * n * 2**n
        assert operations(y, slope) == 7 * n
        for form, dots in ((trees, 2 ** (n + 1) - 2 + 3 * n * 2**n), (graph, 7 * n)):
            words, drawing = panel.run(depth=n, form=form)
            leaves = drawing.source.count("#666666")
            assert drawing.source.count("fillcolor") - leaves - 2 == dots
            assert str(7 * n if form == graph else 3 * n * 2**n) in words
            assert drawing.description == words


def test_the_dual_number_carries_the_derivative_of_every_node():
    panel = panels.dual_panel()
    for x in (-2.5, -1.0, 0.0):
        duals = panel.run(x=x, done=6)[1].duals
        a = math.exp(x)
        c, k = a + a * a, a + 2 * a * a
        exact = {
            "x": 1, "a": a, "b": 2 * a * a, "c": k, "d": math.exp(c) * k, "e": math.cos(c) * k,
            "f": (math.exp(c) + math.cos(c)) * k,
        }  # fmt: skip
        assert {name: slope for name, (_, slope) in duals.items()} == pytest.approx(exact)
    assert panel.run(x=-1.0)[1].duals["f"][1] == pytest.approx(1.6155741697332788, rel=1e-15)


def test_a_readers_own_class_drives_the_panel_and_its_bug_is_seen_or_said():
    theirs = load("three_ways_to_differentiate").Dual
    panel = panels.dual_panel(theirs)
    assert panel.run(done=6)[1].duals["f"][1] == pytest.approx(1.6155741697332788, rel=1e-15)

    class Wrong(theirs):
        def through(self, f, slope):
            return Wrong(f(self.value), slope(self.value) * self.slope)

        def __mul__(self, other):
            return Wrong(self.value * other.value, self.slope)

    words, picture = panels.dual_panel(Wrong).run(done=2)
    assert words.endswith("2a · slope of a = 0.736 · 0.368 = 0.271. But this number has the slope 0.368.")
    (left, low), (right, high) = picture.slopes["b"].get_xydata()
    assert (high - low) / (right - left) == pytest.approx(math.exp(-1))  # no tangent: that has 2 exp(-2)

    class Stub(theirs):
        def through(self, f, slope):
            raise NotImplementedError("Student exercise: f of self")

    panel = panels.dual_panel(Stub)
    with pytest.raises(NotImplementedError):
        panel.run(done=1)
    assert "Student exercise" in panel.status.value
    panel.run(done=0)
    assert panel.error is None


def test_operations_are_done_one_by_one_and_only_known_points_can_be_held():
    panel = panels.dual_panel()
    for done, name in enumerate(OPERATIONS):
        words, picture = panel.run(done=done)
        assert list(picture.duals) == list(OPERATIONS)[: done + 1]
        assert [math.isfinite(handle(panel, f"the point of {one}").at()[0]) for one in OPERATIONS] == [
            i <= done for i in range(7)
        ]
        assert words.startswith("The input" if name == "x" else OPERATIONS[name][0])
    click(panel, "the plot of b")
    assert panel.values["done"] == 2
    drag(panel, "the point of b", -2.0)
    assert panel.values["x"] == -2.0
    drag(panel, "the point of x", 5.0)
    assert panel.values["x"] == 0.0


def test_the_handles_stand_where_their_points_are_drawn():
    for panel in (panels.descent_panel(), panels.secant_panel(), panels.dual_panel()):
        picture = panel.answer[-1]
        assert len({one.name for one in picture.handles}) == len(picture.handles)
        for one in picture.handles:
            x, y = one.at() if one.at else (math.inf, math.inf)
            if math.isfinite(x):
                at = SimpleNamespace(xy=one.ax.transData.transform((x, y)))
                assert one.ax.bbox.padded(1).contains(*at.xy), one.name

"""The first thing to touch: a point that is dragged along a curve, and the slopes that it leaves."""

from __future__ import annotations

import math

import pytest

from helpers.diff import exp, log, sin
from helpers.widgets import tangent_panel


def test_point_tangent_and_dots_follow_the_control_and_the_hand():
    panel = tangent_panel(lambda x: sin(2 * x) + x**2 / 8)
    picture = panel.answer[1]
    (handle,) = picture.handles
    for x in (0.5, -1.0):
        panel.touched(lambda x=x: handle.drag(x, 99.0))  # how high the pointer is does not matter
        value, slope = math.sin(2 * x) + x**2 / 8, 2 * math.cos(2 * x) + x / 4
        assert panel.values == {"x": x}
        assert panel.answer[0] == f"x = {x:.2f}, f(x) = {value:.3f}, slope {slope:.3f}".replace("-", "−")
        assert handle.at() == pytest.approx((x, value))
        assert [v[0] for v in picture.point.get_data()] == pytest.approx([x, value])
        (left, right), (low, high) = picture.line.get_data()
        assert (high - low) / (right - left) == pytest.approx(slope)
        assert picture.been[x] == pytest.approx(slope)
    assert list(picture.been) == [-1.5, 0.5, -1.0]
    assert list(picture.trail.get_xdata()) == list(picture.been)
    assert "slope" in picture.words


def test_functions_that_are_level_or_have_other_ends():
    assert tangent_panel(lambda x: 3.0).run(x=1)[0] == "x = 1.00, f(x) = 3.000, slope 0.000"
    panel = tangent_panel(log, 0.5, 2.5)
    assert panel.answer[0].startswith("x = 1.00, f(x) = 0.000")
    assert panel.answer[1].ax.get_xlim() == (0.5, 2.5)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: exp(exp(exp(x))), "larger than the largest float"),
        (log, "log"),
        (lambda x: math.sin(x), "float|number"),
    ],
)
def test_a_function_that_has_no_slope_everywhere_is_refused(f, words):
    with pytest.raises((TypeError, ValueError, OverflowError), match=words):
        tangent_panel(f)

"""The U of a numerical derivative: dots, dashed lines, stars and the marked step are where the numbers are."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.text import Text

from helpers.plots.errors import HIGH, LOW, plot_step_sizes

STEPS = np.logspace(-8, 0, 9)
METHODS = ("forward", "central")


def picture(errors=None, **options):
    expected = {"forward": STEPS / 2 + 1e-9 / STEPS, "central": STEPS**2 / 6 + 1e-9 / STEPS}
    defaults = {"forward": 1e-4, "central": 1e-3}
    return plot_step_sizes(STEPS, errors or expected, expected, defaults, **options)


def test_dots_lines_and_stars_lie_where_the_numbers_are():
    errors = {"forward": STEPS, "central": STEPS**2}
    drawn = picture(errors, step=1e-2)
    for method in METHODS:
        assert drawn.dots[method].get_xydata() == pytest.approx(np.stack([STEPS, errors[method]], axis=1))
    assert drawn.stars["forward"].get_xydata()[0] == pytest.approx([1e-4, 0.5e-4 + 1e-5])
    assert drawn.dashed["central"].get_ydata() == pytest.approx(STEPS**2 / 6 + 1e-9 / STEPS)
    assert drawn.chosen["central"].get_xydata()[0] == pytest.approx([1e-2, 1e-4])
    assert list(drawn.mark.get_xdata()) == pytest.approx([1e-2, 1e-2])


def test_the_mark_moves_in_place_to_the_nearest_step():
    drawn = picture(step=1e-2)
    before, artists = drawn.png(), [drawn.mark, *drawn.chosen.values()]
    drawn.choose(0.8e-6)
    assert drawn.step == pytest.approx(1e-6)
    assert drawn.png() != before
    assert drawn.changing == artists
    with pytest.raises(ValueError, match="step must be above 0, got 0"):
        drawn.choose(0)


def test_what_the_axis_does_not_hold_lies_at_its_edge():
    errors = {"forward": np.zeros(9), "central": np.full(9, 1e9)}
    drawn = picture(errors)
    assert LOW < drawn.dots["forward"].get_ydata().max() < 2 * LOW
    assert HIGH / 2 < drawn.dots["central"].get_ydata().max() < HIGH


def test_a_default_left_of_the_axis_has_its_star_at_the_left_edge():
    expected = {"complex": np.full(9, 1e-16)}
    drawn = plot_step_sizes(STEPS, expected, expected, {"complex": 1e-154})
    assert drawn.stars["complex"].get_xdata()[0] == pytest.approx(2e-8)
    assert "default step 1e-154" in drawn.description


def test_it_describes_itself_legibly():
    drawn = picture({"forward": STEPS, "central": STEPS**2}, step=1e-2, name="f in float32")
    assert drawn.description.startswith("f in float32. Error of the derivative over the step h, marked at h = 0.01.")
    assert "forward: 0.01 at the marked step, least 1e-08 at h = 1e-08, default step 0.0001" in drawn.description
    assert "default step" in drawn.look_for
    drawn.figure.canvas.draw()
    assert min(t.get_fontsize() for t in drawn.figure.findobj(Text) if t.get_text().strip()) >= 7  # exponents of ticks
    assert min(t.get_fontsize() for t in drawn.ax.get_xticklabels()) >= 10
    looks = {(dots.get_color(), dots.get_marker()) for dots in drawn.dots.values()}
    assert len(looks) == len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == 2


@pytest.mark.parametrize("steps", [[1e-3], [1e-3, 1e-4], [0, 1], [[1e-3, 1e-2]], [1e-3, float("nan")]])
def test_steps_must_be_above_0_and_growing(steps):
    values = {"forward": np.ones(np.shape(steps))}
    with pytest.raises(ValueError, match="steps must be two or more numbers above 0 in growing order"):
        plot_step_sizes(steps, values, values, {"forward": 1e-3})


def test_other_lengths_are_refused():
    values = {"forward": np.ones(8)}
    with pytest.raises(ValueError, match="'forward' must have shape"):
        plot_step_sizes(STEPS, values, values, {"forward": 1e-3})

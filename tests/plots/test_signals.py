"""Diagrams of what flows where, and pictures of angles, paired differences and the table of all rules."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from matplotlib.patches import FancyArrowPatch

from helpers.plots.pictures import COLOURS
from helpers.plots.signals import FLOWS, plot_angles, plot_differences, plot_flow, plot_rule_table
from helpers.training import RULES


def arrows(ax, colour):
    return [
        p for p in ax.patches if isinstance(p, FancyArrowPatch) and p.get_edgecolor()[:3] == pytest.approx(rgb(colour))
    ]


def rgb(colour):
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def test_each_diagram_is_of_a_rule_of_the_course():
    assert set(FLOWS) <= set(RULES)


@pytest.mark.parametrize("rule", FLOWS)
def test_the_arrows_are_those_that_the_rule_has(rule):
    picture, flow = plot_flow(rule), FLOWS[rule]
    ax = picture.figure.axes[0]
    losses = len(flow.judged) + 1
    assert len(arrows(ax, COLOURS[1])) == losses + len(flow.back)
    assert len(arrows(ax, COLOURS[0])) == 3 + losses
    assert len(arrows(ax, COLOURS[2])) == (2 if flow.label else 0)
    words = [text.get_text() for text in ax.texts]
    assert all(name in words for *_, name in flow.back)
    assert f"{rule}: {flow.words}." in picture.description
    assert picture.look_for


def test_what_comes_back_goes_where_the_rule_sends_it():
    def ends(rule):
        return [(start, end) for start, end, _ in FLOWS[rule].back]

    assert ends("back-propagation") == ends("feedback alignment") == [(3, 2), (2, 1)]
    assert ends("direct feedback alignment") == [(3, 2), (3, 1)]
    assert all(not flow.back for flow in FLOWS.values() if flow.judged)


@pytest.mark.parametrize("wrong", ["magic", [], ["back-propagation", "magic"]])
def test_an_unknown_rule_is_answered_with_those_there_are(wrong):
    with pytest.raises(ValueError, match=r"rules must be of back-propagation, .* got (magic|none)"):
        plot_flow(wrong)


def readable(picture):
    picture.settle()
    texts = [
        t for ax in picture.figure.axes for t in (*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels(), ax.title)
    ]
    return all(t.get_fontsize() >= 10 for t in texts if t.get_text())


def test_angles_median_and_band():
    values = np.array([[[80.0, 60.0], [40.0, 30.0]], [[90.0, 70.0], [60.0, 20.0]], [[100.0, 65.0], [50.0, 25.0]]])
    picture = plot_angles({"one": values, "two": values})
    left = picture.figure.axes[0]
    np.testing.assert_allclose(left.lines[0].get_ydata(), [90, 50])
    np.testing.assert_allclose(left.lines[1].get_ydata(), [65, 25])
    band = left.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (40, 100)
    assert "one: block 1 from 90 to 50, block 2 from 65 to 25 degrees (medians of 3 seeds)." in picture.description
    assert readable(picture)
    assert picture.png()[1:4] == b"PNG"


@pytest.mark.parametrize("wrong", [{}, {"one": [1.0, 2.0]}, {"one": np.empty((0, 3, 2))}])
def test_angles_of_another_shape_are_refused(wrong):
    with pytest.raises(ValueError, match=re.escape("(seeds, epochs, blocks)")):
        plot_angles(wrong)


def test_differences_mean_interval_and_every_pair():
    groups = {"moons": {"a": [0.1, 0.3], "b": [-0.2, 0.0]}, "rings": {"a": [0.0, 0.0]}}
    picture = plot_differences(groups, lambda d: 2 * float(d.std()), x_label="a difference")
    assert "moons: a +0.200 ± 0.200; moons: b -0.100 ± 0.200; rings: a +0.000 ± 0.000" in picture.description
    dots = [tuple(c.get_offsets()[:, 0]) for c in picture.figure.axes[0].collections]
    assert dots == [(0.1, 0.3), (-0.2, 0.0), (0.0, 0.0)]
    bars = [line.get_xdata() for line in picture.figure.axes[0].lines if line.get_linewidth() > 3]
    np.testing.assert_allclose(bars, [[0.0, 0.4], [-0.3, 0.1], [0.0, 0.0]], atol=1e-12)
    assert readable(picture)


@pytest.mark.parametrize("wrong", [{}, {"moons": {}}, {"moons": {"a": []}}, {"moons": {"a": [[1.0]]}}])
def test_empty_differences_are_refused(wrong):
    with pytest.raises(ValueError, match="groups"):
        plot_differences(wrong, lambda d: 0.0, x_label="")


def test_the_table_shows_medians_ranges_and_failures():
    table = {
        "one": {"moons": [0.9, 0.8, 1.0], "rings": [0.5, math.nan, 0.7]},
        "two": {"moons": [math.nan], "rings": [1.0]},
    }
    picture = plot_rule_table(table)
    cells = [text.get_text() for text in picture.figure.axes[0].texts]
    assert cells == ["0.900\n0.80 to 1.00", "0.600\n0.50 to 0.70\n1 failed", "failed", "1.000\n1.00 to 1.00"]
    assert "one: moons 0.900, rings 0.600" in picture.description
    assert readable(picture)


@pytest.mark.parametrize("wrong", [{}, {"one": {}}, {"one": {"moons": [1.0]}, "two": {"rings": [1.0]}}])
def test_a_table_with_holes_is_refused(wrong):
    with pytest.raises(ValueError, match="the same columns, one or more"):
        plot_rule_table(wrong)

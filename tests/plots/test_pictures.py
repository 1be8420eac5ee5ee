"""Boundaries, curves and progress show what they were given, are updated in place, and refuse what they cannot draw."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import Rprop

from helpers.datasets import datasets
from helpers.networks import layered_net
from helpers.plots import (
    Curves,
    LayerProgress,
    decision_boundary,
    plot_backprop_progress,
    plot_curves,
    plot_dataset,
    plot_local_progress,
    plot_spread,
)
from helpers.plots.boundaries import Grid
from helpers.plots.pictures import new_axes, shades, short, to_edge
from helpers.plots.playground import PlaygroundPicture, decision, preferred_images, tiles
from helpers.training import accuracy, locally_optimize, locally_optimize_parallel, predictor

NAN = float("nan")
SQUARE = np.array([[-1.0, -1.0], [1.0, 1.0]])


def half_plane(points):
    return (np.asarray(points)[:, :1] > 0.3).astype(float)


def product(points):
    return 0.5 + 0.5 * np.asarray(points)[:, :1] * np.asarray(points)[:, 1:]


def sets(name="signed_xor", samples=40):
    return datasets[name].train(samples=samples), datasets[name].test(samples=samples)


def run(rule, train, test, epochs=4, model=None, **options):
    model = model or layered_net([train.X.shape[1], 8, 6, train.Y.shape[1]], seed=0)
    steps = rule(model, Rprop, mse_loss, binary_cross_entropy, epochs, [(train.X, train.Y)], seed=0)
    return plot_local_progress(steps, train, test, **options)


def test_the_boundary_lies_where_the_decision_turns():
    field = decision_boundary(product, SQUARE, size=41)
    points = field.line.get_xydata()
    points = points[np.isfinite(points).all(axis=1)]
    assert np.abs(points.prod(axis=1)).max() < 1e-3  # on one of the axes, whose union is the boundary of x0 x1
    assert np.ptp(points, axis=0) == pytest.approx([2.2, 2.2], abs=0.1)


def test_a_field_is_painted_with_its_upper_rows_on_top_and_class_1_in_orange():
    train, _ = sets()
    live = LayerProgress(train, train, 1, size=16)
    live.fill([(live.grid.points[:, 1:] > 0).astype(float)])
    still = decision_boundary(lambda p: (p[:, 1:] > 0).astype(float), SQUARE, size=9)
    zoomed = decision_boundary(lambda p: (p[:, 1:] > 0.5).astype(float), SQUARE, size=33)
    zoomed.ax.set(xlim=(0, 0.4), ylim=(0, 1))  # a field follows the limits of its axes
    for field in (still, zoomed, *live.fields):
        field.figure.canvas.draw()
        seen, box = np.asarray(field.figure.canvas.buffer_rgba())[..., :3].astype(int), field.ax.bbox
        left, height = round(box.x0 + 0.1 * box.width), len(seen)
        top, bottom = (seen[height - round(box.y0 + share * box.height), left] for share in (0.95, 0.05))
        assert top[0] > top[2] + 50, "class 1, above, is orange"
        assert bottom[2] > bottom[0] + 50, "class 0, below, is blue"


def test_a_field_is_updated_in_place_and_refuses_what_it_cannot_show():
    field = decision_boundary(half_plane, SQUARE, title="layer 1", size=21)
    first = field.png()
    assert "layer 1: 38% of the square" in field.description
    for scores, words in ((np.full((441, 1), NAN), "diverged"), (np.zeros((440, 1)), "shape"), (np.inf, "shape")):
        with pytest.raises(ValueError, match=words):
            field.update(scores)
    assert field.png() == first
    field.update(1 - half_plane(field.grid.points))
    assert field.png() != first
    assert "62%" in field.description


def test_several_classes_get_their_colours_and_their_shares():
    field = decision_boundary(lambda p: np.stack([-p[:, 0], p[:, 0], p[:, 1]], axis=1), SQUARE, size=41)
    colours = field.image.get_array()
    assert colours[20, 2, :3].argmax() == 2  # blue at the left
    assert colours[20, 38, :3].argmax() == 0  # vermilion at the right
    assert "% to class 0" in field.description
    marks = plot_dataset(np.ones((3, 2)), np.eye(3)).figure.axes[0].lines
    assert len({mark.get_marker() for mark in marks}) == len({mark.get_color() for mark in marks}) == 3


@pytest.mark.parametrize(
    ("X", "Y"),
    [
        ([[NAN, 0]], [[0]]), (np.zeros((4, 3)), [[0]] * 4), (np.zeros((0, 2)), []), ([[1, 0]], [[0], [1]]),
        ([[1, 0]], [[NAN]]), ([[1, 0]], [[-1]]), ([1], [[0]]), ([[1, 0]], [[0.3]]), ([[1, 0]], [[1, 1]]),
    ],
)  # fmt: skip
def test_points_that_have_no_place_or_class_are_refused(X, Y):
    with pytest.raises((TypeError, ValueError), match=r"^(X|Y) "):
        plot_dataset(X, Y)


def test_curves_only_stretch_and_a_run_that_fails_says_so():
    curves = plot_curves([1, 2], {"a": [1.0, 0.1]}, x_label="epoch", y_label="loss", log_y=True)
    assert (curves.ax.get_xscale(), curves.ax.get_yscale()) == ("linear", "log")
    assert not curves.update([1, 2], {"a": [0.5, 0.2]})
    assert curves.update([1, 2, 3], {"a": [0.5, 0.2, 0.01]})
    assert curves.ax.get_ylim()[0] <= 0.01
    assert not curves.update([1, 2], {"a": [0.0, NAN]})  # what a logarithm cannot show changes no limit
    curves.update([1, 2], {"a": [0.5, NAN]})
    assert curves.description.startswith("loss over epoch: a from 0.5 to 0.5, and then nan")
    with pytest.raises(ValueError, match="one number for each x"):
        plot_curves([1, 2], {"a": [1, 2, 3]}, x_label="x", y_label="y")
    with pytest.raises(ValueError, match="groups"):
        plot_spread({"a": []}, x_label="accuracy")


def test_live_curves_that_leave_their_limits_on_one_side_keep_the_room_on_the_other():
    for log in (False, True):
        curves = Curves(new_axes(), ["a"], log=log)
        curves.clear([0, 10], [0.01, 1])
        for values, low, high in (([0.2, 5], 0.01, 5), ([0.001, 0.2], 0.001, 5)):
            curves.update([5, 20], {"a": values})
            bottom, top = curves.ax.get_ylim()
            assert bottom <= low < high <= top
            assert curves.ax.get_xlim() == (0, 20)


def test_local_progress_measures_every_layer_as_the_model_answers():
    train, test = sets()
    model = layered_net([2, 8, 6, 1], seed=0)
    kept = []

    def rule(model, *arguments, **options):
        kept.append(model)
        return locally_optimize_parallel(model, *arguments, **options)

    view = run(rule, train, test, every=3, model=model)
    assert view.x == [1, 3, 4]
    assert np.shape(view.history) == (3, 2, 3, 2)
    assert [f.ax.get_title() for f in view.fields] == ["layer 1", "layer 2", "output"]
    assert view.history[-1][1][-1][1] == pytest.approx(accuracy(predictor(kept[0])(test.X), test.Y))
    assert view.png() == run(locally_optimize_parallel, train, test, every=3).png()  # equal numbers, equal pictures
    blocks = run(locally_optimize, *sets(), epochs=3)
    assert blocks.x == list(range(1, 10))
    assert "one block after the other" in blocks.right.ax.get_xlabel()
    images = run(locally_optimize_parallel, *sets("digits"), epochs=2)
    assert "The plane cannot hold these inputs" in images.description


def test_backprop_progress_takes_one_answer_or_one_for_each_layer_and_tells_the_sets_apart():
    train, test = sets()
    steps = [(1, 0.7), (2, 0.6)]
    view = plot_backprop_progress(iter(steps), half_plane, train, test)
    assert len(plot_backprop_progress(iter(steps), lambda X: [product(X)] * 3, train, test).fields) == 3
    with pytest.raises(ValueError, match="steps is empty"):
        plot_backprop_progress(iter([]), product, train, test)
    scores = [(half_plane(data.X), data.Y.numpy()) for data in (train, test)]
    measured = [(((s - Y) ** 2).mean(), ((s >= 0.5) == (Y >= 0.5)).mean()) for s, Y in scores]
    assert view.error.ax.get_title() == "thick: test, thin: training"
    for curves, thin, thick in zip((view.error, view.right), *measured):
        assert thin != thick
        widths = {line.get_linewidth(): line.get_ydata()[-1] for line in curves.ax.lines}
        assert widths[min(widths)] == pytest.approx(thin)
        assert widths[max(widths)] == pytest.approx(thick)


def network(inputs=2, hidden=(9, 5), rules=("a",), picked=(2, 4, 9)):
    """Draw a net of random weights and units, after a step at which every answer was 0.7."""
    rng, train = np.random.default_rng(0), sets("signed_xor" if inputs == 2 else "digits", 30)[0]
    outputs, thumbs = train.Y.shape[1], {"moons": (train.X.numpy()[:, :2], train.Y.numpy()), "mine": "+"}
    widths = [inputs, *hidden, outputs]
    options = {"total": 5, "size": 16, "measured": 300, "x_label": "epoch"}
    picture = PlaygroundPicture(train, train, widths, sets=thumbs, chosen="moons", rules=rules, **options)
    answers = len(rules) * (len(hidden) + 1)
    picture.record(0, lambda X: [np.full((len(X), outputs), 0.7)] * answers)
    picture.fill([product(picture.where)[:, :1] * np.ones(outputs)] * answers)
    weights = [rng.normal(size=(n, 1 + m)) for m, n in itertools.pairwise(widths)]
    up = picture.probes[:, 1:2]  # unit j of layer i is i j times it: no two layers are alike
    units = [(i * np.arange(1, n + 1) * up) for i, n in enumerate(hidden, 1)]
    picture.look(units, weights, picked, choose=True)
    picture.trace()
    return picture, weights, units


@pytest.mark.parametrize("inputs", [2, 64])
def test_the_playground_shows_the_network_and_the_output_of_every_rule_and_saves_equal_files(inputs):
    for rules in (("a",), ("a", "b", "c", "d")):
        (picture, weights, units), (again, *_) = (network(inputs, rules=rules) for _ in range(2))
        for kind in ("png", *(["svg"] if len(rules) == 1 else [])):
            assert picture.file(kind) == again.file(kind)
        assert len(picture.fields) == (len(rules) if inputs == 2 else 0)
        if inputs == 2:
            values = units[1][:, 3]
            assert f"Unit 4 of layer 2 goes from {values.min():.2g} to {values.max():.2g}" in picture.description
        assert f"its weight from 9 is {weights[1][3, 9]:.3g}" in picture.description
        assert "1 of layer 1 are left out" in picture.description
        assert ("no plane holds the points" in picture.description) == (inputs == 64)
        drawn = dict(zip(picture.units, picture.edges.get_linewidth()))
        assert (drawn[1, 8, 3] > drawn[1, 8, 0]) == (abs(weights[1][3, 9]) > abs(weights[1][0, 9]))
        least = np.abs(weights[1][:, 1:]).sum(axis=0).argmin()
        assert set(picture.shown[1]) == set(range(9)) - {least}
    with pytest.raises(ValueError, match="kind must be one of png, svg"):
        picture.file("pdf")


def test_what_is_clicked_in_the_network_is_a_value_of_a_control():
    picture, *_ = network()
    handles = {handle.name: handle for handle in picture.handles}
    for name, values in (
        ("the data set mine", {"data": "mine"}),
        ("a unit less in layer 2", {"hidden": "9-4"}),
        ("a unit more in layer 1", {"hidden": "10-5"}),
        ("a layer less in the net", {"hidden": "9"}),
        ("a layer more in the net", {"hidden": "9-5-5"}),
        ("unit 1 of output", {"layer": 3, "unit": 1}),
    ):
        assert handles[name].click(*handles[name].at()) == values
    for k in range(-5, 0):  # those to the output
        c, i, j = picture.units[k]
        assert handles["an edge"].click(*picture.paths[k][5]) == {"layer": c + 1, "unit": j + 1, "source": i + 1}
    assert handles["an edge"].click(picture.across[1], 5) is None
    assert not [h for h in network(hidden=(1,), picked=(1, 1, 1))[0].handles if "less in" in h.name]


def test_units_fill_the_scale_of_their_largest_output_and_are_drawn_with_the_first_coordinate_rightwards():
    grid = Grid(SQUARE, 32)
    (upwards, nothing) = tiles(np.stack([grid.points[:, 1] * 1e-3, 0 * grid.points[:, 0]], axis=1), 20, flip=True)
    assert (upwards == upwards[:, :1]).all()
    assert np.abs(upwards[[0, -1], 0].astype(int) - shades([1.0, -1.0])).max() < 10
    assert (nothing == shades([0.0])).all()
    (image,) = tiles(np.eye(4)[:, 1:2], 4, flip=False)
    assert (image[:2, 2:] == shades([1.0])).all()
    assert (image[2:] == shades([0.0])).all()
    halves = decision(np.stack([grid.points[:, 0] + 0.3, 0 * grid.points[:, 0]], axis=1), 32)
    assert len(np.unique(halves.reshape(-1, 4), axis=0)) == 3
    outputs = np.array([[3.0, 5.0], [0.0, 5.0], [0.0, 5.0]])
    X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(preferred_images(outputs, X).T, [np.array([2.0, -1.0, -1.0]) / 4 @ X, [0, 0]])


def test_numbers_are_short_and_what_is_moved_to_an_edge_is_counted():
    for value in (-0.999, 1234.5, -9999.4, 1e7, -3e100, 5e-324, -1e-9, 99.99):
        assert len(short(value)) <= 6
        assert short(value).startswith("−") == (value <= -0.005)
    (line,) = new_axes().plot([], [])
    assert to_edge(line, [0, 5, NAN, -3], -1, 1)[[0, 1, 3]].tolist() == [0, 1, -1]

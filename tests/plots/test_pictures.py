"""Pictures show what they were given, are updated in place, describe themselves, and refuse what they cannot draw."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.text import Text

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
from helpers.plots.boundaries import Grid, class_of
from helpers.plots.pictures import new_axes
from helpers.training import locally_optimize, locally_optimize_parallel, predictor

SQUARE = np.array([[-1.0, -1.0], [1.0, 1.0]])


def half_plane(points):
    return (points[:, :1] > 0.3).astype(float)


def product(points):
    return 0.5 + 0.5 * points[:, :1] * points[:, 1:]


def boundary(field):
    points = field.line.get_xydata()
    return points[np.isfinite(points).all(axis=1)]


def smallest_text(figure):
    figure.canvas.draw()
    return min(t.get_fontsize() for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible())


def test_the_grid_runs_over_the_square_around_the_points():
    grid = Grid(SQUARE, 5)
    assert grid.points.shape == (25, 2)
    assert grid.points.dtype == np.float32
    assert grid.extent == pytest.approx((-1.1, 1.1, -1.1, 1.1))
    assert grid.points[0] == pytest.approx([-1.1, -1.1])
    assert grid.points[1] == pytest.approx([-0.55, -1.1])


def test_the_boundary_lies_where_the_decision_turns():
    field = decision_boundary(product, SQUARE, size=41)
    points = boundary(field)
    assert np.abs(points.prod(axis=1)).max() < 1e-3  # on one of the axes, whose union is the boundary of x0 x1
    reddish, bluish = (field.image.get_array()[row, 35].astype(int) for row in (40, 0))
    assert reddish[0] > reddish[2]
    assert bluish[0] < bluish[2]


def test_a_field_is_updated_in_place_and_describes_itself():
    field = decision_boundary(half_plane, SQUARE, title="layer 1", size=21)
    image, line = field.image, field.line
    first = field.png()
    assert "layer 1: 38% of the square" in field.description
    field.update(1 - half_plane(field.grid.points))
    assert field.image is image
    assert field.line is line
    assert field.png() != first
    assert "62%" in field.description


def test_a_field_refuses_bad_scores_and_stays_as_it_was():
    field = decision_boundary(half_plane, SQUARE, size=9)
    before = field.png()
    for scores, words in ((np.full((81, 1), np.nan), "diverged"), (np.zeros((80, 1)), "shape"), (np.inf, "shape")):
        with pytest.raises(ValueError, match=words):
            field.update(scores)
    assert field.png() == before


def test_several_classes_get_their_colours():
    def three(points):
        x, y = points.T
        return np.stack([-x, x, y], axis=1)

    field = decision_boundary(three, SQUARE, size=41)
    colours = field.image.get_array()
    assert colours.shape == (41, 41, 4)
    assert colours[20, 2, :3].argmax() == 2  # blue at the left
    assert colours[20, 38, :3].argmax() == 0  # vermilion at the right
    assert boundary(field).shape[1] == 2


@pytest.mark.parametrize(
    ("X", "words"), [(np.zeros((4, 3)), "only the plane"), (np.zeros((0, 2)), "shape"), ([1], "shape")]
)
def test_only_the_plane_can_be_drawn(X, words):
    with pytest.raises(ValueError, match=words):
        decision_boundary(half_plane, X)


def test_classes_differ_by_colour_and_marker():
    data = datasets["gaussian"].train(samples=60, means=((0, 0), (1, 0), (0, 1)))
    scatter = plot_dataset(data.X, data.Y, title="clouds")
    shapes = {mark.get_marker() for mark in scatter.figure.axes[0].lines}
    colours = {mark.get_color() for mark in scatter.figure.axes[0].lines}
    assert len(shapes) == len(colours) == 3
    assert "20 of class 0" in scatter.description
    assert class_of(data.Y).tolist() == data.Y.argmax(1).tolist()


def test_curves_only_stretch():
    curves = plot_curves([1, 2], {"a": [1.0, 0.1]}, x_label="epoch", y_label="loss", log_y=True)
    top = curves.ax.get_ylim()
    assert not curves.update([1, 2], {"a": [0.5, 0.2]})
    assert curves.ax.get_ylim() == top
    assert curves.update([1, 2, 3], {"a": [0.5, 0.2, 0.01]})
    assert curves.ax.get_ylim()[0] <= 0.01
    assert not curves.update([1, 2], {"a": [0.0, float("nan")]})  # what a logarithm cannot show changes no limit
    assert curves.description.startswith("loss over epoch: a has no point")
    curves.update([1, 2], {"a": [0.5, float("nan")]})
    assert curves.description.startswith("loss over epoch: a from 0.5 to 0.5, and then nan")


def test_curves_differ_by_colour_and_dash():
    curves = plot_curves([1, 2], {n: [1, 2] for n in "abcd"}, x_label="x", y_label="y")
    assert len({(line.get_color(), line.get_linestyle()) for line in curves.lines.values()}) == 4
    assert len({line.get_linestyle() for line in curves.lines.values()}) == 4


def test_the_spread_shows_every_run_and_counts_failures():
    spread = plot_spread({"a": [0.9, 0.8, 0.7], "b": [0.5, float("nan")]}, x_label="accuracy", look_for="the worst")
    assert "a: median 0.800 (0.700 to 0.900, 3 runs)" in spread.description
    assert "1 failed" in spread.description
    assert [t.get_text() for t in spread.figure.axes[0].get_yticklabels()] == ["a", "b (1 failed)"]
    for groups in ({}, {"a": []}, {"a": [[1]]}):
        with pytest.raises(ValueError, match="groups"):
            plot_spread(groups, x_label="accuracy")


def sets(name="signed_xor", samples=40):
    return datasets[name].train(samples=samples), datasets[name].test(samples=samples)


def run(rule, train, test, epochs=4, **options):
    from torch.nn.functional import binary_cross_entropy, mse_loss
    from torch.optim import Rprop

    model = layered_net([train.X.shape[1], 8, 6, train.Y.shape[1]], seed=0)
    steps = rule(model, Rprop, mse_loss, binary_cross_entropy, epochs, [(train.X, train.Y)], seed=0)
    return plot_local_progress(steps, train, test, size=8, **options)


def test_local_progress_measures_every_layer():
    train, test = sets()
    view = run(locally_optimize_parallel, train, test, every=3)
    assert view.x == [1, 3, 4]
    assert np.shape(view.history) == (3, 2, 3, 2)
    assert len(view.fields) == 3
    assert [f.ax.get_title().split(":")[0] for f in view.fields] == ["layer 1", "layer 2", "output"]
    assert "layer 2: test accuracy" in view.description
    assert smallest_text(view.figure) >= 10
    assert len(view.changing) == 3 * 4
    assert len(view.slow) == 12 + 3


def test_the_measured_accuracy_is_that_of_the_model():
    from helpers.training import accuracy

    train, test = sets()
    kept = []

    def rule(model, *arguments, **options):
        kept.append(model)
        return locally_optimize_parallel(model, *arguments, **options)

    view = run(rule, train, test)
    assert view.history[-1][1][-1][1] == pytest.approx(accuracy(predictor(kept[0])(test.X), test.Y))


def test_both_sets_are_measured_in_one_sweep_of_the_net():
    train, test = sets()
    view, asked = LayerProgress(train, test, 1, measured=30), []

    def predict(X):
        asked.append(len(X))
        return [product(np.asarray(X))]

    view.record(1, predict)
    assert asked == [60]
    errors = [((product(s.X[:30].numpy()) - s.Y[:30].numpy()) ** 2).mean() for s in (train, test)]
    assert np.array(view.history)[0, :, 0, 0] == pytest.approx(errors)


def test_sequential_progress_counts_on_over_the_blocks():
    view = run(locally_optimize, *sets(), epochs=3)
    assert view.x == list(range(1, 10))
    assert "one block after the other" in view.error.ax.get_xlabel()


def test_many_inputs_have_curves_alone():
    view = run(locally_optimize_parallel, *sets("digits"), epochs=2)
    assert view.fields == []
    assert "The plane cannot hold these inputs" in view.description
    assert view.png().startswith(b"\x89PNG")


def test_backprop_progress_takes_one_answer_or_one_a_layer():
    train, test = sets()
    steps = [(1, 0.7), (2, 0.6)]
    one = plot_backprop_progress(iter(steps), product, train, test, size=8)
    assert len(one.fields) == 1
    three = plot_backprop_progress(iter(steps), lambda X: [product(np.asarray(X))] * 3, train, test, size=8)
    assert len(three.fields) == 3
    with pytest.raises(ValueError, match="steps is empty"):
        plot_backprop_progress(iter([]), product, train, test)


def test_a_picture_carries_its_words_and_escapes_them():
    field = decision_boundary(half_plane, SQUARE, title='<b>"x"</b>', size=9)
    page = field._repr_mimebundle_()["text/html"]
    assert 'alt="' in page
    assert "<b>&quot;" not in page
    assert "&lt;b&gt;" in page
    assert "What to look for:" in page


def test_equal_numbers_give_equal_pictures():
    a, b = (run(locally_optimize_parallel, *sets()).png() for _ in range(2))
    assert a == b


def test_a_vector_format_shows_the_same_field(tmp_path):
    field = decision_boundary(half_plane, SQUARE, size=9)
    for name in ("field.svg", "field.pdf"):
        field.figure.savefig(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 2000
    assert field.image.get_array().shape == (9, 9, 4)


def test_a_field_is_painted_with_its_upper_rows_on_top():
    data = datasets["signed_xor"].test(samples=30)
    live = LayerProgress(data, data, 1, size=16)
    live.fill([(live.grid.points[:, 1:] > 0).astype(float)])
    fields = [decision_boundary(lambda p: (p[:, 1:] > 0).astype(float), SQUARE, size=9), *live.fields]
    for field in fields:
        field.figure.canvas.draw()
        seen, box = np.asarray(field.figure.canvas.buffer_rgba())[..., :3].astype(int), field.ax.bbox
        left, height = round(box.x0 + 0.1 * box.width), len(seen)
        top, bottom = (seen[height - round(box.y0 + share * box.height), left] for share in (0.95, 0.05))
        assert top[0] > top[2] + 50, "class 1, above, is orange"
        assert bottom[2] > bottom[0] + 50, "class 0, below, is blue"


def test_live_curves_that_leave_their_limits_on_one_side_keep_the_room_on_the_other():
    for log in (False, True):
        curves = Curves(new_axes(), ["a"], log=log)
        curves.clear([0, 10], [0.01, 1])
        for values, low, high in (([0.2, 5], 0.01, 5), ([0.001, 0.2], 0.001, 5)):
            curves.update([5, 20], {"a": values})
            bottom, top = curves.ax.get_ylim()
            assert bottom <= low
            assert top >= high
            left, right = curves.ax.get_xlim()
            assert (left, right) == (0, 20)


def test_the_median_of_a_spread_is_the_median_in_figure_and_words():
    spread = plot_spread({"a": [0.1, 0.2, 0.9]}, x_label="accuracy")
    (bar,) = (line for line in spread.figure.axes[0].lines if len(line.get_xdata()) == 2)
    assert list(bar.get_xdata()) == [0.2, 0.2]
    assert "median 0.200 " in spread.description
    assert [text.get_text() for text in spread.figure.axes[0].texts] == ["0.200"]


def test_thick_lines_are_of_the_test_set_and_thin_ones_of_the_training_set():
    train, test = sets()
    view = plot_backprop_progress([(1, 0.5), (2, 0.4)], half_plane, train, test, size=8)
    measured = [
        (((scores - data.Y.numpy()) ** 2).mean(), ((scores >= 0.5) == (data.Y.numpy() >= 0.5)).mean())
        for data in (train, test)
        for scores in [half_plane(data.X.numpy())]
    ]
    for curves, thin, thick in zip((view.error, view.right), *measured):
        assert thin != thick
        widths = {line.get_linewidth(): line.get_ydata()[-1] for line in curves.ax.lines}
        assert widths[min(widths)] == pytest.approx(thin)
        assert widths[max(widths)] == pytest.approx(thick)
        assert "thick: test, thin: training" in curves.ax.get_title()

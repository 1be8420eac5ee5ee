"""The picture of the playground: hidden units over the plane and as preferred images, rows of a race, words."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.plots.pictures import new_axes, shades
from helpers.plots.playground import PlaygroundPicture, UnitImages, preferred_images


class Points:
    def __init__(self, X, Y):
        self.X, self.Y = X, Y


def made(inputs=2, layers=3, rules=("a",)):
    rng = np.random.default_rng(0)
    classes = 1 if inputs == 2 else 10
    Y = rng.integers(0, 2, (30, 1)) if classes == 1 else np.eye(10)[rng.integers(0, 10, 30)]
    points = Points(rng.uniform(-1, 1, (30, inputs)), Y)
    return PlaygroundPicture(points, points, layers, rules=rules, total=5, size=16), classes


def shown(picture, classes, layers=3, rules=1):
    rng = np.random.default_rng(1)
    answers = [rng.random((len(picture.grid.points), classes)) for _ in range(layers * rules)] if picture.grid else []
    units = [[rng.normal(size=(len(picture.probes), 6)) for _ in range(layers - 1)] for _ in range(rules)]
    picture.heading.set_text("a race of some rules")
    picture.record(0, lambda X: [np.full((len(X), classes), 0.7) for _ in range(layers * rules)])
    picture.fill(answers)
    picture.look(units, 2, 6)
    picture.trace()
    return units


@pytest.mark.parametrize("inputs", [2, 64])
@pytest.mark.parametrize("rules", [("a",), ("a", "b", "c", "d")])
def test_it_shows_itself_with_words(inputs, rules):
    picture, classes = made(inputs, rules=rules)
    units = shown(picture, classes, rules=len(rules))
    assert len(picture.fields) == (3 * len(rules) if inputs == 2 else 0)
    assert len(picture.large) == len(rules)
    assert len(picture.small) == (2 if len(rules) == 1 else 2 * len(rules) if inputs == 64 else 0)
    assert "unit 6 of layer 2" in picture.description
    picked = np.concatenate([outputs[1][:, 5] for outputs in units])
    assert f"from {picked.min():.2g} to {picked.max():.2g}" in picture.description
    assert picture.png().startswith(b"\x89PNG")
    texts = [text.get_text() for text in picture.figure.texts]
    assert any("no plane holds the points" in text for text in texts) == (inputs == 64)
    width, height = picture.figure.canvas.get_width_height()
    renderer = picture.figure.canvas.get_renderer()
    for text in [picture.heading, *picture.figure.texts, *(ax.title for ax in picture.figure.axes)]:
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0, text
        assert box.x1 <= width, text
        assert 0 <= box.y0 <= box.y1 <= height + 1, text
    assert min(text.get_fontsize() for ax in picture.figure.axes for text in [ax.title, *ax.get_xticklabels()]) >= 10


def test_a_unit_fills_the_scale_of_its_own_largest_output():
    picture, _classes = made()
    place = picture.large[0]
    x = picture.probes[:, :1]
    place.show(x * 1e-3, picture.probes)
    colours = place.image.get_array()
    assert colours.shape == (32, 32, 4)
    assert (colours == colours[:1]).all()  # it depends on the first coordinate, which runs along the rows
    assert colours[0, [0, -1]].tolist() == shades(np.array([-1.0, 1.0])).tolist()
    place.show(0 * x, picture.probes)
    assert (place.image.get_array() == shades(np.zeros(1))).all()


def test_thumbnails_stand_in_reading_order():
    place = UnitImages(new_axes(), False, (2, 2))
    images = np.eye(4)  # 2 x 2 pixels; each unit responds to one image alone
    place.show(np.eye(4), images)
    tiles = place.image.get_array().reshape(2, 3, 2, 3, 4)  # row, pixel, column, pixel, colour
    orange = [
        tiles[unit // 2, :2, unit % 2, :2, 0].astype(int) - tiles[unit // 2, :2, unit % 2, :2, 2] for unit in range(4)
    ]
    for unit in range(4):
        row, column = divmod(unit, 2)
        assert np.unravel_index(orange[unit].argmax(), (2, 2)) == (row, column)
    assert (tiles[:, 2] == 255).all()


def test_preferred_images_are_response_weighted_means():
    images = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    outputs = np.array([[3.0, 5.0], [0.0, 5.0], [0.0, 5.0]])
    response = np.array([2.0, -1.0, -1.0]) / 4
    preferred = preferred_images(outputs, images)
    np.testing.assert_allclose(preferred[:, 0], response @ images)
    np.testing.assert_array_equal(preferred[:, 1], 0)


def test_equal_figures_give_equal_files_and_other_kinds_are_refused():
    files = []
    for _ in range(2):
        picture, classes = made()
        shown(picture, classes)
        files.append((picture.file("png"), picture.file("svg")))
    assert files[0] == files[1]
    with pytest.raises(ValueError, match="saved as .png or .svg"):
        picture.file("pdf")

"""A hand in a picture: what it is over, what it drags and clicks, and what a panel does about it."""

from __future__ import annotations

import asyncio
import math
import time

import numpy as np
import pytest

from helpers.plots import Picture
from helpers.plots.pictures import Handle, new_figure
from helpers.widgets import Explorer, ScalarNetPanel
from helpers.widgets.controls import choice, log_slider, nearest, slider, text_box, whole
from tests.widgets.conftest import until


class Scene(Picture):
    """A point to drag on linear axes, and paper beside it to paint and to click on."""

    def __init__(self, log=False):
        super().__init__(new_figure(8, 4, layout=None), "the point", "a point")
        self.left, self.right = self.figure.add_axes((0.1, 0.1, 0.4, 0.8)), self.figure.add_axes((0.55, 0.1, 0.4, 0.8))
        for ax in (self.left, self.right):
            ax.set(xlim=(0, 10), ylim=(0, 5))
        if log:
            self.left.set(xscale="log", xlim=(1e-3, 1e3))
        (self.dot,) = self.left.plot([1.0], [1.0], "o")
        self.changing = [self.dot]
        self.painted, self.clicked = [], []
        self.handles = [
            Handle("the dot", self.left, self.where, drag=lambda x, y: {"x": x, "y": y}),
            Handle("the paper", self.right, None, self.paint, self.click),
        ]

    def where(self):
        return tuple(float(v[0]) for v in self.dot.get_data())

    def paint(self, x, y):
        self.painted.append((x, y))

    def click(self, x, y):
        self.clicked.append((x, y))
        return {"x": 0}


def scene_panel(**limits):
    scene, asked = Scene(), []

    def show(x, y):
        asked.append((x, y))
        scene.dot.set_data([x], [y])
        return scene

    limits = {"x": slider("x", 1.0, 0.0, 10.0, 0.5), "y": slider("y", 1.0, 0.0, 5.0, 0.01), **limits}
    panel = Explorer(show, **limits)
    return panel, scene, asked


class Pointer:
    """A mouse over the image of a panel, in data of some axes; ``shown``: how wide the page shows the image."""

    def __init__(self, panel, ax, shown=800.0, height=400):
        self.live, self.ax, self.shown, self.time, self.height = panel.shown[0], ax, shown, 0.0, height
        self.scale = shown / self.live.canvas.get_width_height()[0]

    def say(self, kind, x, y, pressed=True, button=0, time=None):
        px, py = self.ax.transData.transform((x, y))
        self.time += 30
        self.live.hand.event._handle_mouse_msg(None, {
            "event": kind, "relativeX": px * self.scale, "relativeY": (self.height - py) * self.scale,
            "boundingRectWidth": self.shown, "buttons": int(pressed), "button": button, "timeStamp": time or self.time,
        }, [])  # fmt: skip

    def drag(self, *places):
        self.say("mousedown", *places[0])
        for place in places[1:]:
            self.say("mousemove", *place)
        self.say("mouseup", *places[-1], pressed=False)


@pytest.mark.parametrize("shown", [800.0, 400.0, 1200.0])
def test_a_drag_moves_a_point_by_as_much_as_the_pointer_and_the_picture_follows(shown):
    panel, scene, _ = scene_panel()
    mouse, before = Pointer(panel, scene.left, shown), bytes(panel.shown[0].image.value)
    mouse.drag((1.05, 1.02), (3, 2), (4.05, 3.02))  # held beside its middle, it does not jump
    assert panel.values == {"x": 4.0, "y": 3.0}
    assert scene.where() == (4.0, 3.0)
    assert bytes(panel.shown[0].image.value) != before
    mouse.say("mousemove", 6, 2, pressed=False)  # it was let go
    assert panel.values["x"] == 4.0


def test_a_drag_ends_at_the_range_of_the_control_on_its_step_and_with_a_release_outside():
    panel, scene, _ = scene_panel()
    mouse = Pointer(panel, scene.left)
    mouse.drag((1, 1), (5.2, 2.345), (-3, 99))
    assert panel.values == {"x": 0.0, "y": 5.0}
    mouse.say("mousedown", 0, 5)
    mouse.say("mousemove", 3.3, 2.3456)
    assert panel.values == {"x": 3.5, "y": 2.35}
    mouse.say("mouseleave", 3.3, 20)
    assert panel.values["y"] == 5.0
    mouse.say("mousemove", 3.3, 1, pressed=False)  # back, and released in between
    mouse.say("mousemove", 3.3, 1)
    assert panel.values["y"] == 5.0


def test_the_point_under_the_pointer_has_a_ring_a_hand_and_a_name():
    panel, scene, _ = scene_panel()
    mouse, image = Pointer(panel, scene.left), panel.shown[0].image
    before = bytes(image.value)
    mouse.say("mousemove", 1.1, 1.1, pressed=False)
    ringed = bytes(image.value)
    assert (panel.shown[0].hand.over, image._dom_classes, ringed != before) == ("the dot", ("touching",), True)
    mouse.say("mousemove", 5, 4, pressed=False)
    assert (panel.shown[0].hand.over, image._dom_classes, bytes(image.value)) == ("", (), before)
    Pointer(panel, scene.right).say("mousemove", 5, 4, pressed=False, time=99.0)
    assert panel.shown[0].hand.over == "the paper"
    mouse.time = 99.0
    mouse.say("mouseleave", -1, 4, pressed=False)
    assert bytes(image.value) == before
    words = panel.shown[0].words.value
    assert "Drag the dot, the paper. Click the paper." in words
    assert "touching" not in scene._repr_mimebundle_()["text/html"]


def test_paper_is_painted_on_where_it_is_pressed_and_clicked_only_by_a_pointer_that_stays():
    panel, scene, asked = scene_panel()
    mouse = Pointer(panel, scene.right)
    mouse.drag((2, 2), (3, 3))
    assert np.array(scene.painted) == pytest.approx(np.array([(2, 2), (3, 3), (3, 3)]))
    assert scene.clicked == []
    mouse.drag((4, 4), (4.02, 4))
    assert np.array(scene.clicked) == pytest.approx(np.array([(4.02, 4)]))
    assert panel.values["x"] == 0
    asked.clear()
    for other in (0, 1, 2):
        Pointer(panel, scene.left).drag((9, 4), (5, 4))  # on nothing
        mouse.say("mousedown", 2, 2, button=other or 2)  # of another button
        mouse.say("mouseup", 2, 2, pressed=False)
    assert asked == []


def test_a_control_that_is_disabled_stays_and_an_error_of_a_handle_is_said():
    panel, scene, _ = scene_panel()
    panel.controls["y"].disabled = True
    mouse = Pointer(panel, scene.left)
    mouse.drag((1, 1), (4, 3))
    assert panel.values == {"x": 4.0, "y": 1.0}
    for drag in (lambda x, y: {"z": 1}, lambda x, y: {"x": math.nan}, lambda x, y: 1 / 0):
        scene.handles = [Handle("the dot", scene.left, scene.where, drag)]
        mouse.drag((4, 1), (5, 1))
        assert panel.values == {"x": 4.0, "y": 1.0}
        assert type(panel.error).__name__ in panel.status.value
        assert panel.run(x=4.0) is scene
        assert panel.error is None


def test_a_move_that_comes_late_is_left_out():
    panel, scene, _ = scene_panel()
    mouse = Pointer(panel, scene.left)
    mouse.drag((1, 1), (4, 3))
    mouse.say("mousemove", 9, 1, time=mouse.time - 20)  # held back by the page, with the button still down
    assert panel.values == {"x": 4.0, "y": 3.0}
    mouse.say("mousemove", 4, 3, pressed=False, time=5.0)  # but a page that was loaded again begins at 0
    mouse.time += 5000
    mouse.drag((4, 3), (5, 3))
    assert panel.values["x"] == 5.0


def test_what_comes_faster_than_the_answers_is_answered_once_by_its_last_place():
    async def scenario():
        panel, scene, asked = scene_panel()
        plain = panel.function
        panel.function = lambda **values: time.sleep(0.05) or plain(**values)
        mouse = Pointer(panel, scene.left)
        asked.clear()

        def hands():  # on the thread of a subshell
            mouse.say("mousedown", 1, 1)
            for i in range(40):
                mouse.say("mousemove", 1 + i / 5, 1 + i / 20)
                time.sleep(0.005)
            mouse.say("mouseup", 9, 3, pressed=False)

        await asyncio.to_thread(hands)
        await until(lambda: panel.values == {"x": 9.0, "y": 3.0})
        await asyncio.sleep(0.2)
        assert len(asked) <= 20
        assert asked[-1] == (9.0, 3.0)  # both controls, one answer

    asyncio.run(scenario())


def test_a_panel_that_trains_begins_again_with_what_a_hand_sets_and_says_what_goes_wrong():
    async def scenario():
        panel = ScalarNetPanel(hidden=2, points=6, epochs=9)
        panel.step()
        await until(lambda: panel.count == 1)
        ax = panel.picture.figure.axes[0]
        panel.picture.handles = [Handle("the field", ax, click=lambda x, y: {"seed": 3.2, "points": 7})]
        panel.live.show()
        panel.shown = [panel.live]
        size = panel.live.canvas.get_width_height()
        mouse = Pointer(panel, ax, *size)
        mouse.drag((0, 0), (0, 0))
        await until(lambda: panel.count == 0)
        assert (panel.values["seed"], panel.values["points"], panel.phase) == (3, 7, "ready")
        panel.picture.handles = [Handle("the field", ax, click=lambda x, y: 1 / 0)]
        mouse.drag((0, 0), (0, 0))
        await until(lambda: panel.phase == "failed")
        assert "division by zero" in panel.status.value
        panel.reset()
        await until(lambda: panel.phase == "ready" and panel.error is None)

    asyncio.run(scenario())


def test_a_picture_without_handles_has_no_events_and_gets_them_with_its_first_handle():
    scene = Scene()
    handles, scene.handles = scene.handles, []
    panel = Explorer(lambda x: scene, x=slider("x", 1, 0, 9))
    assert panel.shown[0].hand is None
    scene.handles = handles
    panel.run(x=2)
    assert panel.shown[0].hand.event.source is panel.shown[0].image


def test_what_is_held_is_held_on_though_each_answer_is_a_new_picture():
    made = []

    def show(x, y):
        made.append(Scene())
        made[-1].dot.set_data([x], [y])
        return made[-1]

    panel = Explorer(show, x=slider("x", 1.0, 0.0, 10.0, 0.5), y=slider("y", 1.0, 0.0, 5.0, 0.5))
    Pointer(panel, made[0].left).drag((1, 1), (2, 2), (3, 3), (4, 4))
    assert panel.values == {"x": 4.0, "y": 4.0}


def test_a_handle_that_is_gone_is_let_go_and_the_words_are_those_of_the_end():
    panel, scene, _ = scene_panel()
    mouse, words = Pointer(panel, scene.left), panel.shown[0].words
    mouse.say("mousedown", 1, 1)
    scene._words = "moved"
    mouse.say("mousemove", 2, 2)
    assert "moved" not in words.value  # while it is dragged the page has enough to do
    mouse.say("mouseup", 2, 2, pressed=False)
    assert "moved" in words.value
    mouse.say("mousedown", 2, 2)
    scene.handles, scene._words = [], "gone"
    mouse.say("mousemove", 3, 3)
    assert panel.values["x"] == 2
    assert panel.shown[0].hand.held == ""
    assert "gone" in words.value


def test_axes_may_be_logarithmic_and_a_value_goes_to_the_nearest_a_control_can_hold():
    assert nearest(slider("a", 1, -2, 5), 3.4) == 3
    assert nearest(slider("a", 1, -2, 5), math.inf) == 5
    assert nearest(slider("a", 0.5, 0.0, 1.0, 0.1), 0.3301) == 0.3
    assert nearest(whole("a", 1, 0, 9), 8.7) == 9
    assert nearest(log_slider("a", 0.1, -3, 2), 0.0031) == pytest.approx(10**-2.5)
    assert nearest(log_slider("a", 0.1, -3, 2), -1) == 0.001
    assert nearest(log_slider("a", 0.1, -3, 2), 1e9) == 100
    assert nearest(choice("a", ["b", "c"]), "c") == "c"
    assert nearest(text_box("a", "b"), "c") == "c"
    scene = Scene(log=True)

    def show(x):
        scene.dot.set_data([x], [1])
        return scene

    panel = Explorer(show, x=log_slider("x", 1.0, -3, 3))
    scene.handles = [Handle("the dot", scene.left, scene.where, drag=lambda x, y: {"x": x})]
    Pointer(panel, scene.left).drag((1, 1), (10, 3))
    assert panel.values["x"] == pytest.approx(10)

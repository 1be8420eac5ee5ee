"""Graphs are drawn by whatever the machine has, and nothing stops where it has nothing."""

from __future__ import annotations

import importlib.util

import pytest

from helpers.plots import drawing as module

GRAPH = "digraph { x -> f }"


def test_it_draws_with_what_is_here():
    drawing = module.draw(GRAPH)
    if module._ways():
        assert drawing.svg.startswith("<svg")
        assert 'role="img"' in drawing._repr_mimebundle_()["text/html"]
    else:
        assert drawing.svg is None


@pytest.mark.skipif(importlib.util.find_spec("pygraphviz") is None, reason="pygraphviz is not installed")
def test_without_dot_the_package_draws(monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    drawing = module.draw('digraph { a [label="\\nempty first line"]; a -> b }')
    assert drawing.drawn == "drawn by pygraphviz"
    assert "empty first line" in drawing.svg
    assert 'label="\\n' not in drawing.source


def test_with_nothing_the_graph_is_text_with_a_hint(monkeypatch):
    monkeypatch.setattr(module, "_ways", list)
    drawing = module.draw(GRAPH)
    assert drawing.svg is None
    assert "pip install pygraphviz" in drawing.drawn
    bundle = drawing._repr_mimebundle_()
    assert "x -&gt; f" in bundle["text/html"]
    assert "x -> f" in bundle["text/plain"]


def test_a_graph_that_cannot_be_drawn_is_text_with_the_reason():
    drawing = module.draw("digraph { a -> ")
    assert drawing.svg is None
    assert "digraph" in drawing._repr_mimebundle_()["text/html"]


def test_a_drawer_that_crashes_does_not_take_the_kernel_along(monkeypatch):
    crash = [module.sys.executable, "-c", "import os; os.abort()"]
    monkeypatch.setattr(module, "_ways", lambda: [(crash, "a faulty drawer")])
    assert "a faulty drawer did not draw it: exit status" in module.draw(GRAPH).drawn

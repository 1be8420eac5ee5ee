"""Graphs: `draw` any, `gradient_graph` for what torch recorded of a gradient, `sanity_check` for a rule of your own."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from helpers.plots.drawing import Drawing, draw
from helpers.plots.gradient_graphs import BELOW, PAST, GradientGraph, gradient_graph

__all__ = ["Drawing", "GradientGraph", "SanityCheck", "draw", "gradient_graph", "sanity_check"]


@dataclass(frozen=True, repr=False)
class SanityCheck:
    """What `sanity_check` found; in a notebook it shows its facts and the picture of the graph.

    ``loss`` is criterion(net(x)), ``largest`` for each parameter with a gradient the largest absolute entry,
    ``without_gradient`` the parameters that the loss does not reach: they would never learn. ``past_y`` is the share of
    the gradient that reaches the parameters past y = net(x), because ``criterion`` itself uses the net: the largest
    entry of dL/dW - dE/dy · dn/dW over the largest of dL/dW; rounding leaves about 1e-7. ``graph`` is that of the
    gradient of the first parameter that has one.
    """

    loss: float
    largest: dict[str, float]
    without_gradient: tuple[str, ...]
    past_y: float
    graph: GradientGraph

    @property
    def facts(self) -> str:
        """The facts in words, a line each."""
        all_of_it, first = self.past_y < 1e-5, next(iter(self.largest))
        lines = (
            f"Loss {self.loss:.6g}.",
            f"Largest entries of the gradients: {_listed(self.largest.items(), '{0} {1:.3g}')}.",
            f"Without a gradient: {', '.join(self.without_gradient) or 'no parameter'}.",
            f"dE/dy · dn/dW is {'all' if all_of_it else 'not all'} of the gradient"
            + (". Nothing passes by y." if all_of_it else f": what comes past y is {self.past_y:.2g} times as large."),
            f"To compute the gradient of {first}: {_listed(self.graph.counts.most_common(), '{1} {0}')}.",
        )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.facts

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        graph = self.graph._repr_mimebundle_()
        facts = f'<p style="font-size:1.1em;white-space:pre-line">{html.escape(self.facts)}</p>'
        return {"text/html": facts + graph["text/html"], "text/plain": f"{self.facts}\n{graph['text/plain']}"}


def sanity_check(net: nn.Module, x: Tensor, criterion: Callable[[Tensor], Tensor]) -> SanityCheck:
    """Let torch differentiate criterion(net(x)) once, and report what it did; the net stays as it was.

    Parameters
    ----------
    net : nn.Module
        Run in the mode it is in. Gradients, buffers, modes and torch's random state are as before afterwards.
    x : Tensor
        Floating-point samples, as ``net`` takes them.
    criterion : callable
        Gets y = net(x), returns the loss, one number: a function, a module, an ``autograd.Function`` of your own. One
        that changes y in place is called a second time, on a copy, which the graph then shows.

    Raises
    ------
    TypeError, ValueError
        If nothing requires grad, the loss is not one finite number, a gradient is not finite, or an argument is of
        another kind.

    Notes
    -----
    One forward and two backward passes with ``torch.autograd.grad``, which touches no ``.grad``; then the drawing.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"x must be a floating-point tensor, got {kind}; of a tensor of whole numbers say x.float()")
    with _left_as_it_was(x, net, criterion), torch.enable_grad():
        y, caught = _output(net, x)
        version, before = y._version, y.detach().clone()
        loss = criterion(y)
        if y._version != version or not torch.equal(y, before):  # it works in place: let it work on a copy
            y, caught = _output(net, x)
            loss = criterion(y.clone())
        _check_graph("the loss", loss, "criterion cuts it off, by .detach(), .item(), no_grad or NumPy")
        if loss.numel() != 1 or not loss.isfinite().all():
            raise ValueError(f"criterion must return one finite number, got {loss.detach()}")
        learning: dict[str, Tensor] = {name: p for name, p in net.named_parameters() if p.requires_grad}
        every = torch.autograd.grad(loss, list(learning.values()), create_graph=True, allow_unused=True)
        gradients = {name: g for name, g in zip(learning, every) if g is not None}
        if not gradients:
            raise ValueError(f"nothing here requires grad: the loss reaches none of {', '.join(learning)}")
        for name, gradient in gradients.items():
            if not gradient.isfinite().all():
                raise ValueError(f"the gradient of {name} is not finite, though the loss is: {gradient.detach()}")
        y_bar = caught[0] if caught else None
        past_y = _share_past_y([learning[name] for name in gradients], list(gradients.values()), y, y_bar)
        recorded = y_bar if y_bar is not None and y_bar.requires_grad else None
        graph = gradient_graph(next(iter(gradients.values())), y_bar=recorded, names={**learning, "x": x, "y": y})
        if recorded is None:  # no line: the rule does not use y, or dE/dy is a constant
            part = PAST if y_bar is None else BELOW
            graph = replace(graph, nodes=tuple(node._replace(part=part) for node in graph.nodes))
    largest = {name: g.detach().abs().max().item() for name, g in gradients.items()}
    without = tuple(name for name, _ in net.named_parameters() if name not in gradients)
    return SanityCheck(loss.item(), largest, without, past_y, graph)


def _output(net: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return y = net(x), and a list that will hold the very dE/dy that goes on to the net."""
    caught: list[Tensor] = []
    y = net(x.detach().clone())  # a net may change its input in place
    _check_graph("y = net(x)", y, "no parameter of net takes part in it")
    y.register_hook(lambda y_bar: caught.append(y_bar))
    return y, caught


def _check_graph(name: str, value: Any, reason: str) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if not value.requires_grad:
        raise ValueError(f"nothing here requires grad: {name} has no graph; {reason}")


def _share_past_y(parameters: list[Tensor], gradients: list[Tensor], y: Tensor, y_bar: Tensor | None) -> float:
    """Return the largest entry of gradient - y_bar · dn/dW, over the largest of the gradient; 1 without a y_bar."""
    size = max(g.abs().max().item() for g in gradients)
    if y_bar is None or size == 0:
        return float(size > 0)
    by_chain = torch.autograd.grad(y, parameters, y_bar.detach(), retain_graph=True, allow_unused=True)
    rest = (g if c is None else g - c for g, c in zip(gradients, by_chain))
    return max(r.abs().max().item() for r in rest) / size


def _listed(pairs: Any, form: str) -> str:
    return ", ".join(form.format(*pair) for pair in pairs)


@contextlib.contextmanager
def _left_as_it_was(x: Tensor, *parts: object) -> Iterator[None]:
    """Put x, and gradients, buffers and modes of the modules among ``parts`` back afterwards; torch's random state."""
    modules = list(dict.fromkeys(m for part in parts if isinstance(part, nn.Module) for m in part.modules()))
    modes = [(m, m.training) for m in modules]
    buffers = [(m, name, b) for m in modules for name, b in m.named_buffers(recurse=False)]
    values = [(tensor, tensor.detach().clone()) for tensor in (x, *(b for *_, b in buffers))]
    gradients = [(p, p.grad) for m in modules for p in m.parameters(recurse=False)]
    for p, _ in gradients:
        p.grad = None  # so that a rule that calls backward() itself adds nothing to them
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for p, gradient in gradients:
            p.grad = gradient
        for m, training in modes:
            m.training = training
        for m, name, b in buffers:
            m._buffers[name] = b  # a module may have put another tensor there
        for tensor, value in values:
            if not torch.equal(tensor, value):
                tensor.detach().copy_(value)

"""The panels of lecture 01: a step downhill, a secant that becomes a tangent, formulas that swell, a dual number."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from helpers.diff import cos, exp, log, sin, tanh
from helpers.diff.forward import Dual, derivative
from helpers.diff.numerical import METHODS
from helpers.diff.symbolic import Expression, Symbol, differentiate, operations
from helpers.plots.derivatives import SPAN, DescentPicture, DualPicture, SecantPicture, scientific, window
from helpers.plots.drawing import Drawing, draw
from helpers.widgets.controls import choice, log_slider, slider
from helpers.widgets.panel import Explorer

# A step downhill: nine points and three models of one weight.

INPUTS = np.linspace(-2, 2, 9)
TARGETS = np.array([-1.02, -0.86, -0.95, -0.55, 0.08, 0.49, 0.88, 0.99, 0.90])
MODELS: dict[str, Callable[[Any], Any]] = {"tanh(w x)": tanh, "w x": lambda z: z, "sin(w x)": sin}


def descent_panel() -> Explorer:
    """Make the panel: a weight and the step downhill from it, on the loss of a model that can be changed.

    Examples
    --------
    >>> panel = descent_panel()
    >>> words, picture = panel.run(weight=-0.5, rate=0.5, model="tanh(w x)")
    >>> print(words)
    loss 1.75, slope −1.9; the step of 0.5 times the slope leads to w = 0.452, with loss 0.114
    """
    weights = np.linspace(-1.5, 2.5, 161)
    picture = DescentPicture((INPUTS, TARGETS), weights)

    def show(weight: float, rate: float, model: str) -> list[Any]:
        def loss(w: Any) -> Any:
            return ((MODELS[model](w * INPUTS) - TARGETS) ** 2).sum() / len(INPUTS)

        slope = float(derivative(loss, weight))
        later = weight - rate * slope
        now, then = float(loss(weight)), float(loss(later))
        outputs, losses = MODELS[model](weight * picture.x), [loss(w) for w in weights]
        picture.update(outputs, losses, w=weight, loss=now, slope=slope, next=later, then=then)
        words = f"loss {now:.3g}, slope {slope:.3g}; the step of {rate:g} times the slope leads to w = {later:.3g}"
        return [f"{words}, with loss {then:.3g}".replace("-", "−"), picture]

    return Explorer(
        show,
        weight=slider("Weight w", -0.5, -1.5, 2.5, 0.01),
        rate=slider("Learning rate", 0.5, 0.0, 4.0, 0.01),
        model=choice("Model", list(MODELS), width="190px"),
    )


# A secant that becomes a tangent.

STEPS = np.logspace(-16, 0, 161)  # ten to the decade
PRECISIONS: dict[str, Any] = {"float32": np.float32, "float64": np.float64}


class Case(NamedTuple):
    """A function of one number, written with the generic functions, and where it is differentiated, with slope > 0."""

    f: Callable[[Any], Any]
    x: float


def wang_jenkins(x: Any) -> Any:
    """Return exp(a + a²) + sin(a + a²) for a = exp x, the function of Wang & Jenkins."""
    a = exp(x)
    c = a + a**2
    return exp(c) + sin(c)


CASES = {
    "Bellani's: log 2 + 2x − sin x at x = 5": Case(lambda x: log(2.0) + 2 * x - sin(x), 5.0),
    "Wang & Jenkins' at x = −1": Case(wang_jenkins, -1.0),
    "1000 + sin x at x = 1: large f": Case(lambda x: 1000 + sin(x), 1.0),
    "sin 30x at x = 1: bends much": Case(lambda x: sin(30 * x), 1.0),
}

# What theory expects of the error: truncation, from Taylor's series, plus rounding. An evaluation of f is taken to be
# wrong by up to eps |f|. Called with h, eps, |f|, |f'|, |f''| and |f'''|.
PARTS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "forward": lambda h, eps, f0, f1, f2, f3: (h * f2 / 2, 2 * eps * f0 / h),
    "central": lambda h, eps, f0, f1, f2, f3: (h**2 * f3 / 6, eps * f0 / h),
    "complex": lambda h, eps, f0, f1, f2, f3: (h**2 * f3 / 6, eps * f1 + 0 * h),
}


def derivatives(case: Case) -> list[float]:
    """Return the value of f and its first three derivatives at x, in float64, by nested dual numbers: the truth."""
    f, found = case.f, [float(case.f(case.x))]
    for _ in range(3):
        f = partial(derivative, f)
        found.append(float(f(case.x)))
    return found


def estimates(case: Case, method: str, dtype: Any, h: Any) -> Any:
    """Return what a method says of the derivative at the steps h, computed in ``dtype``."""
    x, steps = dtype(case.x), np.asarray(h, dtype=dtype)
    with np.errstate(all="ignore"):
        return np.asarray(METHODS[method].quotient(lambda t: case.f(x + t), steps), dtype=float)


def expected_parts(case: Case, method: str, dtype: Any, h: Any) -> tuple[Any, Any]:
    """Return truncation and rounding, as theory estimates them at the steps h."""
    sizes = [abs(size) for size in derivatives(case)]
    parts: tuple[Any, Any] = PARTS[method](h, float(np.finfo(dtype).eps), *sizes)
    return parts


def secant_panel() -> Explorer:
    """Make the panel: a step to drag towards 0, a function, a method; the errors in float32 and float64.

    Examples
    --------
    >>> panel = secant_panel()
    >>> words, picture = panel.run(step=1e-5, method="forward", precision="float32")
    >>> print(words)
    float32, h = 10⁻⁵: off by 0.095. Theory estimates truncation 4.8·10⁻⁶ and rounding 0.28: rounding rules.
    """
    picture = SecantPicture(STEPS, list(PRECISIONS))

    @cache
    def sweep(function: str, method: str) -> tuple[Any, ...]:
        case = CASES[function]
        truth = derivatives(case)[1]
        errors = {name: np.abs(estimates(case, method, d, STEPS) - truth) for name, d in PRECISIONS.items()}
        return truth, errors, {name: sum(expected_parts(case, method, d, STEPS)) for name, d in PRECISIONS.items()}

    def show(step: float, function: str, method: str, precision: str) -> list[Any]:
        case, dtype = CASES[function], PRECISIONS[precision]
        truth, errors, expected = sweep(function, method)
        picture.sweep(errors, expected, f"{function}, {method}")
        slopes = {name: float(estimates(case, method, d, step)) for name, d in PRECISIONS.items()}
        error = {name: abs(slope - truth) for name, slope in slopes.items()}
        unit = window(step)
        at = np.linspace(*SPAN, 500)
        with np.errstate(all="ignore"):
            x, h = dtype(case.x), dtype(step)
            heights = case.f(np.concatenate([x + dtype(unit) * at.astype(dtype), [x - h, x, x + h]]))
            *ys, before, here, after = (heights.astype(float) - float(case.f(x))) / (unit * truth)
        first = {"forward": (0.0, here), "central": (-step / unit, before)}.get(method)
        second = (step / unit, after) if first else (step / unit, slopes[precision] / truth * step / unit)
        picture.choose(step, error, precision, (at, ys), tuple(zip(first or (0.0, 0.0), second)))
        truncation, rounding = expected_parts(case, method, dtype, step)
        return [in_words(precision, step, error[precision], truncation, rounding), picture]

    return Explorer(
        show,
        step=log_slider("Step h", 1.0, -16, 0, 0.02, show=".1e"),
        function=choice("Function", list(CASES), width="340px"),
        method=choice("Difference", list(METHODS), width="190px"),
        precision=choice("Draw f in", list(PRECISIONS), width="190px"),
    )


def in_words(precision: str, step: float, error: float, truncation: float, rounding: float) -> str:
    """Say how large an error is, and which of its two parts theory blames."""
    ruler = "truncation" if truncation > rounding else "rounding"
    h, off, one, other = map(scientific, (step, error, truncation, rounding))
    return f"{precision}, h = {h}: off by {off}. Theory estimates truncation {one} and rounding {other}: {ruler} rules."


# Formulas that swell.

DEEPEST = 5
MARKS = {"mul": ("×", "#0072B2"), "add": ("+", "#00795a"), "sin": ("sin", "#b34e00"), "cos": ("cos", "#8a5f00")}


def nested(depth: int) -> tuple[Expression, Expression]:
    """Return x -> x sin x, nested so many times, and its derivative; nothing is simplified."""
    x: Any = Symbol("x")
    y = x
    for _ in range(depth):
        y = y * sin(y)
    return y, differentiate(y, x)


def expression_panel() -> Explorer:
    """Make the panel: x -> x sin x nested, and its derivative, written out as a tree or kept as a graph.

    Examples
    --------
    >>> panel = expression_panel()
    >>> words, drawing = panel.run(depth=3, form="every part written out: trees")
    >>> print(words)
    f has 14 operations and f′ has 72.
    """
    shared = {"every part written out: trees": False, "every part once: a graph": True}

    def show(depth: int, form: str) -> list[Any]:
        y, slope = nested(depth)
        words = f"f and f′ together have {operations(y, slope)} operations."
        if not shared[form]:
            words = f"f has {operations(y, shared=False)} operations and f′ has {operations(slope, shared=False)}."
        return [words, drawn(y, slope, shared[form], words)]

    return Explorer(
        show, depth=slider("Depth of the nesting", 2, 1, DEEPEST), form=choice("Draw", list(shared), width="280px")
    )


@cache
def _cached(source: str, look_for: str, words: str) -> Drawing:
    return draw(source, look_for, words)


def drawn(y: Expression, slope: Expression, share: bool, words: str) -> Drawing:
    """Draw a formula and its derivative, a dot for each operation; a tree repeats what a graph has once."""
    form = "rankdir=LR; ranksep=0.25" if share else f"ranksep={0.02 * operations(y, shared=False) + 0.2}"
    lines = [f'digraph {{ {form}; size="9.8,4.4"; nodesep=0.06; edge [arrowhead=none, color="#777777"];']
    lines.append('node [shape=circle, style=filled, fixedsize=true, width=0.36, penwidth=0, fontname="sans-serif"];')
    seen: dict[int, str] = {}

    def place(node: Expression) -> str:
        if share and id(node) in seen:
            return seen[id(node)]
        name = f"n{len(lines)}"
        seen[id(node)] = name
        text, colour = MARKS[node.operation.name] if node.operation else (repr(node), "#666666")
        lines.append(f'{name} [label="{text}", fillcolor="{colour}", fontcolor=white, fontsize=12];')
        for parent in node.parents:
            lines.append(f"{name} -> {place(parent)};")
        return name

    for root, text in ((y, "f"), (slope, "f′")):
        lines.append(f'{text[0]}{len(text)} [label="{text}", fillcolor=white, fontsize=20];')
        lines.append(f"{text[0]}{len(text)} -> {place(root)};")
    look_for = (
        "blue is a product, green a sum, grey the number x or 1. In the trees the same piece comes again and again; in "
        "the graph it is one dot with several lines to it."
    )
    return _cached("\n".join([*lines, "}"]), look_for, words)


# A dual number in a graph.

OPERATIONS: dict[str, tuple[str, Callable[..., Any], Callable[..., str]]] = {
    "x": ("x", lambda v: v["x"], lambda v: "The input x has the slope 1: x changes as fast as itself."),
    "a": ("a = exp x", lambda v: _through(v["x"], exp, exp), lambda v: _chain("exp x", "x", exp, v["x"], v["a"])),
    "b": ("b = a²", lambda v: v["a"] * v["a"], lambda v: _chain("2a", "a", lambda a: 2 * a, v["a"], v["b"])),
    "c": ("c = a + b", lambda v: v["a"] + v["b"], lambda v: _sum("a", "b", v["a"], v["b"], v["c"])),
    "d": ("d = exp c", lambda v: _through(v["c"], exp, exp), lambda v: _chain("exp c", "c", exp, v["c"], v["d"])),
    "e": ("e = sin c", lambda v: _through(v["c"], sin, cos), lambda v: _chain("cos c", "c", cos, v["c"], v["e"])),
    "f": ("f = d + e", lambda v: v["d"] + v["e"], lambda v: _sum("d", "e", v["d"], v["e"], v["f"])),
}
PLACES = {"x": (0, 1), "a": (1, 1), "b": (2, 0), "c": (3, 1), "d": (4, 0), "e": (4, 2), "f": (5, 1)}
ARROWS = [("x", "a"), ("a", "b"), ("a", "c"), ("b", "c"), ("c", "d"), ("c", "e"), ("d", "f"), ("e", "f")]


def _through(u: Any, f: Callable[[Any], Any], slope: Callable[[Any], Any]) -> Any:
    """Return f of a number: of a reader's own kind by the method that the reader wrote."""
    return u.through(f, slope) if hasattr(u, "through") else f(u)


def _slope(u: Any) -> Any:
    return u.slope if hasattr(u, "slope") else u.tangent


def _chain(factor: str, name: str, rule: Callable[[Any], Any], before: Any, after: Any) -> str:
    local, a = rule(before.value), _slope(before)
    return _said(f"{factor} · slope of {name} = {local:.3g} · {a:.3g}", local * a, _slope(after))


def _sum(one: str, other: str, *terms: Any) -> str:
    a, b, total = map(_slope, terms)
    return _said(f"slope of {one} + slope of {other} = {a:.3g} + {b:.3g}", a + b, total)


def _said(rule: str, right: float, found: float) -> str:
    """Say what the rule gives, and what a reader's own number has instead, if it is something else."""
    words = f"slope = {rule} = {right:.3g}"
    words += "" if np.isclose(found, right, rtol=1e-6) else f". But this number has the slope {found:.3g}."
    return words.replace("-", "−")


def dual_panel(number: Callable[[float, float], Any] = Dual) -> Explorer:
    """Make the panel: a number and its slope on their way through Wang & Jenkins' example.

    Parameters
    ----------
    number : callable
        Makes a dual number of a value and a slope: the course's class, or one's own with ``value``, ``slope``, +, * and
        ``through(f, slope)``, as of exercise 3. What is wrong there is seen as a line that is no tangent, or said.

    Examples
    --------
    >>> panel = dual_panel()
    >>> words, picture = panel.run(x=-1.0, done=2)
    >>> print(words)
    b = a². slope = 2a · slope of a = 0.736 · 0.368 = 0.271
    """
    xs = np.linspace(-2.5, 0.0, 101)
    along: dict[str, Any] = {"x": xs}
    for name, (_, compute, _) in OPERATIONS.items():
        along[name] = compute(along)
    picture = DualPicture(PLACES, {name: row[0] for name, row in OPERATIONS.items()}, ARROWS, xs, along)

    def show(x: float, done: int) -> list[Any]:
        duals: dict[str, Any] = {"x": number(x, 1.0)}
        for name in list(OPERATIONS)[: done + 1]:
            formula, compute, said = OPERATIONS[name]
            duals[name] = compute(duals)
        picture.update({name: (dual.value, _slope(dual)) for name, dual in duals.items()}, x)
        return [f"{formula}. {said(duals)}" if done else said(duals), picture]

    return Explorer(
        show, x=slider("Input x", -1.0, -2.5, 0.0, 0.01), done=slider("Operations done", 0, 0, len(OPERATIONS) - 1)
    )

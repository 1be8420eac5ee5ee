"""Each check refuses wrong answers that a reader may well write: the solution with a slip, or with its result spoilt.

A row of `SLIPS` has the name of a solution, the slip, and a pattern of what the check must say of it. The slip is a
text of the solution and what stands in its place, or a function that makes the wrong answer of the right one.
"""

import ast
import importlib
import inspect
import itertools
import re

import pytest

from tests.solutions import ROOT, load

SOLUTIONS = {path.stem: load(path.stem) for path in (ROOT / "notebooks" / "solutions").glob("*.py")}
UNSEEN = " and function not in seen:\n            seen.add(function)"
CLOSED_FORM = "G.T @ y + (G @ W - G).T @ x"
KEPT = ": tensor.untyped_storage().nbytes() for"
TWO = "rules=back-propagation | local, parallel; epochs=5; samples=50; hidden=4-4-4"


def by_recursion(output):
    return list(dict.fromkeys([*itertools.chain(*map(by_recursion, output.parents)), output]))


SLIPS = {
    "start_here": [
        ("double", ("2 * x", "x"), "x \\+ x"),
        ("double", ("2 * x", "x**2"), "x \\+ x"),
        ("double", ("2 * x", "abs(2 * x)"), "x = -1.5"),
    ],
    "three_ways_to_differentiate": [
        ("best_step", ("2 * math.sqrt(eps * size / curvature)", "math.sqrt(eps)"), "solve for h"),
        ("best_step", ("2 * math", "math"), "solve for h"),
        ("best_step", ("size / curvature", "curvature / size"), "size and curvature"),
        ("by_hand", ("(math.exp(c) + math.cos(c)) * c_dot", "math.exp(c) + math.cos(c)"), "inner derivative"),
        ("by_hand", ("(math.exp(c) + math.cos(c)) * c_dot", "math.exp(c) + math.cos(c) * c_dot"), "share"),
        ("by_hand", ("+ math.cos", "- math.cos"), "\\+cos"),
        ("by_hand", lambda right: lambda x: right(-1.0), "x = 0"),
        ("Dual", ("self.slope * other.value + self.value * other.slope", "self.slope * other.slope"), "product rule"),
        ("Dual", ("self.slope + other.slope", "self.slope"), "so do slopes"),
        ("Dual", ("(self.value + other.value, self.slope + other.slope)", "(self.value, self.slope)"), "values add up"),
        ("Dual", (" * self.slope)", ")"), "there already"),
        ("Dual", ("slope(self.value)", "slope(self.slope)"), "at the value"),
        ("passes", ("inputs + 1", "inputs"), "once, and"),
        ("passes", ('"forward mode": inputs', '"forward mode": outputs'), "one column"),
        ("passes", ('"reverse mode": outputs', '"reverse mode": inputs'), "one row"),
    ],
    "scalar_backpropagation": [
        ("division", (", (1 / b, -a / b**2)", ""), "a pair of derivatives"),
        ("division", ("-a", "a"), "mind the minus"),
        ("division", ("return a / b", "return a // b"), "the value"),
        ("path_products", ("[1.0]", "[]"), "empty product"),
        ("path_products", lambda right: lambda y, x: sum(right(y, x)), "a list"),
        ("path_products", lambda right: lambda y, x: list(set(right(y, x))), "two paths, though they are alike"),
        ("topological_order", ("if id(node) not in done", "if True"), "each node once"),
        ("topological_order", ("return order", "return order[::-1]"), "parents before"),
        ("topological_order", ("return order", "return [n for n in order if n.parents] or order"), "nodes"),
        ("topological_order", lambda right: by_recursion, "RecursionError.*list of your own"),
        ("backward", ("+= node", "= node"), "used three times"),
        ("backward", ("node.gradient = 0.0", "pass"), "the second time"),
        ("backward", ("reversed(order)", "sorted(order[::-1], key=lambda n: -len(n.parents))"), "walk the topological"),
        ("backward", ("* derivative", "* derivative * 1.001"), "a · b"),
    ],
    "vectors_and_matrices": [
        ("agree", lambda right: lambda *_: True, "expected calls"),
        ("agree", ("rng.normal(size=y_size)", "np.ones(y_size)"), "exchanged"),
        ("agree", ("rng.normal(size=x_size)", "np.eye(x_size)[-1]"), "receives nothing"),
        ("agree", ("abs(y_bar @ y_dot - x_bar @ x_dot)", "abs(abs(y_bar @ y_dot) - abs(x_bar @ x_dot))"), "the sign"),
        ("agree", ("1e-9", "1e-2"), "0.1 %"),
        ("agree", ("default_rng(seed)", "default_rng(0)"), "use the seed"),
        ("softmax_vjp", ("(y_bar - (y * y_bar).sum(axis=0, keepdims=True))", "y_bar"), "1 columns"),
        ("softmax_vjp", ("axis=0, keepdims=True", ""), "3 columns"),
        ("softmax_vjp", ("axis=0", "axis=1"), "1 columns"),
        ("softmax_vjp", ("return y * (", "y_bar -= y_bar.mean()\n    return y * ("), "nothing in place"),
        ("matmul_vjp", ("A.T @ G", "A @ G"), "expected|raised"),
        ("matmul_vjp", ("A.T @ G", "1.001 * A.T @ G"), "expected"),
        ("matmul_vjp", ("G @ X.T, A.T @ G", "A.T @ G, G @ X.T"), "expected|raised"),
        ("unbroadcast", lambda right: lambda G, shape: G, "expected|raised"),
        ("unbroadcast", (".sum(", ".mean("), "expected|raised"),
        ("unbroadcast", ("keepdims=True", "keepdims=False"), "the shape"),
    ],
    "lagrange_multipliers": [
        ("multipliers", ("2 * a + to_c", "2 * a"), "λ_a.*two children"),
        ("multipliers", ("to_a * a", "0.0"), "λ_x.*the gradient"),
        ("multipliers", lambda right: lambda x: {name: -value for name, value in right(x).items()}, "λ_f"),
        ("multipliers", lambda right: lambda x: right(-1.0), "x = 0\\.3"),
        ("multipliers", lambda right: lambda x: {"x": right(x)["x"]}, "none for f, e, d, c, b, a"),
        ("path_sum", ("J.T @ term", "J @ term"), "length 1"),
        ("path_sum", ("return total", "return term"), "length 1"),
        ("path_sum", ("return total", "return np.linalg.solve(np.eye(len(c)) - J.T, c)"), "length 0"),
        ("path_sum", ("total = total +", "total +="), "c as it was"),
        ("implicit_gradient", ("J.T, c", "J, c"), "a full W"),
        ("implicit_gradient", ("slope[:, None] * W", "W"), "a diagonal W"),
        ("implicit_gradient", ("slope * multiplier", "multiplier"), "no cycle"),
        ("implicit_gradient", ("slope * multiplier", "slope * c"), "a diagonal W"),
        ("method_of_multipliers", ("multiplier + penalty * (h - z)", "multiplier - penalty * (h - z)"), "1 step "),
        ("method_of_multipliers", ("multiplier = multiplier +", "multiplier ="), "2 steps "),
        ("method_of_multipliers", ("target + multiplier", "target"), "2 steps "),
        ("method_of_multipliers", lambda right: lambda *given: right(*given)[-1:], "one λ after each"),
    ],
    "idempotent_networks": [
        ("basin_edges", lambda right: lambda count: right(count + 1), "count = 1.*1 edges"),
        ("basin_edges", lambda right: lambda count: right(count + 1)[1:], "b0"),
        ("basin_edges", ("> 1 - edges[-1]", "> edges[-1]"), "the map at b2|number above b1"),
        ("basin_edges", ("range(80)", "range(10)"), "b1"),
        ("m1_step", ("W + learning", "W - learning"), "W = 0.6, x = 1"),
        ("m1_step", (" / len(x)", ""), "a diagonal W"),
        ("m1_step", ("delta.T @ x", "x.T @ delta"), "a full W"),
        ("m1_step", ("W + learning_rate", "W.add_(learning_rate * delta.T @ x / len(x)) + 0"), "it has changed"),
        ("predicted_rank", ("(torch.linalg.eigvals(W).real > 0.5).sum()", "W.trace().round()"), "0.6 and 0.7"),
        ("predicted_rank", ("eigvals(W).real", "svdvals(W)"), "0.4 and 0.3"),
        ("predicted_rank", (".real", ".abs()"), "0.4 ± 0.6i"),
        ("fair_report", ("good.quantile(0.5)", "errors.median()"), "median of one NaN"),
        ("fair_report", ("good.quantile(0.5)", "errors.nanmedian()"), "median of one zero map"),
        ("fair_report", ("~diverged & (norms", "(norms"), "zero of two NaN"),
        ("fair_report", ("norms < 0.1", "errors == 0"), "zero of two zero maps"),
        ("fair_report", lambda right: lambda *given: {"median": right(*given)["median"]}, "the key 'diverged'"),
    ],
    "computational_graphs": [
        ("operations", (UNSEEN, ":\n            seen = [*seen, function]"), "seen"),
        ("operations", ("in seen)", "in seen if function.next_functions)"), "AccumulateGrad"),
        ("operations", ("function.next_functions]", "function.next_functions[:1]]"), "every operand"),
        ("ordinary_gradient", (" / y.numel()", ""), "divides by mn"),
        ("ordinary_gradient", (CLOSED_FORM, "G.T @ y"), "comes past y"),
        ("ordinary_gradient", (CLOSED_FORM, "(G @ W - G).T @ x"), "adds G'y"),
        ("ordinary_gradient", (CLOSED_FORM, f"({CLOSED_FORM}).T"), "transpose"),
        ("ordinary_gradient", (CLOSED_FORM, f"1.001 * ({CLOSED_FORM})"), "expected"),
        ("surrogate", ("y_bar.detach()", "y_bar"), "hold y_bar fixed"),
        ("surrogate", ("sum()", "mean()"), "no mean"),
        ("surrogate", ("net(x) * y_bar.detach()", "net(x).detach() * y_bar"), "not the output of the net"),
        ("bytes_kept", ("sizes.values()", "tensor.untyped_storage().nbytes() for tensor in kept"), "count it once"),
        ("bytes_kept", (KEPT, ": tensor.numel() for"), "bytes, not numbers"),
        ("bytes_kept", (KEPT, ": 8 * tensor.numel() for"), "float32"),
        ("bytes_kept", (KEPT, ": tensor.nbytes for"), "whole storage"),
        ("bytes_kept", ("lambda tensor: tensor", "lambda tensor: 0 * tensor"), "hand back"),
    ],
    "local_propagation": [
        ("local_step", ("output.detach()", "output"), "detach"),
        ("local_step", ("decoder(output)", "decoder(output.detach())"), "gradients of block 0"),
        ("local_step", ("loss, output", "loss, decoder(output)"), "\\(6, 5\\)"),
        ("local_step", ("loss.backward()", "(2 * loss).backward()"), "once"),
        ("make_optimizers", lambda right: lambda *given: right(*given)[:1] * 3, "different optimisers"),
        ("make_optimizers", lambda right: lambda *given: right(*given)[:-1], "one each"),
        ("make_optimizers", ("*decoder.parameters()", ""), "learns with its block"),
        ("make_optimizers", ("*block.parameters()", "*(p for b in blocks for p in b.parameters())"), "the trap again"),
        ("block_passes", ("blocks - 1 if", "0 if"), "expected"),
        ("block_passes", ("blocks * (blocks + 1) // 2", "blocks**2"), "expected"),
        ("block_passes", ('== "sequential"', '== "parallel"'), "expected"),
        ("displacement", ("/ before", "/ after"), "expected"),
        ("displacement", (".mean() / before.norm(dim=1)", ".div(before.norm(dim=1))"), "expected"),
        ("displacement", ("(after - before).norm(dim=1)", "(after.norm(dim=1) - before.norm(dim=1)).abs()"), "sign"),
    ],
    "other_learning_signals": [
        ("similarity", ("normalize(", "("), "length 1"),
        ("similarity", (" - rows.mean(1, keepdim=True)", ""), "less its mean"),
        ("similarity", (".mean()", ".sum()"), "mean over all"),
        ("similarity", (".square()", ".abs()"), "squared"),
        ("similarity", lambda right: lambda F, T: right(F.detach(), T), "graph"),
        ("direct_gradients", (" * (1 - a**2)", ""), "slope"),
        ("direct_gradients", ("[X, *activities]", "activities"), "layer 2"),
        ("direct_gradients", ("delta @ B", "1.001 * delta @ B"), "entry"),
        ("wrong_labels", ("randint(1", "randint(0"), "no true label"),
        ("wrong_labels", ("+ moves", "+ 1"), "all other classes alike"),
        ("wrong_labels", (" % classes", ""), "go round"),
        ("wrong_labels", ("generator=generator", ""), "equal seeds"),
        ("paired_interval", ("d.std(ddof=1)", "np.sqrt(np.var(a, ddof=1) + np.var(b, ddof=1))"), "pair by pair"),
        ("paired_interval", ("float(d.mean())", "float(abs(d.mean()))"), "exchanged"),
        ("paired_interval", ("float(t *", "float(2.262 *"), "use the t|√n"),
        ("paired_interval", ("ddof=1", "ddof=0"), "ddof=1"),
    ],
    "playground": [
        ("each_weight_changes", ("(len(run.hidden) + 1)", "len(run.hidden)"), "the output is one too"),
        ("each_weight_changes", ("//", "/"), "round down"),
        ("each_weight_changes", (' and run.equal == "passes"', ""), "read the part equal"),
        ("each_weight_changes", ("in run.rules", 'in ("back-propagation", *run.rules)'), "only rules"),
        ("winner", ("outcome.test)", "outcome.training)"), "read .test"),
        ("winner", ("statistics.median", "min"), "not a mean or the worst"),
        ("winner", ("statistics.median", "statistics.mean"), "not a mean"),
        ("local_wins", lambda right: lambda: TWO, "make that signal weak"),
        ("local_wins", lambda right: lambda: TWO + "; equal=updates", "choose it in the panel"),
        ("local_wins", lambda right: lambda: TWO.replace("samples=50", "samples=600"), "500 points at most"),
        ("local_wins", lambda right: lambda: "epochs=5; planet=mars", "no part of a run is called 'planet'"),
    ],
}  # fmt: skip
CHECKS = {"Dual": "dual", "make_optimizers": "optimizers"}  # of the others the name is that of the solution
ROWS = [(lecture, *row) for lecture, rows in SLIPS.items() for row in rows]


def source_of(lecture, name):
    """Return the text of a function or a class of the solutions."""
    text = (ROOT / "notebooks" / "solutions" / f"{lecture}.py").read_text()
    (node,) = (node for node in ast.parse(text).body if getattr(node, "name", "") == name)
    return ast.get_source_segment(text, node)


@pytest.mark.parametrize(("lecture", "name", "slip", "words"), ROWS)
def test_a_wrong_answer_is_refused_with_a_hint(lecture, name, slip, words):
    solutions = SOLUTIONS[lecture]
    right = getattr(solutions, name)
    if callable(slip):
        wrong = slip(right)
    else:
        source, names = source_of(lecture, name), dict(vars(solutions))
        assert source.count(slip[0]) == 1
        exec(source.replace(*slip), names)
        wrong = names[name]
    check = getattr(importlib.import_module(f"helpers.checks.{lecture}"), f"check_{CHECKS.get(name, name)}")
    status, text = check(wrong)
    assert status == "wrong"
    assert re.search(words, text), text
    assert "`" not in text


def test_each_check_refuses_three_wrong_answers_or_more():
    for lecture, solutions in SOLUTIONS.items():
        for name, _ in inspect.getmembers(solutions, inspect.isfunction):
            own = getattr(solutions, name).__module__ == solutions.__name__
            assert not own or sum(row[0] == name for row in SLIPS[lecture]) >= 3, name

"""A graph laid out in columns, without Graphviz: every arrow runs from left to right, and few of them cross.

The method is that of Sugiyama, Tagawa & Toda (1981): a column is a depth; an arrow over several columns gets a lane in
each; columns are sorted by the means of their neighbours; and each thing is then drawn as near to these as room allows.

>>> layout = layered({"x": (40, 20), "y": (60, 20)}, [("x", "y")], gaps=[100])
>>> layout.centres["x"][0] < layout.centres["y"][0], layout.width > 40 + 100 + 60
(True, True)
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

Point = tuple[float, float]

MARGIN, BETWEEN, LANE = 18.0, 26.0, 26.0  # around all; between the nodes of a column; room for an arrow that passes
PORTS = 13.0  # between two arrows at one node
BOW = 30.0  # by so much two arrows between the same nodes bend apart
SWEEPS = 8


class Layout(NamedTuple):
    """Where everything is: the ``centres`` of the nodes by name, the ``paths`` of the edges in SVG's language with
    both of their ``ends``, the places of their ``labels``, and the size of it all."""

    centres: dict[str, Point]
    paths: list[str]
    ends: list[tuple[Point, Point]]
    labels: list[Point]
    width: float
    height: float


def layered(
    sizes: Mapping[str, tuple[float, float]], edges: Sequence[tuple[str, str]], gaps: Sequence[float]
) -> Layout:
    """Lay a graph out.

    Parameters
    ----------
    sizes : mapping of str to (width, height)
        Of the nodes by name, parents first.
    edges : sequence of (parent, child)
        Two nodes may have several.
    gaps : sequence of float
        For each edge, how much room its label needs before the child.

    Returns
    -------
    Layout
        In the unit of the sizes.

    Notes
    -----
    Quadratic in the number of edges, for counting the crossings: some 20 ms for 40 nodes.
    """
    column = _columns(list(sizes), edges)
    chains = [_chain(edge, column) for edge in edges]
    lanes = {lane: column[chain[0]] + k for chain in chains for k, lane in enumerate(chain[1:-1], 1)}
    heights = {name: height + BETWEEN for name, (_, height) in sizes.items()} | dict.fromkeys(lanes, LANE)
    columns: list[list[str]] = [[] for _ in range(1 + max(column.values(), default=0))]
    for item, k in (column | lanes).items():
        columns[k].append(item)
    links = list(dict.fromkeys(link for chain in chains for link in itertools.pairwise(chain)))
    y = _heights(_sorted(columns, links), links, heights)
    lefts, widths = _lefts(columns, column, sizes, edges, gaps)
    centres = {name: (lefts[column[name]] + widths[column[name]] / 2, y[name]) for name in sizes}
    spans = {lane: (lefts[k], widths[k]) for lane, k in lanes.items()}
    routes = [_route(chain, centres, sizes, y, spans) for chain in chains]
    _spread(routes, chains)
    bows = [_bow(i, edges) for i in range(len(edges))]
    return Layout(
        centres,
        [_path(route, bow) for route, bow in zip(routes, bows)],
        [(route[0], route[-1]) for route in routes],
        [_label(route, bow) for route, bow in zip(routes, bows)],
        lefts[-1] + widths[-1] + MARGIN,
        max((y[item] + (height - BETWEEN) / 2 for item, height in heights.items()), default=0.0) + MARGIN,
    )


def _columns(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Put every node one column behind its last parent, and what has no parent directly before its first child."""
    column = dict.fromkeys(names, 0)
    for name in names:
        column[name] = max((column[parent] + 1 for parent, child in edges if child == name), default=0)
    roots = set(names) - {child for _, child in edges}
    for name in roots:
        column[name] = min((column[child] - 1 for parent, child in edges if parent == name), default=0)
    return column


def _chain(edge: tuple[str, str], column: Mapping[str, int]) -> list[str]:
    """Return what an edge passes: the parent, a lane in each column between, shared by all of its parent, the child."""
    parent, child = edge
    return [parent, *(f"lane of {parent} in column {k}" for k in range(column[parent] + 1, column[child])), child]


def _sorted(columns: list[list[str]], links: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Sort each column by the mean place of its neighbours, forwards and backwards, and keep the best that was seen."""
    best, fewest = columns, _crossings(columns, links)
    near = [_neighbours(links, side) for side in (0, 1)]
    place = {item: k for items in columns for k, item in enumerate(items)}
    for sweep in range(SWEEPS):
        if not fewest:
            break
        columns = [list(items) for items in columns]
        side = near[1 - sweep % 2]
        for items in columns if sweep % 2 == 0 else reversed(columns):
            items.sort(key=lambda item: _mean([place[n] for n in side.get(item, [item])]))
            place.update((item, k) for k, item in enumerate(items))
        crossings = _crossings(columns, links)
        if crossings < fewest:
            best, fewest = columns, crossings
    return best


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _neighbours(links: Sequence[tuple[str, str]], side: int) -> dict[str, list[str]]:
    """Return the neighbours of each item: on its left for side 1, on its right for side 0."""
    near: dict[str, list[str]] = {}
    for link in links:
        near.setdefault(link[side], []).append(link[1 - side])
    return near


def _crossings(columns: list[list[str]], links: Sequence[tuple[str, str]]) -> int:
    place = {item: k for items in columns for k, item in enumerate(items)}
    column = {item: i for i, items in enumerate(columns) for item in items}
    gaps: list[list[tuple[int, int]]] = [[] for _ in columns]
    for a, b in links:
        gaps[column[a]].append((place[a], place[b]))
    return sum((a - c) * (b - d) < 0 for gap in gaps for (a, b), (c, d) in itertools.combinations(gap, 2))


def _heights(
    columns: list[list[str]], links: Sequence[tuple[str, str]], heights: Mapping[str, float]
) -> dict[str, float]:
    """Draw everything to the mean height of its neighbours, as near as the room in its column allows."""
    y: dict[str, float] = {}
    for items in columns:
        rooms = [heights[item] for item in items]
        y.update(zip(items, _apart([0.0] * len(items), rooms)))
    near = [_neighbours(links, side) for side in (0, 1)]
    for sweep in range(SWEEPS):
        for items in columns if sweep % 2 == 0 else reversed(columns):
            wanted = []
            for item in items:
                means = [_mean([y[n] for n in side[item]]) for side in near if item in side]
                wanted.append(_mean(means) if means else y[item])
            y.update(zip(items, _apart(wanted, [heights[item] for item in items])))
    top = min((y[item] - heights[item] / 2 for items in columns for item in items), default=0.0)
    return {item: value - top + MARGIN - BETWEEN / 2 for item, value in y.items()}


def _apart(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Return places as near to the wanted ones as possible, in order and without overlap: isotonic regression."""
    offsets = [sum(heights[:k]) + heights[k] / 2 for k in range(len(heights))]
    blocks: list[tuple[float, int]] = []  # (mean, length) of neighbours that touch
    for value, offset in zip(wanted, offsets):
        block = (value - offset, 1)
        while blocks and blocks[-1][0] > block[0]:
            mean, length = blocks.pop()
            block = ((mean * length + block[0] * block[1]) / (length + block[1]), length + block[1])
        blocks.append(block)
    means = [mean for mean, length in blocks for _ in range(length)]
    return [mean + offset for mean, offset in zip(means, offsets)]


def _lefts(
    columns: Sequence[Sequence[str]],
    column: Mapping[str, int],
    sizes: Mapping[str, tuple[float, float]],
    edges: Sequence[tuple[str, str]],
    gaps: Sequence[float],
) -> tuple[list[float], list[float]]:
    """Return the left edge and the width of each column; before it there is room for the labels that it needs."""
    widths = [max((sizes[n][0] for n in sizes if column[n] == k), default=0.0) for k in range(len(columns))]
    lefts = [MARGIN]
    for k in range(1, len(columns)):
        room = max((gap for (_, child), gap in zip(edges, gaps) if column[child] == k), default=0.0)
        lefts.append(lefts[-1] + widths[k - 1] + room)
    return lefts, widths


def _route(
    chain: Sequence[str],
    centres: Mapping[str, Point],
    sizes: Mapping[str, tuple[float, float]],
    y: Mapping[str, float],
    spans: Mapping[str, tuple[float, float]],
) -> list[Point]:
    """Return the points of an edge: right of its parent, left and right in each lane, left of its child."""
    parent, *lanes, child = chain
    points = [(centres[parent][0] + sizes[parent][0] / 2, centres[parent][1])]
    for lane in lanes:
        left, width = spans[lane]
        points += [(left, y[lane]), (left + width, y[lane])]
    return [*points, (centres[child][0] - sizes[child][0] / 2, centres[child][1])]


def _spread(routes: list[list[Point]], chains: Sequence[Sequence[str]]) -> None:
    """Give what leads from one side of a node to different places different ports, in the order of these places."""
    for end, near in ((0, 1), (-1, -2)):
        for name in {chain[end] for chain in chains}:
            places = {chain[near]: route[near][1] for route, chain in zip(routes, chains) if chain[end] == name}
            ports = {place: k - (len(places) - 1) / 2 for k, place in enumerate(sorted(places, key=places.__getitem__))}
            for route, chain in zip(routes, chains):
                if chain[end] == name:
                    route[end] = (route[end][0], route[end][1] + PORTS * ports[chain[near]])


def _bow(i: int, edges: Sequence[tuple[str, str]]) -> float:
    """Return by how much an edge bends away from others between the same two nodes."""
    same = [k for k, edge in enumerate(edges) if edge == edges[i]]
    return BOW * (same.index(i) - (len(same) - 1) / 2) * 2


def _path(route: Sequence[Point], bow: float) -> str:
    """Write a path: a curve from column to column, straight where it passes one."""
    (x, y), *rest = route
    text = f"M{x:.1f},{y:.1f}"
    for k, (x1, y1) in enumerate(rest):
        middle = (x + x1) / 2
        curve = f"C{middle:.1f},{y + bow:.1f} {middle:.1f},{y1 + bow:.1f} {x1:.1f},{y1:.1f}"
        text += curve if k % 2 == 0 else f"L{x1:.1f},{y1:.1f}"
        x, y = x1, y1
    return text


def _label(route: Sequence[Point], bow: float) -> Point:
    """Return the middle of the last curve of a path."""
    (x0, y0), (x1, y1) = route[-2:]
    return (x0 + x1) / 2, (y0 + y1) / 2 + 0.75 * bow

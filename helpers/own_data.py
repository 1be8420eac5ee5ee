"""Your own points, from a CSV file or a table, as a data set like every other; a fault is said by row and column.

>>> import pandas as pd
>>> mine = read_points(pd.DataFrame({"x0": [0, 1, 2, 3], "x1": [1, 1, 5, 5], "class": ["a", "a", "b", "b"]}), ratio=0.5)
>>> mine.description
'the table: 4 rows, 2 inputs, 2 classes (a 2, b 2); 2 to train with, 2 to test with.'
>>> mine.train().X.shape
torch.Size([2, 2])
"""

from __future__ import annotations

import csv
import io
import math
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.datasets import DataSet, Drawn, Floats, build, one_hot
from helpers.options import Real, Whole

CLASSES = 10  # at most: as many as the pictures have marks
LARGEST = float(np.finfo(np.float32).max)
Row = tuple[str, Sequence[Any]]  # where it stands, and its cells


def read_points(source: Any, *, ratio: float = 0.7, seed: int = 0, most: int = 5000, name: str = "") -> DataSet:
    """Make a data set of your own points: of a CSV file (its path or its bytes, in UTF-8) or of a DataFrame.

    The columns are ``x0``, ``x1``, ... (finite numbers, which are not scaled) and ``class`` (2 to 10 names or numbers,
    numbered in sorted order; two give Y (n, 1), more give one-hot (n, k)). Of each class ``seed`` draws the share
    ``ratio`` (0.05 to 0.95) to train with and the rest to test with, of ``most`` rows at most. ``name`` is what
    messages and the description call the data. A ValueError names row and column of the first fault in one sentence.
    """
    ratio, seed = Real(0.05, 0.95).check("ratio", ratio), Whole(0).check("seed", seed)
    most = Whole(20).check("most", most)
    if not isinstance(source, (str, Path, bytes, bytearray, memoryview, pd.DataFrame)):
        raise TypeError(f"source must be the path of a CSV file, its bytes or a DataFrame, got {reprlib.repr(source)}")
    if isinstance(source, (str, Path)):
        name, source = name or Path(source).name, Path(source).read_bytes()
    try:
        if isinstance(source, pd.DataFrame):
            name, cells = name or "the table", source.itertuples(index=False, name=None)
            X, labels = points_of(list(source.columns), zip((f"row {index}" for index in source.index), cells))
        else:
            name = name or "the file"
            X, labels = points_of(*lines_of(bytes(source)))
        names, classes = numbered(labels)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None

    rng, counts = np.random.default_rng(seed), np.bincount(classes)
    pools: tuple[list[int], list[int]] = ([], [])
    for k, count in enumerate(counts):
        used = count if len(X) <= most else max(2, round(count * most / len(X)))
        first = min(max(round(ratio * used), 1), used - 1)
        mine = rng.permutation(np.flatnonzero(classes == k))[:used].tolist()
        pools[0].extend(mine[:first])
        pools[1].extend(mine[first:])

    def draw(rng: np.random.Generator, samples: int | None = None, *, split: int) -> Drawn:
        pool = pools[split]
        if samples is not None and samples > len(pool):
            raise ValueError(f"samples must be {len(pool)} or less for this part of {name}, got {samples}")
        chosen = rng.permutation(pool)[:samples]
        return X[chosen], one_hot(classes[chosen], len(names))

    total = sum(map(len, pools))
    rows = f"{total:,} rows" if total == len(X) else f"{total:,} of its {len(X):,} rows (drawn by seed {seed})"
    inputs = f"{X.shape[1]} input{'s' if X.shape[1] > 1 else ''}"
    listed = ", ".join(f"{one} {count:,}" for one, count in zip(names, counts))
    parts = f"{len(pools[0]):,} to train with, {len(pools[1]):,} to test with"
    train, test = (partial(build, partial(draw, split=split), split) for split in (0, 1))
    return DataSet(train, test, f"{name}: {rows}, {inputs}, {len(names)} classes ({listed}); {parts}.")


def lines_of(raw: bytes) -> tuple[list[str], Iterator[Row]]:
    """Return the heading of a CSV file, and its rows."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError("this is no text; save the table as CSV (UTF-8).")
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))

    def lines() -> Iterator[Row]:
        try:
            yield from ((f"line {reader.line_num}", cells) for cells in reader if any(map(str.strip, cells)))
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}.") from None

    rows = lines()
    return list(next(rows, ("", []))[1]), rows


def points_of(heading: Sequence[Any], rows: Iterable[Row]) -> tuple[Floats, list[str]]:
    """Return the inputs (n, d) and the names of the classes, or refuse the first fault in a sentence."""
    columns = [str(column).strip().lower() for column in heading]
    if not columns:
        raise ValueError("it is empty; its first line must name the columns, such as x0,x1,class.")
    if "class" not in columns:
        raise ValueError(f"there is no column class; the first line names {reprlib.repr(', '.join(columns))}.")
    expected = ["class", *(f"x{i}" for i in range(max(1, len(columns) - 1)))]
    if sorted(columns) != sorted(expected):
        wrong = [column for i, column in enumerate(columns) if column not in expected or column in columns[:i]]
        instead = f", not {reprlib.repr(wrong[0])}" if wrong else ""
        raise ValueError(f"its {len(columns)} columns must be {', '.join(expected)}{instead}.")
    inputs, labels = [], []
    for where, cells in rows:
        if len(cells) != len(columns):
            raise ValueError(f"{where} has {len(cells)} values, and the heading names {len(columns)} columns.")
        found = dict(zip(columns, cells))
        for column in columns:
            try:
                found[column] = label(found[column]) if column == "class" else number(found[column])
            except ValueError as error:
                raise ValueError(f"{where}, column {column}: {error}") from None
        labels.append(found.pop("class"))
        inputs.append([found[column] for column in expected[1:]])
    if not inputs:
        raise ValueError("there is a heading, and no row below it.")
    return np.array(inputs), labels


def text_of(cell: Any) -> str:
    """Return a cell as text, or refuse what is missing."""
    text = str(cell).strip()
    if not text or (pd.api.types.is_scalar(cell) and pd.isna(cell)):
        raise ValueError("the value is missing.")
    return text


def label(cell: Any) -> str:
    """Return the name of a class; 1, 1.0 and "1" are one."""
    text = text_of(cell)
    try:
        value = float("no" if "_" in text else text)  # Python would take 1_0 for ten
    except ValueError:
        return text
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else text


def number(cell: Any) -> float:
    """Return a cell as a number that float32 can hold, or refuse it."""
    text = text_of(cell)
    try:
        value = float("no" if "_" in text else cell)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{reprlib.repr(cell)} is no number, such as 0.5 or -2e-3.") from None
    if math.isnan(value):
        raise ValueError(f"the value is missing ({text}).")
    if abs(value) > LARGEST:
        raise ValueError(f"{text} is infinite, or too large to compute with.")
    return value


def numbered(labels: list[str]) -> tuple[list[str], np.ndarray[Any, np.dtype[np.intp]]]:
    """Return the names of the classes in sorted order, and of each row the place of its class there."""
    counted = Counter(labels)
    try:
        names = sorted(counted, key=float)
    except ValueError:
        names = sorted(counted)
    if not 2 <= len(names) <= CLASSES:
        few = f"all rows are of one class, {names[0]}" if len(names) == 1 else f"there are {len(names)} classes"
        raise ValueError(f"column class: {few}; it must hold 2 to {CLASSES} different values.")
    for one in names:
        if counted[one] == 1:
            alone = f"only row {labels.index(one) + 1} is of class {one}"
            raise ValueError(f"column class: {alone}; a class needs two rows, one to train with and one to test with.")
    places = {one: k for k, one in enumerate(names)}
    return names, np.array([places[one] for one in labels])

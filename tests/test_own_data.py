"""Points of one's own: read from a file, its bytes or a table; every fault is said by row and column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.own_data import read_points

GOOD = "x0,x1,class\n0,1,a\n0.5,-1e-1,a\n1,2,b\n3,4,b\n"


def frame(rows, classes="ab", seed=0):
    rng = np.random.default_rng(seed)
    labels = [classes[i % len(classes)] for i in range(rows)]
    return pd.DataFrame({"x0": rng.normal(size=rows), "x1": rng.normal(size=rows), "class": labels})


def rows_of(*parts):
    return sorted(tuple(row) for part in parts for row in torch.cat([part.X, part.Y], 1).tolist())


def test_a_file_its_bytes_and_a_table_give_the_same_points(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text(GOOD)
    table = pd.DataFrame({"class": list("aabb"), "x1": [1, -0.1, 2, 4], "x0": [0, 0.5, 1, 3]})
    spelled = ["﻿" + GOOD, GOOD.replace(",", ";"), GOOD.replace(",", "\t"), GOOD.replace("\n", "\r\n\r\n").upper()]
    for source in (file, str(file), memoryview(GOOD.encode()), table, *(text.encode() for text in spelled)):
        mine = read_points(source, ratio=0.5)
        train, test = mine.train(), mine.test()
        expected = [(0, 1, 0), (0.5, -0.1, 0), (1, 2, 1), (3, 4, 1)]
        np.testing.assert_allclose(rows_of(train, test), expected, rtol=1e-6)
        assert (train.X.dtype, train.Y.shape) == (torch.float32, (2, 1))
        assert sorted(train.Y.tolist()) == [[0], [1]]
        assert "4 rows, 2 inputs, 2 classes" in mine.description
    assert read_points(file).description.startswith("mine.csv: ")
    assert read_points(table, name="painted").description.startswith("painted: ")


def test_the_split_follows_ratio_and_seed_and_keeps_the_parts_apart():
    table = frame(100)
    mine = read_points(table, ratio=0.8, seed=3)
    train, test = mine.train(), mine.test()
    assert (len(train.X), len(test.X)) == (80, 20)
    assert train.Y.mean() == test.Y.mean() == 0.5
    assert len(set(rows_of(train, test))) == 100
    assert rows_of(train) == rows_of(read_points(table, ratio=0.8, seed=3).train(seed=9))
    assert rows_of(train) != rows_of(read_points(table, ratio=0.8, seed=4).train())
    assert mine.train(seed=0).X.tolist() != mine.train(seed=1).X.tolist()
    tiny = read_points(frame(4), ratio=0.95)
    assert tiny.train().Y.sum() == tiny.test().Y.sum() == 1
    few = mine.train(samples=10, noise=0.1, seed=1)
    assert torch.equal(few.X, mine.train(samples=10, noise=0.1, seed=1).X)
    assert not torch.equal(few.X, mine.train(samples=10, seed=1).X)
    with pytest.raises(ValueError, match="samples must be 20 or less"):
        mine.test(samples=21)


def test_three_classes_are_one_hot_and_numbers_are_in_their_order():
    mine = read_points(frame(30, ["10", "9", "2.0"]), ratio=0.5)
    assert mine.train().Y.sum(0).tolist() == [5, 5, 5]
    assert "3 classes (2 10, 9 10, 10 10)" in mine.description
    same = pd.DataFrame({"x0": range(4), "class": [1, 1.0, "2", 2.0]}).astype({"class": object})
    assert "1 input, 2 classes (1 2, 2 2)" in read_points(same).description


def test_of_many_rows_some_are_used_and_the_description_says_so():
    table = frame(100_000)
    mine = read_points(table.to_csv(index=False).encode(), most=1000, ratio=0.6)
    assert "1,000 of its 100,000 rows (drawn by seed 0)" in mine.description
    assert "600 to train with, 400 to test with" in mine.description
    assert (len(mine.train().X), len(mine.test().X)) == (600, 400)
    assert "(a 10, b 2)" in read_points(frame(12, "aaaaab"), most=20).description
    uneven = pd.concat([frame(5000, "a"), frame(2, "b")], ignore_index=True)
    assert read_points(uneven, most=20).test().Y.sum() == 1


def changed(line, text):
    lines = GOOD.splitlines()
    lines[line - 1] = text
    return "\n".join(lines)


FAULTS = {
    "missing": (changed(3, "0.5,,a"), "line 3, column x1: the value is missing."),
    "missing class": (changed(3, "0.5,1, "), "line 3, column class: the value is missing."),
    "nan": (changed(3, "nan,1,a"), r"line 3, column x0: the value is missing \(nan\)."),
    "text": (changed(5, "3,four,b"), "line 5, column x1: 'four' is no number"),
    "decimal comma": (GOOD.replace(",", ";").replace("0.5", "0,5"), "line 3, column x0: '0,5' is no number"),
    "underscore": (changed(5, "1_0,4,b"), "line 5, column x0: '1_0' is no number"),
    "infinite": (changed(4, "1,-inf,b"), "line 4, column x1: -inf is infinite"),
    "too large": (changed(4, "1e39,2,b"), "line 4, column x0: 1e39 is infinite, or too large"),
    "one class": ("x0,class\n1,a\n2,a\n", "column class: all rows are of one class, a; it must hold 2 to 10"),
    "one row of a class": (GOOD + "5,5,c", "column class: only row 5 is of class c; a class needs two rows"),
    "too many classes": (
        "x0,class\n" + "".join(f"{i},{i}\n" for i in range(20)),
        "column class: there are 20 classes; it must hold 2 to 10",
    ),
    "no class": ("x0,x1\n1,2\n", "there is no column class; the first line names 'x0, x1'"),
    "no heading": ("1,2,a\n3,4,b\n", "there is no column class; the first line names '1, 2, a'"),
    "no input": ("class\na\nb\n", "its 1 columns must be class, x0"),
    "another column": (GOOD.replace("x1", "y"), "its 3 columns must be class, x0, x1, not 'y'"),
    "a gap": (GOOD.replace("x1", "x2"), "its 3 columns must be class, x0, x1, not 'x2'"),
    "twice": (GOOD.replace("x1", "x0"), "its 3 columns must be class, x0, x1, not 'x0'"),
    "short": (changed(3, "0.5,a"), "line 3 has 2 values, and the heading names 3 columns"),
    "long": (changed(3, "0.5,1,a,7"), "line 3 has 4 values, and the heading names 3 columns"),
    "empty": ("", "it is empty; its first line must name the columns"),
    "blank": ("\n \n", "it is empty"),
    "heading alone": ("x0,x1,class\n", "there is a heading, and no row below it"),
    "a cell too long": (changed(3, "0.5,1," + "a" * 200_000), "line 3: field larger than field limit"),
}


@pytest.mark.parametrize(("text", "words"), FAULTS.values(), ids=FAULTS)
def test_a_bad_file_gets_a_sentence_that_names_row_and_column(text, words, tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=f"^bad.csv: {words}"):
        read_points(file)
    with pytest.raises(ValueError, match=f"^the file: {words}"):
        read_points(text.encode())


@pytest.mark.parametrize("raw", [b"\x89PNG\r\n\x1a\n\x00", "größe".encode("latin-1"), GOOD.encode("utf-16")])
def test_a_file_that_is_no_text_is_refused(raw):
    with pytest.raises(ValueError, match="the file: this is no text; save the table as CSV"):
        read_points(raw)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("x1", None, "row 2, column x1: the value is missing"),
        ("class", pd.NA, "row 2, column class: the value is missing"),
        ("x0", np.inf, "row 2, column x0: inf is infinite"),
        ("x0", "wide", "row 2, column x0: 'wide' is no number"),
        ("x0", [1], r"row 2, column x0: \[1\] is no number"),
        ("x0", 10**400, "row 2, column x0: 1000"),
    ],
)
def test_a_bad_table_is_refused_alike(column, value, words):
    table = frame(6).astype(object)
    table.at[2, column] = value
    with pytest.raises(ValueError, match=f"the table: {words}"):
        read_points(table)


def test_other_sources_and_options_are_refused_by_name():
    with pytest.raises(TypeError, match="source must be the path of a CSV file, its bytes or a DataFrame, got 3"):
        read_points(3)
    for option, value in {"ratio": 1.0, "seed": -1, "most": 3}.items():
        with pytest.raises(ValueError, match=f"{option} must be"):
            read_points(frame(9), **{option: value})
    with pytest.raises(FileNotFoundError, match="none.csv"):
        read_points("none.csv")

"""Reading tables, with errors that name the line; standardising by the part to learn from."""

import gzip

import numpy as np
import pytest

from tinygrad_lite import data
from tinygrad_lite.core.errors import DTypeError, ShapeError, StateError


@pytest.fixture
def table(tmp_path):
    def write(text, name="t.csv"):
        path = tmp_path / name
        raw = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return path

    return write


TEXT = "size,weight,kind\n1.5,2,cat\n-3e1,4,dog\n\n5,6,cat\n"


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        (TEXT, "t.csv", {"label": "kind"}),
        (TEXT, "t.csv", {"label": 2}),
        (TEXT, "t.csv.gz", {"label": -1}),
        (TEXT.replace("\n", "\r\n"), "t.csv", {"label": "kind"}),
        (TEXT.replace(",", ";"), "t.csv", {"label": "kind", "delimiter": ";"}),
        (TEXT.replace(",", "\t"), "t.csv", {"label": "kind", "delimiter": "\t"}),
        ("\ufeff" + TEXT, "t.csv", {"label": "kind"}),
        (TEXT.replace(",", " , ").replace("cat", '"cat"').rstrip("\n"), "t.csv", {"label": "kind"}),
        (TEXT.partition("\n")[2], "t.csv", {"label": 2, "header": False}),
    ],
)
def test_tables(table, text, name, options):
    x, y, names, classes = data.read_csv(table(text, name), **options)
    assert x.dtype == np.float32 and x.tolist() == [[1.5, 2], [-30, 4], [5, 6]]
    assert y.dtype == np.int64 and y.tolist() == [0, 1, 0] and classes == ["cat", "dog"]
    assert names == (["size", "weight"] if options.get("header", True) else ["0", "1"])


def test_labels_of_every_kind(table):
    path = table("y,x\n3,1\n0,2\n")
    assert data.read_csv(path, label="y").y.tolist() == [3, 0] and data.read_csv(path, label="y").y.dtype == np.int64
    assert data.read_csv(path).y is None and data.read_csv(path).x.tolist() == [[3, 1], [0, 2]]
    real = data.read_csv(table("y,x\n3.0,1\n1,2\n"), label=0, dtype="float64")
    assert real.y.dtype == np.float64 and real.classes == [] and real.x.tolist() == [[1], [2]]
    mixed = data.read_csv(table("y,x\n3,1\nb,2\n"), label=0)
    assert mixed.classes == ["3", "b"] and mixed.y.tolist() == [0, 1]


def test_empty_cells_are_what_was_asked_for(table):
    path = table("a,b\n1,\n ,2\n")
    np.testing.assert_array_equal(data.read_csv(path, missing=np.nan).x, [[1, np.nan], [np.nan, 2]])
    assert data.read_csv(path, missing=-1).x.tolist() == [[1, -1], [-1, 2]]
    with pytest.raises(StateError, match="t.csv', line 2, column 'b': the cell is empty; give missing="):
        data.read_csv(path)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,b\n1,2\n3,x\n", {}, "t.csv', line 3, column 'b': 'x' is not a number"),
        ("a,b,c\n1,2,3\n3,u,x\n", {"label": "b"}, "line 3, column 'c': 'x' is not a number"),
        ('a,b\n"1\n",2\n3,y\n', {}, "line 4, column 'b': 'y' is not a number"),
        ("a;b\n1;2\n", {}, "line 2, column 'a;b': '1;2' is not a number; .* delimiter another one"),
        ("a,b\n1,2\n3\n", {}, "line 3: 1 cells, and there are 2 columns; each line needs a cell of each"),
        ("1,2\n3,4\n", {}, "line 1: the names of the columns are expected, .* say header=False"),
        ("a,b\n", {}, "t.csv': there are no lines with numbers"),
        ("", {}, "t.csv': there are no lines with numbers"),
        ("a,b\n1,2\n3,\n", {"label": "b"}, "line 3: the label is empty; each example needs one"),
        (b"a,b\n1,\xff\n", {}, "cannot be read .*; the file is not CSV in UTF-8, or is cut off"),
        ('a,b\n1,"2\n', {}, "cannot be read .*; the file is not CSV in UTF-8, or is cut off"),
        (
            gzip.compress(TEXT.encode(), mtime=0)[:-20],
            {"label": "kind"},
            "cannot be read .*; the file is not CSV in UTF-8, or is cut off",
        ),
    ],
)
def test_errors_name_the_line(table, text, options, message):
    with pytest.raises(StateError, match="read_csv: '.*" + message):
        data.read_csv(table(text), **options)


def test_columns_and_files_that_there_are_not(table, tmp_path):
    path = table("a,b,b\n1,2,3\n")
    for label in ("c", "b", 3, -4):
        with pytest.raises(ShapeError, match=f"there is no single column {label!r} for the label; there are a, b, b"):
            data.read_csv(path, label=label)
    with pytest.raises(FileNotFoundError, match="read_csv: there is no file '.*none.csv'"):
        data.read_csv(tmp_path / "none.csv")


def test_standardised_columns():
    rng = np.random.default_rng(0)
    for dtype, tolerance in (("float32", 1e-5), ("float64", 1e-12)):
        x = (rng.normal(size=(100, 3)) * [1, 20, 0] + [5, -1000, 0.1]).astype(dtype)
        standardize = data.Standardizer(x[:60])
        made = standardize(x)
        assert made.dtype == dtype
        np.testing.assert_allclose(made[:60].mean(0), 0, atol=1e2 * tolerance)
        np.testing.assert_allclose(made[:60].std(0), [1, 1, 0], atol=1e2 * tolerance)
        np.testing.assert_allclose(standardize.inverse(made), x, rtol=tolerance)
        assert np.array_equal(data.Standardizer(x[:60])(x[60:]), made[60:])  # whatever else is there
        assert standardize.std[2] == 1
    assert repr(standardize) == "Standardizer(3 columns)"


def test_standardised_columns_equal_scikit_learns():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    x = np.random.default_rng(1).normal(size=(30, 4))
    x[:, 2] = 0.1
    expected = preprocessing.StandardScaler().fit(x[:20]).transform(x)
    np.testing.assert_allclose(data.Standardizer(x[:20])(x), expected, atol=1e-12)


def test_what_cannot_be_standardised():
    with pytest.raises(ShapeError, match="Standardizer: x has no rows; at least one is required"):
        data.Standardizer(np.zeros((0, 2)))
    with pytest.raises(ShapeError, match=r"Standardizer: x is \(3,\); it must be \(n, columns\)"):
        data.Standardizer(np.zeros(3))
    with pytest.raises(DTypeError, match=r"Standardizer: x is \(2, 2\) int64; a NumPy array of floating-point"):
        data.Standardizer(np.zeros((2, 2), int))
    with pytest.raises(DTypeError, match="Standardizer: x is a list|Standardizer: x is \\[\\[1.0\\]\\]"):
        data.Standardizer([[1.0]])
    with pytest.raises(ValueError, match="Standardizer: column 1 has values that are not finite; replace or leave out"):
        data.Standardizer(np.array([[1.0, np.nan]]))
    with pytest.raises(ShapeError, match=r"Standardizer: x is \(1, 3\); it must be \(n, 2\)"):
        data.Standardizer(np.eye(2))(np.ones((1, 3)))

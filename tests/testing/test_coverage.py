"""The table of what is checked: the committed copy is up to date, and the command finds what is wrong."""

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.backends import fake_cupy
from tests.laws.planting import temporary
from tests.samples import samples_of
from tinygrad_lite import OPS, primitive
from tinygrad_lite.testing import coverage

PAGE = Path(__file__).resolve().parents[2] / "COVERAGE.md"
AGAIN = "; bring it up to date: python -m tinygrad_lite.testing.coverage --update COVERAGE.md"
CODES = {"b1", "i8", "f2", "f4", "f8", "c8", "c16"}


ROWS = {name: row.cells for name, row in coverage.committed(PAGE).items()}
NAMES = [name for name, op in OPS.items() if op.body.__module__.startswith("tinygrad_lite.")]


def test_the_page_has_every_operation():
    assert sorted(ROWS) == sorted(NAMES), "COVERAGE.md has other operations than the registry" + AGAIN


def test_every_cell_says_yes_or_gives_a_reason_that_the_page_explains():
    page = PAGE.read_text()
    for name, cells in ROWS.items():
        for column, cell in cells.items():
            known = cell in coverage.WORDS or (column == "dtypes" and set(cell.split()) <= CODES and cell)
            assert known, f"{name}, {column}: {cell!r}"
            assert cell not in ("FAIL", "no sample", "no GPU"), f"{name}, {column}: {cell}"
            assert cell not in coverage.WORDS or f"- *{cell}*: {coverage.WORDS[cell]}." in page, cell + AGAIN


@pytest.mark.parametrize("name", [name for name in NAMES if name in ROWS])
def test_cells_agree_with_what_is_declared(name):
    cells, samples = ROWS[name], samples_of(name)
    assert (cells["value"] == "by parts") == all(one.expected() is None for one in samples), AGAIN
    if not any(one.order for one in samples):
        assert {cells["vjp"], cells["jvp"], cells["second order"]} <= {"integers", "constant"}, AGAIN
    if OPS[name].rules and any(one.order for one in samples):
        assert cells["vjp"] == cells["jvp"] == "yes", AGAIN
    assert (cells["CuPy"] == "moves") == (name in ("to_device", "transfer"))


def test_cells_of_some_operations_are_found_again():
    chosen = random.Random(20).sample(sorted(set(ROWS) & set(NAMES)), 12)
    with coverage.cupy_or_stand_in(fake_cupy) as device:
        for name in chosen:
            found = coverage.check(OPS[name], device=device)
            assert found.failures == []
            assert without_device(found.cells) == without_device(ROWS[name]), name + AGAIN


def without_device(cells):
    """The cells that do not depend on whether there is a GPU."""
    return {column: cell for column, cell in cells.items() if column != "CuPy"}


def test_the_command_checks_the_named_operations(capsys):
    assert coverage.main(["exp", "argmax", "--examples", "2", "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)["operations"]
    assert list(found) == ["exp", "argmax"] and "2/2" in printed.err
    assert found["exp"]["vjp"] == "yes" and found["argmax"]["vjp"] == "integers"
    assert found["exp"]["dtypes"] == "b1 i8 f2 f4 f8 c8 c16"


def test_a_page_is_brought_up_to_date(tmp_path, capsys):
    page = tmp_path / "page.md"
    rows = coverage.committed(PAGE)
    page.write_text(coverage.markdown([rows[name] for name in NAMES if name in rows and name not in ("exp", "relu")]))
    assert coverage.main(["relu", "--examples", "1", "--update", str(page)]) == 0
    assert "1 operations checked" in capsys.readouterr().out
    assert set(rows) - set(coverage.committed(page)) == {"exp"}
    assert coverage.committed(page)["relu"].cells == rows["relu"].cells


def test_the_command_prints_a_table_with_its_words(capsys):
    assert coverage.main(["detach", "--examples", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["value", "vjp", "jvp", "second", "order", "vmap", "NumPy", "CuPy", "dtypes"]
    assert lines[1].split()[:3] == ["detach", "yes", "constant"]
    assert f"constant: {coverage.WORDS['constant']}" in lines


def test_an_unknown_name_is_one_line_with_those_near_it(capsys):
    with pytest.raises(SystemExit, match="2"):
        coverage.main(["sofmax"])
    assert "there is no operation 'sofmax' in the registry; near it are softmax" in capsys.readouterr().err


def test_what_must_be_installed_is_said_in_one_line(capsys, monkeypatch):
    monkeypatch.setattr(coverage.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="2"):
        coverage.main(["exp"])
    said = capsys.readouterr().err
    assert "needs the package hypothesis, which is not installed: pip install hypothesis scipy." in said


@pytest.mark.parametrize("bug", [False, True])
def test_a_wrong_derivative_fails_in_its_columns(bug, capsys):
    with temporary():

        @primitive(x=lambda g, x: g * (3.0 if bug else 2.0) * x)
        def planted_square(xp, x):
            return xp.square(x)

        assert coverage.main(["planted_square", "--examples", "3", "--json"]) == int(bug)
        printed = capsys.readouterr()
    cells = json.loads(printed.out)["operations"]["planted_square"]
    assert cells["vjp"] == cells["jvp"] == cells["second order"] == ("FAIL" if bug else "yes")
    assert cells["value"] == "no reference"
    assert ("planted_square, vjp: " in printed.err) == bug


def test_an_operation_without_a_sample_says_so():
    with temporary():

        @primitive(x=lambda g: g, shapes="any")
        def planted_identity(xp, x):
            return x

        row = coverage.check(planted_identity.op)
    assert set(row.cells.values()) == {"no sample"} and row.failures == []


def test_operations_of_a_module_of_your_own(tmp_path, monkeypatch, capsys):
    (tmp_path / "my_operations.py").write_text(
        "from tinygrad_lite import primitive\n\n\n"
        "@primitive(x=lambda g, x: 3 * x * x * g)\ndef my_cube(xp, x):\n    return x * x * x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with temporary():
        assert coverage.main(["my_cube", "--import", "my_operations", "--examples", "2"]) == 0
    del sys.modules["my_operations"]
    assert "my_cube  no reference  yes" in capsys.readouterr().out


def test_without_cupy_and_stand_in_the_column_says_so():
    row = coverage.check(OPS["exp"], examples=1, device=None)
    assert row.cells["CuPy"] == "no GPU" and np.all([row.cells[column] == "yes" for column in ("value", "vjp", "jvp")])

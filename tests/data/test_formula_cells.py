"""No table that is taken along holds a formula, whoever wrote its texts."""

import csv
import io

import pandas as pd
import pytest

from drpo.data.library.export import FORMULA_STARTS, table_csv

FORMULAS = ("=HYPERLINK(1)", "+1+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", "  =1", "\n=1")


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_text_in_a_table_is_no_formula(formula):
    table = pd.DataFrame({formula: [formula, "plain"], "reviewer": ["ann", formula], "n": [-1, 2]})
    rows = list(csv.reader(io.StringIO(table_csv(table), newline="")))
    for cell in [cell for row in rows for cell in row if cell != "-1"]:
        assert not cell.lstrip(" \n").startswith(FORMULA_STARTS), cell
    assert rows[1][2] == "-1", "a number stays one"


def test_an_index_that_is_taken_along_is_guarded_too():
    table = pd.DataFrame({"x": [1]}, index=pd.Index(["=1"], name="@name"))
    assert table_csv(table, index=True).splitlines() == ["'@name,x", "'=1,1"]

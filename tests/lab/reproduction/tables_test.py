import csv

import numpy as np
import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.reproduction import tables


def _row(method="lee2013_pl", labels=100, error=10.0, **values):
    return {
        "method": method,
        "variant": "",
        "labels": str(labels),
        "arm": "pseudo_label",
        "test_error_percent": str(error),
        "validation_error_percent": str(error + 1),
        "entropy_train": "0.5",
        "entropy_unlabeled": "0.25",
        "entropy_test": "0.125",
        "epochs": "40",
        "updates": "2400",
        "train_seconds": "100.0",
        "commit": "abc",
        **values,
    }


def test_interval_is_students():
    """1, 2, 3: deviation 1, and t = 4.3027 with two degrees of freedom."""
    mean, half_width = tables.interval([1.0, 2.0, 3.0])

    assert mean == 2
    assert half_width == pytest.approx(4.302653 / np.sqrt(3))


def test_one_run_has_no_interval():
    assert tables.interval([7.0]) == (7.0, None)


def test_runs_of_a_cell_are_put_together():
    rows = [
        _row(error=8.0, train_seconds="10"),
        _row(method="other", error=1.0),
        _row(error=12.0, train_seconds="30", entropy_test="0.375"),
        _row(error=10.0, train_seconds="90", commit="def"),
    ]

    cell, other = tables.cells(rows, "test")

    assert (cell["seeds"], cell["error_percent_mean"]) == (3, 10)
    assert cell["error_percent_ci95"] == pytest.approx(
        4.302653 * 2 / np.sqrt(3), abs=1e-4
    )
    assert cell["train_seconds_median"] == 30
    assert cell["entropy_test"] == pytest.approx(0.625 / 3)
    assert cell["commit"] == "abc def"
    assert (other["method"], other["seeds"]) == ("other", 1)
    assert other["error_percent_ci95"] is None


def test_validation_errors_where_something_is_chosen():
    rows = [_row(error=4.0, test_error_percent="")]

    assert tables.cells(rows, "validation")[0]["error_percent_mean"] == 5


def test_file_has_the_promised_columns(tmp_path):
    tables.write(tables.cells([_row()], "test"), tmp_path / "new" / "t.csv")

    with (tmp_path / "new" / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:7] == [
        *("method", "variant", "labels", "arm", "seeds"),
        *("error_percent_mean", "error_percent_ci95"),
    ]
    assert (rows[0]["error_percent_mean"], rows[0]["labels"]) == ("10.0", "100")
    assert rows[0]["error_percent_ci95"] == ""


def test_a_line_per_method_and_a_column_per_number_of_labels():
    rows = [
        _row(labels=600, error=5.0),
        _row(labels=100, error=9.0),
        _row(labels=100, error=11.0),
        _row("conv", labels=100, error=3.0, arm="supervised"),
        _row("conv", labels=100, error=2.0),
        _row(labels=600, error=7.5, variant="alpha_f = 1"),
    ]

    text = tables.errors_by_labels(
        tables.cells(rows, "test"), [("NN", {100: 25.81})]
    )

    assert text.split("\n") == [
        "| method | 100 labels | 600 labels |",
        "| --- | --- | --- |",
        "| `lee2013_pl` | 10.00 ± 12.71 (2) | 5.00 (1) |",
        "| `conv`, labels alone | 3.00 (1) |  |",
        "| `conv` | 2.00 (1) |  |",
        "| `lee2013_pl`, alpha_f = 1 |  | 7.50 (1) |",
        "| NN | 25.81 | – |",
    ]


def test_errors_above_published_ones():
    rows = [
        _row(labels=100, error=9.0),
        _row(labels=100, error=11.0),
        _row(labels=600, error=5.0),
        _row("other", labels=600, error=1.0),
    ]

    text = tables.errors_above(
        tables.cells(rows, "test"),
        {
            "lee2013_pl": ("+PL", {100: 16.15, 600: 4.5}),
            "not run yet": ("NN", {100: 25.81, 600: 11.44}),
        },
    )

    assert text.split("\n")[2:] == [
        "| `lee2013_pl`, from +PL | -6.15 ± 12.71 (2) | +0.50 (1) |",
    ]


def test_entropies():
    text = tables.entropies(
        tables.cells([_row()], "test"), [("+PL", (6.1e-9, 0.0067, 0.0114))]
    )

    assert text.split("\n")[2:] == [
        "| `lee2013_pl` | 0.5000 | 0.2500 | 0.1250 |",
        "| +PL | 6.1e-09 | 0.0067 | 0.0114 |",
    ]


def test_differences_are_paired():
    """Splits 0 and 1 differ by 2 and 4; split 2 has one of the methods."""
    rows = [
        _row(error=10.0, seed="0"),
        _row(error=20.0, seed="1"),
        _row(error=1.0, seed="0", labels=600),
        _row("other", error=99.0, seed="2"),
        _row("other", error=24.0, seed="1"),
        _row("other", error=12.0, seed="0"),
        _row("third", error=0.5, seed="0", labels=600),
    ]

    text = tables.differences(rows, "lee2013_pl", "test_error_percent")

    # Deviation sqrt(2), over sqrt(2), and t = 12.7062.
    assert text.split("\n") == [
        "| method | 100 labels | 600 labels |",
        "| --- | --- | --- |",
        "| `other` | +3.00 ± 12.71 (2) |  |",
        "| `third` |  | -0.50 (1) |",
    ]


def test_differences_from_a_method_that_has_not_run():
    text = tables.differences([_row(seed="0")], "x", "test_error_percent")

    assert text.split("\n")[2:] == ["| `lee2013_pl` |  |"]


def test_a_table_is_put_between_its_markers(tmp_path):
    page = tmp_path / "t.md"
    page.write_text("a\n<!-- t -->\nold\n<!-- /t -->\nb <!-- t2 -->\n")

    for text in (r"new \1", "newer"):
        tables.put_between_markers(text, "t", page)

    assert page.read_text() == (
        "a\n<!-- t -->\n\nnewer\n\n<!-- /t -->\nb <!-- t2 -->\n"
    )


def test_a_page_without_markers_stays_as_it_is(tmp_path):
    page = tmp_path / "t.md"
    page.write_text("a")

    with pytest.raises(InputError, match=r"<!-- t --> and <!-- /t -->"):
        tables.put_between_markers("new", "t", page)
    assert page.read_text() == "a"

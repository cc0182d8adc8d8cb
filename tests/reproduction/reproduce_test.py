"""Tiny cells, end to end: real children, real runs on real digits."""

import csv
import dataclasses

import pytest

from tf_pseudolabel.recipes import lee2013
from tf_pseudolabel.reproduction import plans
from tf_pseudolabel.reproduction.plans import Cell, Plan
from tf_pseudolabel.reproduction.reproduce import reproduce

TINY = {
    "dataset": "digits",
    "num_labeled": 100,
    "num_unlabeled": 300,
    "num_validation": 50,
    "num_test": 100,
    "hidden_units": 32,
    "steps_per_epoch": 5,
}


def _tiny(*recipes, **values):
    cells = [
        Cell(
            recipe.name,
            "",
            dataclasses.replace(lee2013.compressed(recipe, 200), **TINY),
        )
        for recipe in recipes
    ]
    return lambda quick: Plan(tuple(cells), **values)


@pytest.fixture
def docs(tmp_path):
    path = tmp_path / "docs"
    path.mkdir()
    (path / "results.md").write_text("<!-- tiny -->\n<!-- /tiny -->\n")
    return path


def _rows(file):
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_table_grows_and_finished_runs_are_kept(
    docs, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(plans.PLANS, "tiny", _tiny(lee2013.PL))
    arguments = (docs, tmp_path / "work")
    reproduce("tiny", False, [], 1, 1, *arguments)
    first = _rows(docs / "results" / "tiny_runs.csv")
    text = reproduce("tiny", False, [], 2, 2, *arguments)

    both = _rows(docs / "results" / "tiny_runs.csv")
    assert both[0] == first[0]
    assert [row["seed"] for row in both] == ["0", "1"]
    (cell,) = _rows(docs / "results" / "tiny.csv")
    errors = [float(row["test_error_percent"]) for row in both]
    assert float(cell["error_percent_mean"]) == pytest.approx(sum(errors) / 2)
    assert (cell["method"], cell["seeds"]) == ("lee2013_pl", "2")
    assert cell["updates"] == str(3 * TINY["steps_per_epoch"])
    assert f"\n{text}\n" in (docs / "results.md").read_text()
    said = capsys.readouterr().out
    assert "1 runs, of which 1 are left" in said
    assert "2 runs, of which 1 are left" in said


def test_what_is_drawn_has_its_networks_where_they_were_trained(
    docs, tmp_path, monkeypatch
):
    recipes = (lee2013.DROPNN, lee2013.PL)
    plan = _tiny(*recipes, seeds=1, drawn=True)
    monkeypatch.setitem(plans.PLANS, "tiny", plan)
    trained, drawn = [], []
    module = "tf_pseudolabel.reproduction.reproduce"
    monkeypatch.setattr(
        f"{module}.runs.finish", lambda *values: trained.append(values)
    )
    monkeypatch.setattr(
        f"{module}.drawing.draw", lambda *values: drawn.append(values)
    )

    reproduce("tiny", False, [], None, 2, docs, tmp_path / "work")

    ((runs, rows_file, *_),) = trained
    names = [run.name for run in runs]
    assert drawn == [
        (
            "tiny",
            {
                recipe.name: tmp_path / "work" / name
                for recipe, name in zip(recipes, names, strict=True)
            },
            docs / "images",
        )
    ]
    # Kept with the networks, not with the tables: both are there, or neither.
    assert rows_file.parent == tmp_path / "work"
    assert not (docs / "results").exists()

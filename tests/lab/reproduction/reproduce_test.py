"""Tiny cells, end to end: real children, real runs on real digits."""

import csv
import dataclasses
import pathlib

import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes import lee2013
from tf_pseudolabel.lab.reproduction import plans, rows, runs, tables
from tf_pseudolabel.lab.reproduction.plan import Cell, Plan
from tf_pseudolabel.lab.reproduction.reproduce import LAYOUTS, reproduce
from tf_pseudolabel.lab.runs.run_directory import locked

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
            "",
            dataclasses.replace(lee2013.compressed(recipe, 200), **TINY),
        )
        for recipe in recipes
    ]
    return lambda quick: Plan(tuple(cells), **values)


@pytest.fixture
def docs(tmp_path):
    path = tmp_path / "docs"
    (path / "results").mkdir(parents=True)
    page = path / "results" / "tiny.md"
    page.write_text("<!-- tiny -->\n<!-- /tiny -->\n")
    return path


def _rows(file):
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.slow
def test_a_table_grows_and_finished_runs_are_kept(
    docs, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(plans.PLANS, "tiny", _tiny(lee2013.PL))
    arguments = ("tiny", docs, tmp_path / "work")
    reproduce(*arguments, seeds=1)
    first = _rows(docs / "results" / "tiny_runs.csv")
    text = reproduce(*arguments, seeds=2, jobs=2)

    both = _rows(docs / "results" / "tiny_runs.csv")
    assert both[0] == first[0]
    assert [row["seed"] for row in both] == ["0", "1"]
    (cell,) = _rows(docs / "results" / "tiny.csv")
    errors = [float(row["test_error_percent"]) for row in both]
    assert float(cell["error_percent_mean"]) == pytest.approx(sum(errors) / 2)
    assert (cell["method"], cell["seeds"]) == ("lee2013_pl", "2")
    assert cell["updates"] == str(3 * TINY["steps_per_epoch"])
    assert f"\n{text}\n" in (docs / "results" / "tiny.md").read_text()
    said = capsys.readouterr().out
    assert "1 runs, of which 1 are left" in said
    assert "2 runs, of which 1 are left" in said

    # Fewer are wanted; the table has what is there.
    assert reproduce(*arguments, seeds=1) == text
    assert _rows(docs / "results" / "tiny.csv") == [cell]


def _finished(run):
    return {
        **dict(zip(rows.KEY, run.key(), strict=True)),
        "arm": "pseudo_label",
        "test_error_percent": "5.0",
        "entropy_train": "0.1",
        "entropy_unlabeled": "0.2",
        "entropy_test": "0.3",
        "train_seconds": "1.0",
    }


def test_the_quick_form_is_kept_apart(docs, tmp_path, monkeypatch):
    """It has no place in the page; a table that is always quick has its own."""
    whole, shorter = _tiny(lee2013.PL)(False), _tiny(lee2013.DROPNN)(False)
    monkeypatch.setitem(
        plans.PLANS, "tiny", lambda quick: shorter if quick else whole
    )
    monkeypatch.setitem(plans.PLANS, "always", lambda quick: whole)
    pages = {
        name: docs / "results" / f"{name}.md" for name in ("tiny", "always")
    }
    pages["always"].write_text("<!-- always --><!-- /always -->")
    wanted = {"tiny_quick": shorter, "always": whole}
    for name, plan in wanted.items():
        (run,) = runs.of_plan(plan, 1)
        rows.append([_finished(run)], docs / "results" / f"{name}_runs.csv")

    for name in pages:
        text = reproduce(name, docs, tmp_path / "work", quick=True, seeds=1)
        assert "5.00 (1)" in text

    assert pages["tiny"].read_text() == "<!-- tiny -->\n<!-- /tiny -->\n"
    assert "`lee2013_pl` | 5.00 (1)" in pages["always"].read_text()
    assert len(_rows(docs / "results" / "tiny_quick.csv")) == 1
    assert len(_rows(docs / "results" / "always.csv")) == 1


def test_a_page_without_a_place_is_refused_before_anything_runs(
    docs, tmp_path, monkeypatch
):
    monkeypatch.setitem(plans.PLANS, "tiny", _tiny(lee2013.PL))
    (docs / "results" / "tiny.md").write_text("# Tiny\n")

    with pytest.raises(InputError, match="<!-- tiny -->"):
        reproduce("tiny", docs, tmp_path / "work")

    assert list((tmp_path / "work").iterdir()) == []


def test_two_at_once_are_refused(docs, tmp_path, monkeypatch):
    """Both would write the same rows."""
    monkeypatch.setitem(plans.PLANS, "tiny", _tiny(lee2013.PL))

    with locked(tmp_path), pytest.raises(InputError, match="is at work in"):
        reproduce("tiny", docs, tmp_path)


def test_lees_table_stands_beside_ours(docs, tmp_path, monkeypatch):
    found = runs.of_plan(plans.lee2013_table(), 1)
    rows.append(
        map(_finished, found), docs / "results" / "lee2013_table_runs.csv"
    )

    text = reproduce("lee2013_table", docs, tmp_path / "work", seeds=1)

    # Without a page there are the files.
    assert not (docs / "results" / "lee2013_table.md").exists()
    assert "| `lee2013_pl` | 5.00 (1) | 5.00 (1) | 5.00 (1) | 5.00" in text
    assert "| +PL | 16.15 | 5.03 | 4.30 | 2.80 |" in text
    assert (
        "| `lee2013_pl`, from +PL | -11.15 (1) | -0.03 (1) | +0.70 (1) | +2.20"
        in text
    )
    assert "| `self_training_1` | +0.00 (1) |" in text
    assert "| `lee2013_pl_dae` | 0.1000 | 0.2000 | 0.3000 |" in text


@pytest.mark.parametrize("wrong", [{"methods": ["lee2013_pl"]}, {"seeds": 2}])
def test_what_is_drawn_takes_no_choice(wrong, docs, tmp_path, monkeypatch):
    plan = _tiny(lee2013.PL, lee2013.DROPNN, seeds=1, drawn=True)
    monkeypatch.setitem(plans.PLANS, "tiny", plan)

    with pytest.raises(InputError, match="have no meaning there"):
        reproduce("tiny", docs, tmp_path / "work", **wrong)


def test_what_is_drawn_has_its_networks_where_they_were_trained(
    docs, tmp_path, monkeypatch
):
    recipes = (lee2013.DROPNN, lee2013.PL)
    plan = _tiny(*recipes, seeds=1, drawn=True)
    monkeypatch.setitem(plans.PLANS, "tiny", plan)
    trained, drawn = [], []
    module = "tf_pseudolabel.lab.reproduction.reproduce"
    monkeypatch.setattr(
        f"{module}.processes.finish", lambda *values: trained.append(values)
    )
    monkeypatch.setattr(
        f"{module}.drawing.draw", lambda *values: drawn.append(values)
    )

    there, left = runs.of_plan(plan(False))
    path = tmp_path / "work" / there.name
    path.mkdir(parents=True)
    (path / "metrics.json").touch()

    reproduce("tiny", docs, tmp_path / "work", jobs=2)

    ((wanted, rows_file, *_),) = trained
    assert wanted == [left]
    names = [there.name, left.name]
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
    assert [path.name for path in (docs / "results").iterdir()] == ["tiny.md"]


def test_every_plan_has_a_layout():
    for plan in plans.PLANS.values():
        assert plan().layout in LAYOUTS


def test_every_table_has_its_page_and_the_page_its_place():
    pages = pathlib.Path(__file__).parents[3] / "docs" / "results"
    for name, plan in plans.PLANS.items():
        assert f"--what={name}" in (pages / f"{name}.md").read_text()
        if not plan().drawn:
            tables.check_markers(name, pages / f"{name}.md")

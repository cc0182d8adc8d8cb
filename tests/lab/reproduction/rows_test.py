import dataclasses
import json

from tf_pseudolabel.lab.reproduction import rows, runs


def _leave_behind(run_dir, metrics, **recorded):
    """What of a finished run is read."""
    (run_dir / "metrics.json").write_text(json.dumps(metrics))
    (run_dir / "recipe.json").write_text(json.dumps(recorded))


def test_finished_runs_are_kept(tmp_path, plan, metrics):
    found = runs.of_plan(plan(seeds=2))
    path = tmp_path / "runs.csv"
    assert rows.unfinished(found, rows.read(path)) == found

    for run, error in ((found[2], 3.0), (found[0], 1.0)):
        _leave_behind(tmp_path, metrics(error))
        rows.append(rows.of_directory(run, tmp_path, "test"), path)

    finished = rows.read(path)
    assert rows.unfinished(found, finished) == [found[1]]
    mine = rows.of_runs(found, finished)
    assert [row["test_error_percent"] for row in mine] == ["1.0", "3.0"]
    assert mine[0]["validation_error_percent"] == "10.0"
    assert mine[0]["entropy_test"] == "3"
    # Rows of recipes that have changed since are nobody's.
    other = dataclasses.replace(
        found[0], recipe=dataclasses.replace(found[0].recipe, t2=3)
    )
    assert rows.of_runs([other], finished) == []


def test_what_is_chosen_by_does_not_show_the_test_set(tmp_path, plan, metrics):
    run = runs.of_plan(plan(seeds=1))[0]
    _leave_behind(tmp_path, metrics())

    (row,) = rows.of_directory(run, tmp_path, "validation")

    assert row["test_error_percent"] == ""


def test_the_commit_is_that_which_the_run_began_at(tmp_path, plan, metrics):
    run = runs.of_plan(plan(seeds=1))[0]
    _leave_behind(tmp_path, metrics(), commit="abc1234")

    (row,) = rows.of_directory(run, tmp_path, "test")

    assert row["commit"] == "abc1234"
    # Runs of before did not write it down.
    _leave_behind(tmp_path, metrics())
    (row,) = rows.of_directory(run, tmp_path, "test")
    assert row["commit"] == ""

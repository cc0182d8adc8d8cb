import csv
import json

FIGURES = {
    "labeled_examples": 50,
    "unlabeled_examples": 1000,
    "test_examples": 200,
    "updates": 30,
    "train_seconds": 4.5,
}


def _run_directory(path, seed, error):
    path.mkdir()
    recipe = {"recipe": {"name": "digits", "seed": seed}}
    metrics = {"pseudo_label": {**FIGURES, "test_error_percent": error}}
    (path / "recipe.json").write_text(json.dumps(recipe))
    (path / "metrics.json").write_text(json.dumps(metrics))
    return path


def test_runs_that_differ_in_their_number_are_a_line(run, tmp_path):
    runs = [
        _run_directory(tmp_path / f"pl_{seed}", seed, error)
        for seed, error in ((0, 8.0), (1, 10.0))
    ]
    output = tmp_path / "results" / "runs.csv"
    done = run("summarize_runs.py", *runs, f"--output={output}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        "| `pl` | pseudo_label | 30 | 8.00, 10.00 | 9.00 ± 1.41 | 91.00 | 4 |"
    )
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["test_error_percent"]) for row in rows] == [
        ("0", "8.0"),
        ("1", "10.0"),
    ]


def test_a_damaged_run_is_named_and_nothing_written(run, tmp_path):
    path = _run_directory(tmp_path / "pl_0", 0, "many")
    output = tmp_path / "runs.csv"
    done = run("summarize_runs.py", path, f"--output={output}")
    assert done.returncode == 1
    assert "metrics.json must hold test_error_percent" in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()

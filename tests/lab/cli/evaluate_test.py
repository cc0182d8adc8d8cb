import json
import re
import shutil

import pytest

from tf_pseudolabel.lab.cli import evaluate, train


def test_prints_the_figures_of_metrics_json(finished_run, exit_status, capsys):
    assert exit_status(evaluate.main, finished_run) == 0
    metrics = json.loads((finished_run / "metrics.json").read_text())
    out = capsys.readouterr().out
    assert out.startswith(train.table(metrics) + "\n")
    for arm, figures in metrics.items():
        assert f"{figures['test_error_percent']:.2f}" in next(
            line for line in out.splitlines() if line.startswith(arm)
        )
        test = figures["conditional_entropy"]["test"]
        assert re.search(f"entropy, {arm}: .* test {test:.4g}\n", out)


@pytest.mark.parametrize("figure", ["test_error_percent", "unlabeled"])
def test_says_so_where_the_figures_differ(
    figure, finished_run, exit_status, capsys, tmp_path
):
    path = shutil.copytree(finished_run, tmp_path / "run")
    metrics = json.loads((path / "metrics.json").read_text())
    figures = metrics["supervised"]
    if figure not in figures:
        figures = figures["conditional_entropy"]
    figures[figure] = 12.34
    (path / "metrics.json").write_text(json.dumps(metrics))
    assert exit_status(evaluate.main, path) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert f"records 12.34 for {figure} of supervised" in err


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_takes_one_directory(arguments, exit_status, capsys):
    assert exit_status(evaluate.main, *arguments) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert f"got {len(arguments)} arguments" in err


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_not_a_run_directory(kind, exit_status, capsys, tmp_path):
    path = tmp_path / "run"
    if kind == "empty":
        path.mkdir()
    elif kind == "file":
        path.touch()
    assert exit_status(evaluate.main, path) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "holds metrics.json" in err
    assert str(path) in err

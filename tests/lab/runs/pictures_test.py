import dataclasses
import shutil

from tf_pseudolabel.lab.runs import pictures, results
from tf_pseudolabel.lab.runs.run_directory import RunDirectory

FILES = ("figures", "report.html", "tensorboard/projector_config.pbtxt")


def _without_pictures(run, path):
    shutil.copytree(run, path)
    shutil.rmtree(path / "figures")
    for name in FILES[1:]:
        (path / name).unlink()
    return RunDirectory(path)


def test_draws_what_a_finished_run_shows(finished_run, tmp_path):
    run_dir = _without_pictures(finished_run, tmp_path / "run")
    pictures.write(results.load(run_dir.path), run_dir)
    drawn = {path.name for path in (run_dir / "figures").iterdir()}
    assert drawn == {
        "learning_curves.png",
        "tsne.png",
        "confident_mistakes.png",
    }
    assert all((run_dir / name).exists() for name in FILES)
    assert "<title>" in (run_dir / "report.html").read_text(encoding="utf-8")


def test_unknown_classes_and_few_test_rows_leave_pictures_out(
    finished_run, tmp_path
):
    run_dir = _without_pictures(finished_run, tmp_path / "run")
    found = results.load(run_dir.path)
    unlabeled = dataclasses.replace(
        found.split.unlabeled, labels=found.split.unlabeled.labels * 0 - 1
    )
    split = dataclasses.replace(
        found.split, unlabeled=unlabeled, test=found.split.test.take([0, 1, 2])
    )
    outputs = {
        arm: {**rows, "test": rows["test"][:3]}
        for arm, rows in found.probabilities.items()
    }
    few = dataclasses.replace(found, split=split, probabilities=outputs)
    pictures.write(few, run_dir)
    drawn = {path.name for path in (run_dir / "figures").iterdir()}
    assert drawn == {"learning_curves.png"}
    assert (run_dir / "report.html").exists()

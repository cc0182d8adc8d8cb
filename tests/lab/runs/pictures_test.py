import dataclasses
import shutil
import warnings

import pytest

from tf_pseudolabel.lab.runs import pictures, results
from tf_pseudolabel.lab.runs.run_directory import RunDirectory

FIGURES = ("learning_curves", "tsne", "confident_mistakes")
FILES = ("figures", "report.html", "tensorboard/projector_config.pbtxt")


def _without_pictures(run, path):
    shutil.copytree(run, path)
    shutil.rmtree(path / "figures")
    for name in FILES[1:]:
        (path / name).unlink()
    return RunDirectory(path)


@pytest.fixture(scope="module")
def found(finished_run):
    """Read once: places in the plane take seconds."""
    return results.load(finished_run)


def test_draws_what_a_finished_run_shows(finished_run, found, tmp_path):
    run_dir = _without_pictures(finished_run, tmp_path / "run")
    pictures.write(found, run_dir)
    drawn = {path.name for path in (run_dir / "figures").iterdir()}
    assert drawn == {
        "learning_curves.png",
        "tsne.png",
        "confident_mistakes.png",
    }
    assert all((run_dir / name).exists() for name in FILES)
    assert "<title>" in (run_dir / "report.html").read_text(encoding="utf-8")


def test_unknown_classes_and_few_test_rows_leave_pictures_out(
    finished_run, found, tmp_path
):
    run_dir = _without_pictures(finished_run, tmp_path / "run")
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


def _broken(*arguments, **options):
    raise ValueError("a formula\n$that fails")


@pytest.mark.parametrize(
    ("function", "lost"),
    [
        ("figures.learning_curves", "figures/learning_curves.png"),
        ("figures.embeddings", "figures/tsne.png"),
        ("figures.confident_mistakes", "figures/confident_mistakes.png"),
        ("projector.write", "tensorboard"),
        ("report.save", "report.html"),
    ],
)
def test_what_cannot_be_drawn_is_said_and_the_rest_is_there(
    function, lost, finished_run, found, tmp_path, monkeypatch, capsys
):
    run_dir = _without_pictures(finished_run, tmp_path / "run")
    module, name = function.split(".")
    monkeypatch.setattr(getattr(pictures, module), name, _broken)
    pictures.write(found, run_dir)
    assert capsys.readouterr().err == (
        f"Picture: {run_dir / lost} is left out: ValueError: a formula $that "
        "fails\n"
    )
    files = {
        *(f"figures/{name}.png" for name in FIGURES),
        *("report.html", "tensorboard/projector_config.pbtxt"),
    }
    missing = {name for name in files if not (run_dir / name).exists()}
    assert len(missing) == 1
    assert missing.pop().startswith(lost)


def test_a_file_in_the_place_of_a_folder_loses_pictures_alone(
    finished_run, found, tmp_path, capsys
):
    run_dir = _without_pictures(finished_run, tmp_path / "run")
    (run_dir / "figures").touch()
    pictures.write(found, run_dir)
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert (run_dir / "report.html").exists()


def test_characters_that_no_font_has_are_said_once(tmp_path, capsys, recwarn):
    def draw(path):
        for _ in range(3):
            warnings.warn("Glyph 1 missing from font(s) Y.", stacklevel=2)
        warnings.warn("another", stacklevel=2)

    pictures.attempt(tmp_path / "a.png", draw)
    assert capsys.readouterr().err == (
        f"Picture: {tmp_path}/a.png shows boxes for characters that no font "
        "here has.\n"
    )
    assert [str(w.message) for w in recwarn] == ["another"]

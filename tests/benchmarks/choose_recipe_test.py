import csv

TINY = "network=mlp,hidden_units=4,epochs=2,t1=0,t2=1,num_unlabeled=300"


def _rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_trains_writes_and_does_not_train_again(run, tmp_path):
    path = tmp_path / "chosen.csv"
    arguments = ("--seeds=1", f"--output={path}")
    done = run("choose_recipe.py", f"--variants={TINY}", *arguments)
    assert done.returncode == 0, done.stderr
    rows = _rows(path)
    assert [(row["variant"], row["seed"], row["arm"]) for row in rows] == [
        (TINY, "1", "supervised"),
        (TINY, "1", "pseudo_label"),
    ]
    for row in rows:
        assert row["recipe"] == "digits_conv"
        # A share of the 200 rows for validation, the mean of two epochs.
        right = 400 * float(row["val_accuracy"])
        assert abs(right - round(right)) < 1e-3
        assert 0 < float(row["seconds"]) < 600
        mean = f"{100 * float(row['val_accuracy']):.2f} % over 1 seeds"
        assert f"{TINY}, {row['arm']}: {mean}" in done.stdout

    before = path.read_text()
    again = run("choose_recipe.py", f"--variants={TINY}", *arguments)
    assert again.stdout.splitlines() == done.stdout.splitlines()[2:]
    assert path.read_text() == before


def test_a_wrong_variant_is_refused_before_the_first_training(run, tmp_path):
    path = tmp_path / "chosen.csv"
    for variant in ("speed=1", "epochs", "epochs=many", "t1=9,t2=8"):
        done = run(
            "choose_recipe.py",
            f"--variants={TINY};{variant}",
            f"--output={path}",
        )
        assert done.returncode == 1
        assert "--variants are field=value,... of a recipe" in done.stderr
        assert not path.exists()

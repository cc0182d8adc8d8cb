"""The commands of the guides to tables and texts, as they stand there."""

import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

import tf_pseudolabel
from tf_pseudolabel.lab.cli import train
from tf_pseudolabel.lab.runs import jobs, results

GUIDES = pathlib.Path(__file__).resolve().parents[3] / "docs" / "guides"
PACKAGE = pathlib.Path(tf_pseudolabel.__file__).parents[1]
SHORT = ("--epochs=2", "--t1=0", "--t2=1", "--nopictures")


def guide(name):
    text = (GUIDES / f"{name}.md").read_text("utf-8")
    commands = re.search(r"```console\n(.*?)```", text, re.DOTALL)[1]
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    return [shlex.split(line) for line in commands.splitlines()], code


COMMANDS = [
    command
    for name in ("own-tables", "own-texts")
    for command in guide(name)[0]
    if command[0] == "bin/train"
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the files lie that the guides name."""
    generator = np.random.default_rng(0)
    jobs, words = ["cook", "smith"], ["card", "loan"]
    people, texts = ["age,job,income"], []
    for row in range(60):
        age, job = generator.integers(20, 70), jobs[row % 2]
        income = ["low", "high", ""][row % 3]
        people.append(f"{age},{job},{income}")
        texts.append(f"my {words[row % 2]} number {row},{words[row % 2]}")
        folder = "letters" if row % 3 else "more_letters"
        letter = tmp_path / folder / words[row % 2] / f"{row}.txt"
        letter.parent.mkdir(parents=True, exist_ok=True)
        letter.write_text(texts[-1])
    texts[::3] = [f"which {row}," for row in range(20)]
    for name, lines in {
        "people": people,
        "train": ["text,category", *texts[:40]],
        "test": ["text,category", *(x for x in texts[40:] if x[-1] != ",")],
    }.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_lead_to_a_split(command, folder, exit_status):
    recipes = []
    assert (
        exit_status(
            lambda argv: recipes.append(train.recipe_from_flags()),
            *command[1:],
        )
        == 0
    )
    data = results.load_data(recipes[0])
    split = jobs.draw_split(recipes[0], data)
    assert len(split.unlabeled) >= 10
    assert len(data.class_names) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["own-tables", "own-texts"])
def test_commands_and_code_run(name, folder):
    commands, code = guide(name)
    for command in commands:
        program = command[0].removeprefix("bin/")
        more = SHORT if program == "train" else ()
        module = f"tf_pseudolabel.lab.cli.{program}"
        run(["-m", module, *command[1:], *more])
    printed = run(["-c", code])
    assert "b'" in printed


def run(arguments):
    done = subprocess.run(
        [sys.executable, *arguments],
        env={"PYTHONPATH": str(PACKAGE), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout

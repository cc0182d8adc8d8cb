import subprocess
import sys

import pytest

from tests.lab.data.guides_test import commands
from tf_pseudolabel.lab.cli import selftrain
from tf_pseudolabel.lab.runs import rounds


@pytest.fixture
def status(status_of):
    return status_of(selftrain)


@pytest.fixture
def asked(monkeypatch):
    """What the program asks for; nothing is trained."""
    found = []

    def run(*args, tell, **kwargs):
        found.append((args, kwargs))
        figures = {"test_error_percent": 9.0, "test_examples": 10}
        one = {"round": 1, "labeled": 5, "kept": 0, "flips": None}
        one |= {"accuracy_of_kept": None, "test_error_percent": 9.0}
        tell({"pseudo_label": figures}, {"rounds": [one]})

    monkeypatch.setattr(rounds, "run", run)
    return found


def test_flags_lead_to_a_plan(status, asked, capsys):
    assert not status("--output_dir=somewhere", "--recipe=digits_conv")
    assert not status(
        *("--output_dir=somewhere", "--keep_share=0.5,1", "--epochs=7"),
        *("--keep_confidence=0.3", "--start_from=teacher"),
        *("--student_network=mlp", "--review=mine.csv", "--nopictures"),
    )
    (recipe, plan, *rest), options = asked[0]
    assert plan == rounds.Plan()
    assert rest == ["somewhere", None]
    assert options["with_pictures"]
    (recipe, plan, *rest), options = asked[1]
    assert recipe.epochs == 7
    assert plan == rounds.Plan((0.5, 1.0), 0.3, "teacher", "mlp")
    assert rest == ["somewhere", "mine.csv"]
    assert options["with_pictures"] is False
    told = capsys.readouterr().out
    assert "right of kept %  test error %\n1 " in told
    assert "Run directory: somewhere" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs --output_dir"),
        (["here"], "takes flags only; got 'here'"),
        (["--output_dir=x", "--keep_share=a"], "a list of numbers"),
        (["--output_dir=x", "--keep_share=2"], "got (2.0,)"),
        (["--output_dir=x", "--keep_share="], "got ()"),
        (["--output_dir=x", "--keep_confidence=2"], "keep_confidence"),
        (["--output_dir=x", "--keep_confidence=nan"], "a number that is fin"),
        (["--output_dir=x", "--student_network=none"], "none"),
        (["--output_dir=x", "--epochs=0"], "epochs must be at least 1"),
    ],
)
def test_usage_errors(arguments, message, status, asked, capsys):
    assert status(*arguments) == 2
    assert not asked
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_help_has_the_flags_of_a_round_and_of_rounds():
    code = "from tf_pseudolabel.lab.cli import selftrain; selftrain.run()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for flag in ("--recipe", "--epochs", "--keep_share", "--review"):
        assert f"\n  {flag}\n" in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 800


GUIDE = "self-training.md"
COMMANDS = commands(GUIDE, "bin/selftrain")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_guide(command, status, asked):
    assert command[0] == "bin/selftrain"
    assert status(*command[1:]) == 0
    (recipe, plan, path, _), _ = asked[0]
    assert recipe.epochs
    assert plan.share[-1] == 1
    assert path.startswith("runs/")

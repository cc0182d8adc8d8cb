"""The example of docs/guides/own-network.md, as it stands there."""

import pathlib
import re
import shlex

import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.cli import train

GUIDE = (
    pathlib.Path(__file__).resolve().parents[3]
    / "docs"
    / "guides"
    / "own-network.md"
).read_text("utf-8")
CODE = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1]
COMMANDS = [
    shlex.split(block.replace("\\\n", " "))
    for block in re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_are_understood(command, exit_status, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model.py").write_text(CODE)
    recipes = []

    def main(argv):
        assert len(argv) == 1
        recipes.append(train.recipe_from_flags())

    assert command[0] == "bin/train"
    assert exit_status(main, *command[1:]) == 0
    (network,) = (each for each in command if each.startswith("--network="))
    assert pathlib.Path(recipes[0].network).name == network.split("=")[1]


def test_the_function_is_a_network(tmp_path):
    file = tmp_path / "my_model.py"
    file.write_text(CODE)
    spec = tf.TensorSpec((8, 8, 1), tf.uint8)
    model = networks.build(f"{file}:build", spec, 10, dropout=0.2)
    assert model(np.zeros((2, 8, 8, 1), np.uint8)).shape == (2, 10)
    assert 0.2 in [getattr(layer, "rate", None) for layer in model.layers]

import importlib.util
import json

import pytest
import timing


def test_turns_begin_with_another_contender_each_round():
    called = []
    contenders = {
        name: (lambda name=name: called.append(name) or len(called))
        for name in "ab"
    }

    times = timing.take_turns(contenders, 2)

    assert called == ["a", "b", "b", "a"]
    assert times == {"a": [1, 4], "b": [2, 3]}


def test_ratios_are_taken_round_by_round():
    assert timing.ratios([1.0, 4.0], [2.0, 2.0]) == [0.5, 2.0]


def test_a_report_is_printed_and_written(tmp_path, capsys):
    line = timing.figure("fit", "ms", [3.0, 1.0, 8.0])

    timing.report("step", [line], tmp_path / "step.json")

    assert line["median"] == 3
    printed = capsys.readouterr().out
    assert "fit" in printed and "3 ms" in printed and "1 to 8" in printed
    found = json.loads((tmp_path / "step.json").read_text())
    assert found["figures"] == [line]
    assert found["benchmark"] == "step" and found["machine"]["cores"] >= 1


@pytest.mark.parametrize("output", [None, ""])
def test_nothing_is_written_unless_asked_for(output, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    timing.report("step", [timing.figure("a", "s", [1.0])], output)

    assert not list(tmp_path.iterdir())


def test_without_pytorch_there_is_a_message(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    assert not timing.pytorch_is_there()

    assert "pip install torch" in capsys.readouterr().out

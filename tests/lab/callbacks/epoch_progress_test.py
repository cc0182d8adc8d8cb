import re

from tf_pseudolabel.lab.callbacks.epoch_progress import EpochProgress


def _plain(text):
    """Without colours and the bar's backspaces."""
    return re.sub(r"\x1b\[[0-9;]*m|\x08", "", text)


def test_one_bar_over_two_fits(capsys):
    progress = EpochProgress("arm", 3, ("alpha", "accuracy"))
    progress.on_epoch_begin(0)
    progress.on_epoch_end(0, {"accuracy": 0.25, "loss": 9.0})
    progress.on_epoch_begin(1)
    progress.on_epoch_end(1, {"accuracy": 0.5, "alpha": 1.5})
    progress.on_epoch_end(2, {"accuracy": 0.75, "alpha": 3.0})
    out = _plain(capsys.readouterr().out)
    assert out.startswith("arm\n")
    assert out.count("arm") == 1
    # Keras leaves out what comes too soon after the last, but never the end.
    assert "1/3" in out
    assert "3/3" in out
    assert out.endswith("\n")


def test_the_bar_can_begin_in_the_middle(capsys):
    progress = EpochProgress("arm", 3, ())
    progress.on_epoch_begin(2)
    progress.on_epoch_end(2)
    assert "3/3" in _plain(capsys.readouterr().out)


def test_shows_the_epochs_own_values(capsys):
    progress = EpochProgress("arm", 2, ("alpha", "accuracy"))
    progress.on_epoch_begin(0)
    progress.on_epoch_end(0, {"accuracy": 0.25, "loss": 9.0})
    first = _plain(capsys.readouterr().out)
    assert "accuracy: 0.2500" in first
    assert "alpha" not in first
    assert "loss" not in first
    progress.on_epoch_end(1, {"accuracy": 0.75, "alpha": 3.0})
    second = _plain(capsys.readouterr().out)
    assert "accuracy: 0.7500" in second  # Not the mean of both epochs.
    assert "alpha: 3.0000" in second

import itertools

import numpy as np
import pytest

from tf_pseudolabel.lab.search import halving
from tf_pseudolabel.lab.search.halving import SUPERVISED, Result

IDS = np.arange(1000).astype(str)
START = 4.0


class Bench:
    """Candidates that are as good as they are, and take a second an epoch."""

    def __init__(self, shares, seconds=1.0, broken=()):
        self.shares, self.seconds, self.broken = shares, seconds, broken
        self.trials = []

    def __call__(self, trial):
        self.trials.append(trial)
        if trial.name in self.broken:
            return "this network takes no such rows"
        rng = np.random.default_rng([trial.split, len(trial.name)])
        right = rng.random(len(IDS)) < self.shares[trial.name]
        seconds = self.seconds * trial.epochs
        return Result(START + seconds, self.seconds, right, IDS)

    @property
    def used(self):
        return sum(START + self.seconds * t.epochs for t in self.trials)


def shares(count=16, best=11):
    """Candidates of whom one is clearly the best."""
    names = [f"preset{number:02}" for number in range(count)]
    found = {name: 0.6 for name in names} | {names[best]: 0.9}
    return {SUPERVISED: 0.5, **found}


def test_the_best_one_is_found_within_the_time():
    bench = Bench(shares())
    found = halving.search(bench, [*bench.shares], 1200.0, 500, 3)

    assert found.names[0] == "preset11"
    assert SUPERVISED in found.compared and len(found.compared) == 3
    assert not found.dropped
    # The last trial of a stage may run beyond it, by a start.
    assert 0.7 * 1200 < bench.used < 1.05 * 1200


def test_the_better_half_goes_on_for_longer():
    bench = Bench(shares())
    halving.search(bench, [*bench.shares], 1200.0, 500, 3)

    by_stage = [
        [trial for trial in bench.trials if trial.stage == stage]
        for stage in range(5)
    ]
    assert [len({t.name for t in of}) for of in by_stage] == [17, 17, 9, 5, 3]
    assert all(any(t.name == SUPERVISED for t in of) for of in by_stage)
    epochs = [
        sum(trial.epochs for trial in of if trial.name == "preset11")
        for of in by_stage
    ]
    assert epochs[0] == 1
    assert all(b > 1.5 * a for a, b in itertools.pairwise(epochs))


def test_all_of_a_stage_have_the_same_splits():
    bench = Bench(shares(5, 2))
    found = halving.search(bench, [*bench.shares], 900.0, 500, 3)

    assert {len(results) for results in found.compared.values()} == {3}
    for stage in (1, 2, 3):
        splits = {}
        for trial in bench.trials:
            if trial.stage == stage:
                splits.setdefault(trial.name, []).append(trial.split)
        assert len({tuple(of) for of in splits.values()}) == 1


def test_no_trial_is_longer_than_the_run():
    bench = Bench(shares(3, 0), seconds=0.01)
    halving.search(bench, [*bench.shares], 10_000.0, 40, 2)

    assert max(trial.epochs for trial in bench.trials) == 40


def test_what_cannot_be_trained_is_dropped_with_its_reason():
    bench = Bench(shares(4, 2), broken=["preset01"])
    found = halving.search(bench, [*bench.shares], 600.0, 500, 3)

    assert found.dropped == {"preset01": "this network takes no such rows"}
    assert found.names[0] == "preset02"


def test_little_time_leaves_out_the_last_ones():
    bench = Bench(shares(16, 0))
    found = halving.search(bench, [*bench.shares], 60.0, 500, 3)

    assert found.names[0] == "preset00"
    assert "preset15" in found.dropped and "preset00" not in found.dropped
    assert "no time" in found.dropped["preset15"]


def test_no_time_compares_nothing():
    bench = Bench(shares(4, 0))

    assert halving.search(bench, [*bench.shares], 1.0, 9, 3).compared == {}


def test_a_lead_counts_rows_once():
    right = np.array([True, True, True, False, False, False])
    wrong = np.array([True, True, False, False, False, False])
    ids = np.array(list("abcdef"))

    def compared(times):
        return {
            name: [Result(1.0, 1.0, rows, ids)] * times
            for name, rows in (("a", right), ("b", wrong))
        }

    ahead, half = halving.lead(compared(1), "a", "b")
    differences = right.astype(float) - wrong
    assert ahead == pytest.approx(1 / 6)
    error = differences.std(ddof=1) / np.sqrt(6)
    assert half == pytest.approx(1.96 * error)
    assert halving.lead(compared(3), "a", "b") == pytest.approx((ahead, half))
    assert halving.lead(compared(2), "b", "a")[0] == pytest.approx(-1 / 6)


def test_splits_with_other_rows_make_a_lead_surer():
    rng = np.random.default_rng(0)
    ids = [np.char.add(str(part), IDS[:200]) for part in range(4)]
    parts = [Result(1.0, 1.0, rng.random(200) < 0.7, of) for of in ids]
    none = [Result(1.0, 1.0, np.zeros(200, bool), part.ids) for part in parts]

    _, one = halving.lead({"a": parts[:1], "b": none[:1]}, "a", "b")
    _, four = halving.lead({"a": parts, "b": none}, "a", "b")
    assert four == pytest.approx(one / 2, rel=0.1)

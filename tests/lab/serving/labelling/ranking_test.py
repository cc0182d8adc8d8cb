import numpy as np
import pyarrow
import pytest

from tf_pseudolabel.lab.serving.labelling import ranking
from tf_pseudolabel.lab.serving.labelling.rows import Rows


def _rows(number, classes, confidences, ids):
    bits = np.asarray(confidences, np.float32).view(np.uint32)
    table = pyarrow.table({"id": ids})
    return Rows(number, table, np.asarray(classes), bits.astype(int), None)


def _random(seed, values, ids):
    rng = np.random.default_rng(seed)
    return [
        _rows(
            number,
            rng.integers(0, 4, 40),
            rng.choice(values, 40),
            [f"{x}" for x in rng.integers(0, ids, 40)],
        )
        for number in range(5)
    ]


def _surest(shards, counts):
    """The oracle: sorts everything."""
    found = [np.zeros(len(x.classes), bool) for x in shards]
    for number, count in enumerate(counts):
        every = [
            (-x.ranks[row], x.table["id"][row].as_py(), x.number, row)
            for x in shards
            for row in np.flatnonzero(x.classes == number)
        ]
        for _, _, shard, row in sorted(every)[:count]:
            found[shard][row] = True
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("values", "ids"),
    [
        (np.random.default_rng(9).uniform(0, 1, 1000), 10**6),
        # Ties, saturated scores, and ids that occur several times.
        ([0.0, 1e-40, 0.5, np.nextafter(1, 0), 1.0], 10**6),
        ([1.0], 3),
    ],
)
def test_the_surest_of_each_class_as_by_sorting(seed, values, ids):
    shards = _random(seed, values, ids)
    seen = np.bincount(np.concatenate([x.classes for x in shards]), minlength=4)
    for counts in (seen // 3, np.array([0, 1, *seen[2:]]), seen, 0 * seen):
        cuts = ranking.surest(shards, counts, seen)
        for rows, expected in zip(shards, _surest(shards, counts), strict=True):
            np.testing.assert_array_equal(cuts.within(rows), expected)


def test_ties_go_by_id_not_by_order():
    shards = [
        _rows(0, [0, 0], [0.5, 0.5], ["d", "b"]),
        _rows(1, [0, 0], [0.5, 0.9], ["a", "c"]),
    ]
    cuts = ranking.surest(shards, np.array([3]), np.array([4]))
    assert cuts.within(shards[0]).tolist() == [False, True]
    assert cuts.within(shards[1]).tolist() == [True, True]

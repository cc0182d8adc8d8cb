import numpy as np
import pytest
import threadpoolctl
from sklearn.manifold import TSNE
from sklearn.neighbors import KNeighborsClassifier

from tf_pseudolabel.lab.analysis import embedding


def _three_clusters():
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    outputs = 8 * np.eye(5)[labels] + generator.normal(size=(120, 5))
    return outputs.astype(np.float32), labels


def test_same_seed_same_picture():
    outputs, _ = _three_clusters()
    first = embedding.embed(outputs, seed=3)
    assert first.shape == (120, 2)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, embedding.embed(outputs, seed=3))


def test_one_thread_waits_for_no_other(monkeypatch):
    found = []

    def placed(tsne, outputs):
        pools = threadpoolctl.threadpool_info()
        found.extend(p["num_threads"] for p in pools if "omp" in p["prefix"])
        return outputs[:, :2]

    monkeypatch.setattr(TSNE, "fit_transform", placed)
    with threadpoolctl.threadpool_limits(2, "openmp"):
        embedding.embed(_three_clusters()[0], seed=0)

    assert set(found) == {1}


def test_separate_clusters_stay_separate():
    outputs, labels = _three_clusters()
    points = embedding.embed(outputs, seed=0)
    neighbors = KNeighborsClassifier(n_neighbors=5).fit(points, labels)
    assert neighbors.score(points, labels) == 1


@pytest.mark.parametrize("count", [4, 5, 20])
def test_few_rows_lower_the_perplexity(count):
    outputs = np.random.default_rng(0).random((count, 3))
    points = embedding.embed(outputs, seed=0)
    assert points.shape == (count, 2)
    assert np.isfinite(points).all()


def test_many_duplicates_from_saturated_outputs():
    points = embedding.embed(np.eye(3)[np.arange(60) % 3], seed=0)
    assert np.isfinite(points).all()


def test_a_collapsed_network_is_one_point():
    points = embedding.embed(np.full((20, 3), 1 / 3), seed=0)
    np.testing.assert_array_equal(points, np.zeros((20, 2)))
    assert points.dtype == np.float32


@pytest.mark.parametrize("shape", [(3, 10), (10, 1), (10,), (10, 2, 2)])
def test_refuses_what_cannot_be_embedded(shape):
    with pytest.raises(ValueError, match="got shape") as caught:
        embedding.embed(np.zeros(shape), seed=0)
    assert str(shape) in str(caught.value)


def test_both_arms_get_the_same_rows():
    rows = embedding.sample_rows(10_000, seed=5)
    np.testing.assert_array_equal(rows, embedding.sample_rows(10_000, seed=5))
    assert len(rows) == embedding.MAX_ROWS
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0 and rows[-1] < 10_000
    assert not np.array_equal(rows, embedding.sample_rows(10_000, seed=6))


def test_takes_every_row_where_there_are_few():
    rows = embedding.sample_rows(7, limit=10, seed=0)
    np.testing.assert_array_equal(rows, np.arange(7))


def test_refuses_outputs_of_a_diverged_network():
    with pytest.raises(ValueError, match="NaN"):
        embedding.embed(np.full((20, 3), np.nan), seed=0)

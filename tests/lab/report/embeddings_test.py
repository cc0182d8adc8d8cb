import numpy as np
import pytest

from tf_pseudolabel.lab.analysis import embedding
from tf_pseudolabel.lab.report import embeddings


def _section(results, share=1):
    points = embeddings.points(results)
    return embeddings.section(results, points.thinned(share))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Any places do; t-SNE's own are tested elsewhere."""
    monkeypatch.setattr(
        embedding, "embed", lambda outputs, seed: outputs[:, :2]
    )


def test_arms_share_rows_and_images(make_results):
    results = make_results()
    a, b = _section(results).charts
    assert (a.title, b.title) == ("(a) Supervised", "(b) Pseudo-label")
    sources = [c.model.renderers[0].data_source for c in (a, b)]
    assert sources[0] is sources[1]
    data = sources[0].data
    assert len(data["image"]) == 60
    assert list(data["true"]) == [str(row % 10) for row in range(60)]
    outputs = results.probabilities["supervised"]["test"]
    np.testing.assert_array_equal(data["x_supervised"], outputs[:, 0])
    np.testing.assert_allclose(data["confidence_supervised"], outputs.max(1))
    wrong = outputs.argmax(1) != results.split.test.labels
    np.testing.assert_array_equal(
        np.array(data["marker_supervised"]) == "x", wrong
    )


def test_the_table_has_a_row_per_class(make_results):
    results = make_results(classes=2, tested=4, class_names=["cat", "dog"])
    outputs = np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0, 1]])
    results.probabilities["supervised"]["test"] = outputs
    table = _section(results).charts[0].table
    # Of cat: rows 0, right, and 2, wrong; of dog: rows 1, wrong, and 3.
    expected = ["2", "1", "0.750"]
    assert table.rows == [["cat", *expected], ["dog", *expected]]


def test_points_know_their_size(make_results):
    points = embeddings.points(make_results())
    images = sum(len(card.image) for card in points.cards)
    assert points.size == images + 60 * embeddings.POINT_BYTES
    assert points.thinned(0).size == 0


def test_points_are_thinned_evenly(make_results):
    results = make_results()
    whole = embeddings.points(results)
    thinned = whole.thinned(0.1)
    # Six of 0..59, from the first to the last: 0, 11.8, 23.6, 35.4, ...
    assert thinned.rows.tolist() == [0, 12, 24, 35, 47, 59]
    assert thinned.cards[1] == whole.cards[12]
    chart = embeddings.section(results, thinned).charts[0]
    ids = chart.model.renderers[0].data_source.data["id"]
    assert ids == [f"test/{row}" for row in thinned.rows]


@pytest.mark.parametrize("share", [0, 3 / 60])
def test_left_out_where_there_is_no_room(share, make_results):
    section = _section(make_results(), share)
    assert not section.charts
    assert "stays small" in section.text


def test_a_collapsed_network_is_said_to_be(make_results):
    results = make_results()
    results.probabilities["pseudo_label"]["test"][:] = 0.1
    first, second = _section(results).charts
    assert first.title == "(a) Supervised"
    assert second.title == "(b) Pseudo-label: one output for all rows"
    # Names on top of one another cannot be read.
    assert len(second.model.renderers[1].data_source.data["text"]) == 0


def test_too_few_test_rows(make_results):
    section = _section(make_results(classes=2, tested=3))
    assert not section.charts
    assert "too few rows" in section.text


@pytest.mark.parametrize(("classes", "legend"), [(20, 20), (100, 0)])
def test_many_classes_have_no_legend(classes, legend, make_results):
    results = make_results(classes=classes, tested=200)
    chart = _section(results).charts[0]
    assert len(chart.legend) == legend
    colors = chart.model.renderers[0].data_source.data["color"]
    assert len(set(colors)) > 0.9 * classes

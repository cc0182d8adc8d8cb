import numpy as np
import pytest

from tf_pseudolabel.analysis import embedding
from tf_pseudolabel.report import embeddings

AMPLE = 10**7


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Any places do; t-SNE's own are tested elsewhere."""
    monkeypatch.setattr(
        embedding, "embed", lambda outputs, seed: outputs[:, :2]
    )


def test_arms_share_rows_and_images(make_results):
    results = make_results()
    a, b = embeddings.section(results, AMPLE).charts
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
    table = embeddings.section(results, AMPLE).charts[0].table
    # Of cat: rows 0, right, and 2, wrong; of dog: rows 1, wrong, and 3.
    expected = ["2", "1", "0.750"]
    assert table.rows == [["cat", *expected], ["dog", *expected]]


def test_points_are_thinned_to_fit(make_results):
    results = make_results()
    (first, _) = embeddings.section(results, AMPLE).charts
    whole = first.model.renderers[0].data_source.data
    needed = sum(map(len, whole["image"])) + 60 * embeddings.POINT_BYTES
    (half, _) = embeddings.section(results, needed // 2).charts
    ids = half.model.renderers[0].data_source.data["id"]
    assert len(ids) in (29, 30)
    # Evenly: from the first row to the last.
    assert (ids[0], ids[-1]) == ("test/0", "test/59")


@pytest.mark.parametrize("room", [0, -5, 500])
def test_left_out_where_there_is_no_room(room, make_results):
    section = embeddings.section(make_results(), room)
    assert not section.charts
    assert "stays small" in section.text


def test_too_few_test_rows(make_results):
    section = embeddings.section(make_results(classes=2, tested=3), AMPLE)
    assert not section.charts
    assert "too few rows" in section.text


@pytest.mark.parametrize(("classes", "legend"), [(20, 20), (100, 0)])
def test_many_classes_have_no_legend(classes, legend, make_results):
    results = make_results(classes=classes, tested=200)
    chart = embeddings.section(results, AMPLE).charts[0]
    assert len(chart.legend) == legend
    colors = chart.model.renderers[0].data_source.data["color"]
    assert len(set(colors)) > 0.9 * classes

import pytest

from tf_pseudolabel.monitoring.loss_terms import LossTerms


def test_terms_are_means_over_rows():
    terms = LossTerms()
    terms.update_state(1.0, [4.0], 3.0, 10.0)
    terms.update_state(5.0, [2.0], 1.0, 30.0)

    # (3 * 1 + 1 * 5) / 4 and (10 * 4 + 30 * 2) / 40.
    assert float(terms.result()["labeled_loss"]) == pytest.approx(2.0)
    assert float(terms.result()["unlabeled_loss"]) == pytest.approx(2.5)


def test_every_term_by_its_name():
    terms = LossTerms(["unlabeled_loss", "class_prior"])
    terms.update_state(1.0, [4.0, 0.5], 3.0, 10.0)
    terms.update_state(1.0, [4.0, 1.5], 3.0, 30.0)

    assert {k: float(v) for k, v in terms.result().items()} == {
        "labeled_loss": pytest.approx(1.0),
        "unlabeled_loss": pytest.approx(4.0),
        "class_prior": pytest.approx(1.25),
    }


def test_without_rows_a_term_is_zero():
    terms = LossTerms()
    terms.update_state(0.0, [4.0], 0.0, 10.0)
    assert terms.result()["labeled_loss"] == 0

    terms.reset_state()
    assert terms.result()["unlabeled_loss"] == 0

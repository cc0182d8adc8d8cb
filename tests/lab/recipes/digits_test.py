from tf_pseudolabel.lab.recipes.digits import DIGITS_CONV


def test_needs_nothing_but_what_is_installed():
    assert DIGITS_CONV.dataset == "digits"
    assert DIGITS_CONV.data_dir is None
    assert DIGITS_CONV.labeled_dir is None


def test_both_arms_with_few_labels():
    assert DIGITS_CONV.baseline
    assert 10 <= DIGITS_CONV.num_labeled <= 100


def test_alpha_rises_and_arrives_before_the_end():
    assert 0 < DIGITS_CONV.t1 < DIGITS_CONV.t2 < DIGITS_CONV.epochs
    assert DIGITS_CONV.alpha_f > 0


def test_batches_fit_the_data():
    assert DIGITS_CONV.labeled_batch <= DIGITS_CONV.num_labeled
    left = 1297 - DIGITS_CONV.num_labeled - DIGITS_CONV.num_validation
    assert DIGITS_CONV.unlabeled_batch <= left

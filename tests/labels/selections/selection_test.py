import pytest

import tf_pseudolabel as tpl
from tf_pseudolabel.labels.selections import Selection


@pytest.mark.parametrize("kind", [tpl.Threshold, tpl.TopShare, Selection])
def test_unknown_mean_is_refused(kind):
    with pytest.raises(
        ValueError, match=r"is one of all, accepted; got 'half'"
    ):
        kind(mean="half")


def test_a_selection_must_say_which_rows_count():
    class Empty(Selection):
        pass

    with pytest.raises(TypeError, match=r"Empty must define row_weights\("):
        Empty().row_weights(None, None)


def test_the_mean_is_written_down():
    assert Selection("accepted").get_config() == {"mean": "accepted"}

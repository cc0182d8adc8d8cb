import pytest

from tf_pseudolabel.labels.targets import Hard, Sharpened, Soft, Target


def test_a_target_must_say_what_it_makes():
    class Empty(Target):
        pass

    with pytest.raises(TypeError, match=r"Empty must define labels\("):
        Empty().labels(None, None)


def test_which_ones_class_ids_can_hold():
    """One's own is taken for a distribution unless it says otherwise."""
    assert not Hard.distributions
    assert Soft.distributions
    assert Sharpened.distributions
    assert Target.distributions

"""The one flag that holds a height and a width."""

import re

from tf_pseudolabel.lab.errors import InputError


def one_form(size):
    """Brings a size into the form that recipes hold.

    Args:
        size: None, an int, or a string such as "96,128".

    Returns:
        None, an int if it is square, else a string.

    Raises:
        InputError: If it is no size.
    """
    if size is None:
        return None
    if not re.fullmatch(r"-?[0-9]+(,-?[0-9]+)?", str(size)):
        raise InputError(
            "image_size is a number, or height and width as 96,128; got "
            f"{size!r}."
        )
    sides = [int(side) for side in str(size).split(",")]
    if min(sides) < 1:
        raise InputError(f"image_size must be at least 1; got {size}.")
    return sides[0] if sides[0] == sides[-1] else f"{sides[0]},{sides[1]}"


def size_of(recipe):
    """Returns the height and the width that images are resized to.

    Args:
        recipe: A `Recipe`.

    Returns:
        A pair of ints; None: they stay as they are.
    """
    if recipe.image_size is None:
        return None
    sides = [int(side) for side in str(recipe.image_size).split(",")]
    return (sides[0], sides[-1])

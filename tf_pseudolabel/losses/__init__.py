"""Losses, one file each, with the paper they come from."""

from tf_pseudolabel.losses.summed_binary_crossentropy import (
    SummedBinaryCrossentropy,
)

__all__ = ["SummedBinaryCrossentropy"]

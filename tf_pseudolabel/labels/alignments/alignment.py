"""What is corrected in the teacher's probabilities."""

from tf_pseudolabel.part import Part


class Alignment(Part):
    """Corrects probabilities before rows are selected and targets are made."""

    # An alignment of classes would take all yes and no for two of them; one
    # that means every question on its own says so.
    fits_multi_label = False

    def probabilities(self, context, probabilities):
        """Aligns an update's probabilities.

        State that is to be moved before it is used is moved here; after use, in
        `after_update`.

        Args:
            context: The update's `Context`.
            probabilities: Float32 tensor `(batch, ..., classes)`.

        Returns:
            A float32 tensor like it. Defaults to `align` of it.
        """
        return self.align(probabilities)

    def align(self, probabilities):
        """Aligns probabilities outside of an update, by the state as it is.

        Args:
            probabilities: Float32 tensor `(batch, ..., classes)`.

        Returns:
            A float32 tensor like it.
        """
        return probabilities

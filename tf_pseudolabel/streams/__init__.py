"""Two streams become the one that `fit` iterates over.

`merging` and `alternating` pair batches; `arrays` makes them of arrays (which
`array_inputs` and `array_labels` read), and `partially_labeled` takes a dataset
apart, where some labels are unknown; `checks` refuses what cannot be meant
before anything is drawn; `border` brings what is drawn into one form.
"""

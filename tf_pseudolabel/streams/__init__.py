"""Two streams become the one that `fit` iterates over.

`merging` and `alternating` pair batches; `checks` refuses what cannot be meant
before anything is drawn; `border` brings what is drawn into one form.
"""

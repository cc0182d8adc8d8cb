"""Labels for any amount of rows, by Apache Beam.

`scoring` asks a model for every chunk and writes a shard of scores for each
(`shards`); what stands already is not asked again. `keeping` says how many of
the surest rows of each class stay, `ranking` where these end, `rows` which they
are, and `writing` writes them. `job` is all of it; `runner` runs pipelines.
"""

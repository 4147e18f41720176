"""Compute features of images and store them: each image is decoded once and each row computed once.

Bottom-up: `dataset`, `backbone` and `code_digest` check what plugins return; `geometry` says which
pixels a network sees, and `feature_set` which features are stored; `decoding` and `writer` run beside
the networks on threads; `passes`, `estimate`, `ready_networks` and `preparation` find out what there is
to do; `row_independence` checks third-party backbones. `network_calls` asks networks about decoded
images: for predictions in memory, and for `blocks`, which is the half of an extraction that turns images
into features. `in_this_process` and `on_workers` are two ways to get blocks; `compute`, the other half,
writes them to files, for `extract`. `boxes` are what networks look at. `recompute` verifies stored rows,
and `overlay` shows what was seen.
"""

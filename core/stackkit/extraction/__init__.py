"""Compute features of images and store them: each image is decoded once and each row computed once.

Bottom-up: `dataset`, `backbone` and `code_digest` check what plugins return; `geometry` says which
pixels a network sees, and `feature_set` which features are stored; `decoding` and `writer` run beside
the networks on threads; `passes`, `estimate` and `preparation` find out what there is to do;
`row_independence` checks third-party backbones; `network_calls` asks networks about decoded images, for
`compute`, which does the work for `extract`, and for predictions in memory; `boxes` are what networks
look at. `recompute` verifies stored rows, and `overlay` shows what was seen.
"""

"""Compute features of images and store them: each image is decoded once and each row computed once.

Bottom-up: `dataset` and `backbone` check what plugins return; `decoding` and `writer` run beside the
networks on threads; `estimate` and `preparation` find out what there is to do; `row_independence` checks
third-party backbones; `extract` does the work, and `recompute` verifies stored rows.
"""

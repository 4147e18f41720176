"""Turn images into stored features: each image is decoded once and each row computed once.

Bottom-up: `dataset` and `backbone` check what plugins return; `decoding` and `writer` overlap with the
networks; `estimate` and `preparation` say beforehand what an extraction takes; `extract` does the work.
"""

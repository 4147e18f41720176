"""Image files on disk and in object storage, for datasets that take `root=` as a folder or as a URL.

A place is a `pathlib.Path`, or a `RemotePath` for what a URL names. fsspec and its packages are imported
only for URLs.
"""

"""Gather what a report shows besides figures: images, confused classes, a map of the features, an audit.

`gathering` does it all and returns an `Evidence`; every other module provides one part of it.
"""

"""Helpers without knowledge of the domain: files, interrupts, streams, versions, retention."""

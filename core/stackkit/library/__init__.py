"""stackkit as a Python library: what `import stackkit` offers.

`stackkit/__init__.py` imports from here when a name is first used, so that `import stackkit` is light.
"""

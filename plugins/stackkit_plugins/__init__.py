"""stackkit's built-in plugins: one package each, registered through entry points like any other.

`shared` is not a plugin; it holds code that several of them use.
"""

"""stackkit as a Python library: what `import stackkit` offers."""

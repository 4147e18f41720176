"""Run fits on the workers of an executor, with the same result as in this process.

Bottom-up: `components` refers to components of plugins, `stored_features` to features in files, and
`shared` to arrays that a worker gets once; `parcel` packs a fit with such references. `task` is what a
worker does with it, and `pool` hands fits to workers and takes their results.
"""

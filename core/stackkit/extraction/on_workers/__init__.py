"""Compute features on the workers of an executor: in other processes, or on other machines.

Bottom-up: `job` is what a worker is told, and `worker_versions` what it must have; `session` is a
worker's side: it keeps the dataset and the networks between tasks. `fingerprints` and `preflight` ask
workers before anything is computed; `task_size` decides how many images a task has; `computer` hands out
tasks and yields the blocks that come back. The process that runs it opens the feature files alone.
"""

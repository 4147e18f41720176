"""Carry out tasks on the workers of an executor: in this process, on all cores, or on a cluster.

Bottom-up: `opening` makes the executor that a run names; `tasks` keeps its workers busy with a limited
number of tasks, gives a task that failed to another worker, and finds by halving what ends workers.
"""

"""Faster solvers for scikit-learn's linear problems with many classes, with a proof of convergence."""

from stackkit_plugins.shared.linear_solvers.logistic import BatchedLogisticRegression
from stackkit_plugins.shared.linear_solvers.path import LogisticPath

__all__ = ["BatchedLogisticRegression", "LogisticPath"]

"""scikit-learn's linear problems of many classes, solved faster and to a proven optimum."""

from stackkit_plugins.linear_solvers.logistic import BatchedLogisticRegression

__all__ = ["BatchedLogisticRegression"]

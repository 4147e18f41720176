"""Source code of a sound toy of each kind; a test overrides what it needs to be faulty."""

OFFERS = {
    "backbone": {"options": "(Option(name='seed', default=0, help='of the weights'),)"},
    "dataset": {"options": "(Option(name='root', default=None, type=str, help='the folder'),)"},
    "learner": {"options": "(Option(name='seed', default=0, help='of the shuffle'),)"},
    "aggregator": {},
    "executor": {},
}

BACKBONE = """
    import numpy as np
    from stackkit.api import Readiness

    class Sound:
        image_size, feature_dim, trained = 8, 4, False

        def __init__(self, *, seed):
            self.seed, self.revision = seed, f"toy-seed{seed}"
            self.weights = np.random.default_rng(seed).normal(size=(8 * 8 * 3, 4)).astype(np.float32)

        def extract(self, images):
            pixels = images.reshape(len(images), -1).astype(np.float32) / 255
            return pixels @ self.weights

        def prepare(self, probe, tell):
            return Readiness(settings={"engine": "toy"}, batch_size=8)
"""

DATASET = """
    from pathlib import Path
    from stackkit.api import DatasetError, Sample, UsageError, file_fingerprint, read_image

    class Sound:
        classes, notes = ("cat", "dog"), ()

        def __init__(self, *, root):
            if root is None:
                raise UsageError("root= is required")
            self.root = Path(root)
            if not self.root.is_dir():
                raise DatasetError(f"{root} not found; pass root=FOLDER")
            self.files = sorted(self.root.rglob("*.png"))
            self.samples = [self.sample(i, file) for i, file in enumerate(self.files)]

        def sample(self, i, file):
            words = "test" if i % 2 else "train"
            name = file.relative_to(self.root).as_posix()
            return Sample(id=name, label=self.classes.index(file.parent.name), split=words)

        def image(self, i):
            return read_image(self.files[i])

        def fingerprint(self, i):
            return file_fingerprint(self.files[i])
"""

LEARNER = """
    import numpy as np
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import NotFittedError

    class Sound(ClassifierMixin, BaseEstimator):
        def __init__(self, *, seed=0):
            self.seed = seed

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            self.means_ = np.stack([X[y == label].mean(axis=0) for label in self.classes_])
            return self

        def predict_proba(self, X):
            if not hasattr(self, "means_"):
                raise NotFittedError("call fit first")
            scores = -((X[:, None] - self.means_) ** 2).sum(axis=2) / 10
            shares = np.exp(scores - scores.max(axis=1, keepdims=True))
            return shares / shares.sum(axis=1, keepdims=True)

        def predict(self, X):
            columns = Sound.predict_proba(self, X).argmax(axis=1)
            return self.classes_[columns]
"""

AGGREGATOR = """
    import numpy as np

    class Sound:
        fit_on = "out-of-fold"

        def __init__(self):
            self.names = None

        def fit(self, inputs, labels):
            # The label that goes with each column, so that there is something to forget.
            columns = inputs.mean(axis=0).argmax(axis=1)
            self.names = np.array([
                np.bincount(labels[columns == column], minlength=1).argmax() if (columns == column).any()
                else column
                for column in range(inputs.shape[2])
            ])
            return self

        def predict(self, inputs):
            if self.names is None:
                raise ValueError("call fit first")
            return self.names[inputs.mean(axis=0).argmax(axis=1)]
"""

STATE = {
    "learner": """
        import numpy as np
        from stackkit.api import State

        def state_of(fitted):
            return State(arrays={"classes": fitted.classes_, "means": fitted.means_})

        def restore(state, *, seed):
            made = Made(seed=seed)
            made.classes_, made.means_ = state.arrays["classes"], state.arrays["means"]
            return made

        def onnx_of(nodes, state, X, *, n_classes, seed):
            rows = nodes.add("Unsqueeze", nodes.cast(X, np.float64), np.array([1]))
            gaps = nodes.add("Sub", rows, state.arrays["means"].astype(np.float64))
            squares = nodes.add("ReduceSum", nodes.add("Mul", gaps, gaps), np.array([2]), keepdims=0)
            shares = nodes.add("Softmax", nodes.add("Div", squares, np.array(-10.0)), axis=1)
            return nodes.in_columns(shares, state.arrays["classes"].tolist(), n_classes)
    """,
    "aggregator": """
        import numpy as np
        from stackkit.api import State

        def state_of(fitted):
            return State(arrays={"names": fitted.names})

        def restore(state):
            made = Made()
            made.names = state.arrays["names"]
            return made
    """,
}
"""Functions that save and restore `Made`, a subclass of `Sound`."""

ONNX_FIELD = {"onnx": "'toy_work:onnx_of'"}

STATE_FIELDS = {"state": "'toy_work:state_of'", "restore": "'toy_work:restore'"}

EXECUTOR = """
    from concurrent.futures import Future
    from stackkit.testing import worker_tasks as tasks
    from stackkit_plugins.processes.executor import ProcessesExecutor

    class Sound(ProcessesExecutor):
        def __init__(self):
            super().__init__(workers=2)

    def after(future, change):
        changed = Future()

        def finish(done):
            try:
                changed.set_result(change(done))
            except Exception as error:
                changed.set_exception(error)

        future.add_done_callback(finish)
        return changed
"""

FACTORIES = {
    "backbone": BACKBONE,
    "dataset": DATASET,
    "learner": LEARNER,
    "aggregator": AGGREGATOR,
    "executor": EXECUTOR,
}

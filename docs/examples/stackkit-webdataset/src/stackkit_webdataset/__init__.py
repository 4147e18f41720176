"""Declare the dataset `webdataset`; dataset.py implements it with four other modules."""

from stackkit.api import DatasetSpec, Option, hookimpl, limit_option


@hookimpl
def stackkit_datasets() -> list[DatasetSpec]:
    """Return the dataset `webdataset`."""
    return [
        DatasetSpec(
            name="webdataset",
            summary="images in tar shards (key.jpg beside key.cls or key.json), read in place",
            factory="stackkit_webdataset.dataset:webdataset",
            options=(
                Option(
                    name="root",
                    default=None,
                    type=str,
                    help="folder of shards, one shard, or a pattern with {000..009}, * or ? (required)",
                ),
                Option(
                    name="label",
                    default="cls",
                    help="ending of the members with labels, or json.KEY",
                ),
                Option(
                    name="image",
                    default=None,
                    type=str,
                    help="ending of the images, for example left.png; default: any image format",
                ),
                Option(
                    name="classes",
                    default=None,
                    type=str,
                    help="text file with one class name per line; label 0 is the first",
                ),
                limit_option(),
            ),
        )
    ]

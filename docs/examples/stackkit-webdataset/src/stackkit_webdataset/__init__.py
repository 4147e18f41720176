"""Tell stackkit of the dataset `webdataset`; dataset.py, the top of four modules, does the work."""

from stackkit.api import DatasetSpec, Option, hookimpl, limit_option


@hookimpl
def stackkit_datasets() -> list[DatasetSpec]:
    """Offer `webdataset`."""
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
                    help="a folder of shards, a shard, or a pattern with {000..009}, * or ? (required)",
                ),
                Option(
                    name="label",
                    default="cls",
                    help="the ending of the members that hold the label, or json.KEY",
                ),
                Option(
                    name="image",
                    default=None,
                    type=str,
                    help="the ending of the images, such as left.png; by default any image format",
                ),
                Option(
                    name="classes",
                    default=None,
                    type=str,
                    help="a text file with a class name per line: label 0 is the first",
                ),
                limit_option(),
            ),
        )
    ]

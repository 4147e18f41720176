"""Tell stackkit of the dataset `manifest`; the work stands in dataset.py and table.py."""

from stackkit.api import DatasetSpec, Option, hookimpl, limit_option


@hookimpl
def stackkit_datasets() -> list[DatasetSpec]:
    """Offer `manifest`."""
    return [
        DatasetSpec(
            name="manifest",
            summary="images that a CSV table lists: path, label and, if you like, split and box",
            factory="stackkit_manifest.dataset:manifest",
            options=(
                Option(name="file", default=None, type=str, help="the table, CSV or TSV (required)"),
                Option(
                    name="root",
                    default=None,
                    type=str,
                    help="the folder that paths start from; by default the table's own",
                ),
                Option(name="crop", default=False, help="whether to cut every image to its box"),
                limit_option(),
            ),
        )
    ]

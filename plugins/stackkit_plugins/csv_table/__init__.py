"""Dataset: images that a table lists, one image a line, in CSV or Parquet."""

from stackkit.api import (
    DatasetSpec,
    Option,
    hookimpl,
    limit_option,
    min_per_class_option,
    pixel_options,
)


@hookimpl
def stackkit_datasets() -> list[DatasetSpec]:
    """Offer `csv`."""
    return [
        DatasetSpec(
            name="csv",
            summary="your images, listed in a CSV or Parquet file: path, label, split, group, box",
            factory="stackkit_plugins.csv_table.dataset:csv_dataset",
            options=(
                Option(
                    name="file",
                    default=None,
                    type=str,
                    help="CSV or Parquet file or URL (required)",
                ),
                Option(
                    name="root",
                    default=None,
                    type=str,
                    help="folder or URL that paths are relative to; default: the folder of the table",
                ),
                Option(name="encoding", default="utf-8", help="encoding of a CSV file, such as cp1252"),
                Option(name="crop", default=False, help="crop every image to its box"),
                min_per_class_option(),
                limit_option(),
                *pixel_options(),
            ),
        )
    ]

"""`stackkit fetch`: download a dataset into stackkit's folder for datasets."""

from __future__ import annotations

from stackkit.cli import options
from stackkit.cli.host import the_host
from stackkit.cli.output import stdout_set_aside
from stackkit.utils.console import say


def fetch(dataset: options.Dataset, progress: options.Progress = "auto") -> None:
    """Download, verify and unpack a dataset.

    An interrupted download resumes.

    Try: stackkit fetch --dataset cub200
    """
    from stackkit.cli.progress import progress as reporting
    from stackkit.host.registry import Registry

    choice = Registry(host=the_host()).one("dataset", dataset)
    with stdout_set_aside(), reporting(progress) as reporter:
        for remark in choice.remarks:
            reporter.message(f"deprecated  {choice.text}: {remark}")
        folder = choice.fetch(reporter=reporter)
    say(f"{choice.name}: {folder}")

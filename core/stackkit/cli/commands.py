"""The commands of the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stackkit.cli import (
    audit,
    check_plugin,
    compare,
    doctor,
    evaluate,
    explain,
    export,
    extract,
    features,
    fetch,
    fits,
    list_plugins,
    new_plugin,
    predict,
    recipes,
    report,
    run,
    runs,
    serve,
    show,
    suggest,
    train,
)
from stackkit.cli.click_commands import Command, SectionedCommand

COMMANDS: Mapping[str, tuple[Callable[..., None], type[Command]]] = {
    "run": (run.run, SectionedCommand),
    "train": (train.train, SectionedCommand),
    "extract": (extract.extract, SectionedCommand),
    "evaluate": (evaluate.evaluate, SectionedCommand),
    "report": (report.report, Command),
    "predict": (predict.predict, SectionedCommand),
    "export": (export.export, SectionedCommand),
    "explain": (explain.explain, SectionedCommand),
    "compare": (compare.compare, Command),
    "audit": (audit.audit, SectionedCommand),
    "recipes": (recipes.recipes, Command),
    "suggest": (suggest.suggest, SectionedCommand),
    "serve": (serve.serve, SectionedCommand),
    "show": (show.show, Command),
    "fetch": (fetch.fetch, Command),
    "list-plugins": (list_plugins.list_plugins, Command),
    "new-plugin": (new_plugin.new_plugin, Command),
    "doctor": (doctor.doctor, Command),
    "check-plugin": (check_plugin.check_plugin, Command),
}
"""The commands in the order of the help."""

GROUPS: Mapping[str, tuple[str, Mapping[str, Callable[..., None]]]] = {
    "features": (
        "List, show, verify, delete and export stored features.",
        {
            "ls": features.ls,
            "show": features.show,
            "verify": features.verify,
            "gc": features.gc,
            "export": features.export,
        },
    ),
    "fits": ("List and delete cached fits.", {"ls": fits.ls, "gc": fits.gc}),
    "runs": ("List and delete records of runs.", {"ls": runs.ls, "gc": runs.gc}),
}
"""Commands with commands of their own, each with a summary."""

AFTER_CTRL_C = {
    report.report: "; run the same command again to make the report",
    predict.predict: "; with --resume FILE or --sort-into DIR, the same command goes on from there",
    **dict.fromkeys(
        (
            run.run,
            train.train,
            extract.extract,
            evaluate.evaluate,
            audit.audit,
            suggest.suggest,
            fetch.fetch,
        ),
        "; everything finished so far is kept; run the same command again to resume",
    ),
}
"""What the user should know about the commands that can go on where they stopped."""

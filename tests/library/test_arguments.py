"""`stackkit.run` and its siblings take what the commands take, and refuse what these refuse."""

import inspect
from typing import Any

import numpy as np
import pytest

import stackkit
from stackkit.api.errors import UsageError
from stackkit.cli import audit as cli_audit
from stackkit.cli import run as cli_run
from stackkit.cli import train as cli_train
from stackkit.cli.recipe_options import parse_recipe
from stackkit.library.arguments import AuditOptions, RecipeOptions, recipe_of


@pytest.mark.parametrize(
    ("command", "function"), [(cli_run.run, stackkit.run), (cli_train.train, stackkit.train)]
)
def test_python_takes_every_option_of_the_command(command: Any, function: Any) -> None:
    on_command_line = {*inspect.signature(command).parameters}
    in_python = {*inspect.signature(function).parameters, *RecipeOptions.__annotations__}
    of_the_terminal = {"update", "dry_run", "progress", "as_json", "as_csv"}
    assert on_command_line - of_the_terminal == in_python - {"reporter", "options"}


def test_python_takes_every_option_of_an_audit_and_no_other() -> None:
    on_command_line = {*inspect.signature(cli_audit.audit).parameters}
    of_the_output = {"out", "overwrite", "top", "progress", "as_json", "as_csv"}
    assert on_command_line - of_the_output == {"dataset", *AuditOptions.__annotations__}
    with pytest.raises(UsageError, match="unknown argument 'aggregator'; allowed: dataset, reporter"):
        stackkit.audit_dataset("mnist", aggregator="soft-vote")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ({"backbones": "a,b", "learner": ["c", "d"]}, {"backbones": ["a,b"], "learner": ["c", "d"]}),
        ({"baseline": [], "cv": np.int64(4)}, {"baseline": ["none"], "cv": 4}),
        ({"split": "official", "seed": 3}, {"split": "official", "seed": 3}),
        ({"holdout": np.float32(0.25), "repeats": 3}, {"holdout": 0.25, "repeats": 3}),
        ({"split": "both", "learning_curve": True}, {"split": "both", "learning_curve": True}),
        ({"recipe": "fast", "jobs": 2, "cv": None}, {"recipe": "fast", "jobs": 2}),
        ({"executor": "dask:address=tcp://h:8786"}, {"executor": "dask:address=tcp://h:8786"}),
    ],
)
def test_arguments_make_the_recipe_of_the_command(given: Any, same: Any) -> None:
    assert recipe_of("mnist", given) == parse_recipe("mnist", **same)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bacbones": "x"}, "unknown argument 'bacbones'; did you mean backbones?"),
        ({"progress": "bars"}, "unknown argument 'progress'; allowed: dataset, out, save, "),
        ({"save_agregator": "x"}, "unknown argument 'save_agregator'; did you mean save_aggregator?"),
        ({"save_aggregator": "concat"}, "save_aggregator needs save, the file of the model"),
        ({"with_examples": True}, "with_examples needs save, the file of the model"),
        ({"executor": 4}, "executor must be the name and options of an executor, such as "),
        ({"executor": "dask", "jobs": 2}, "--jobs 2 is for --executor local; dask fits one"),
        ({"cv": 1}, "--cv must be at least 2, got 1"),
        ({"cv": "3"}, "cv must be a whole number, got '3'"),
        ({"cv": True}, "cv must be a whole number, got True"),
        ({"threads": 0}, "--threads must be at least 1, got 0"),
        ({"shuffle": 1}, "shuffle must be True or False, got 1"),
        ({"split": "train"}, "split must be one of official, both, got 'train'"),
        ({"holdout": "0.2"}, "holdout must be a share between 0 and 1, got '0.2'"),
        ({"holdout": 20}, "--holdout must be a share between 0 and 1, such as 0.2, got 20"),
        ({"learning_curve": 1}, "learning_curve must be True or False, got 1"),
        ({"learner": 3}, "learner must be text or a list of texts, got 3"),
        ({"recipe": "fats"}, "unknown recipe 'fats'; did you mean fast?"),
        ({"recipe": 3}, "recipe must be the name or the path of a recipe, got 3"),
        ({"repeats": 2}, "--repeats 2 would repeat the same folds; add --shuffle"),
        ({"feature_dtype": "float64"}, "feature_dtype must be one of float32, float16, got 'float64'"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_line_before_anything_is_computed(
    given: Any, message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        stackkit.run("mnist", **given)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)

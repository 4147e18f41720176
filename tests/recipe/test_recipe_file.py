"""Recipes in TOML files: what they may hold, what is refused and how, and what wins over them."""

import shlex
from pathlib import Path

import pytest

from stackkit.api.errors import UsageError
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.recipe import (
    FOLDS,
    Recipe,
    Setting,
    changes,
    command,
    compose,
    load_recipe,
    resolve,
    title,
)
from stackkit.recipe.recipe import settings_of
from stackkit.recipe.recipe_file import CHECKS, FOLDER, RecipeFile, names


def written(folder: Path, text: str) -> RecipeFile:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(str(path))


def test_the_published_recipe_is_what_a_recipe_is_by_default() -> None:
    published = compose(load_recipe("published"), "mnist", {})
    assert settings_of(published) == settings_of(Recipe(dataset="mnist"))


def test_every_file_beside_the_code_is_a_named_recipe_and_says_what_it_does_and_costs() -> None:
    assert sorted(names()) == sorted(path.stem for path in FOLDER.glob("*.toml"))
    for name in names():
        assert (load_recipe(name).summary, load_recipe(name).cost) != ("", "")


def test_the_components_of_every_named_recipe_exist_with_these_options() -> None:
    registry = Registry(host=load_host())
    for name in names():
        resolved = resolve(compose(load_recipe(name), "mnist", {}), registry)
        assert len(resolved.backbones) >= len(load_recipe(name).settings["backbones"])
        assert resolved.aggregators


REFUSED = {
    "backbone = ['vgg19']": "unknown key 'backbone'; did you mean backbones?",
    "dataset = 'mnist'": "unknown key 'dataset'; give it on the command line, with --dataset",
    "zzz = 1": "unknown key 'zzz'; allowed: summary, cost, backbones, learners, ",
    "backbones = 'a'": "backbones must be a list of texts such as [\"resnet50:size=320\"], got 'a'",
    "backbones = []": 'such as ["resnet50:size=320"] with at least 1, got []',
    "learners = ['lda', 7]": 'learners[1] must be text such as "logistic:C=10", got 7',
    "cv = 1": "cv must be a whole number of at least 2, got 1",
    "cv = true": "cv must be a whole number of at least 2, got true",
    "seed = -1": "seed must be a whole number from 0 to 4294967295, got -1",
    "refit = 'no'": "refit must be true or false, got 'no'",
    "split = 'train'": 'split must be "official" or "both", got \'train\'',
    "summary = 3": "summary must be text on one line, got 3",
    "repeats = 3": "repeats = 3 would repeat the same folds; add shuffle = true",
    "holdout = 20": "holdout must be a share between 0 and 1, such as 0.2, got 20",
    "holdout = 1.0": "holdout must be a share between 0 and 1, such as 0.2, got 1.0",
    "holdout = 0.2\ncv = 5": "holdout = 0.2 cannot be combined with cv; choose one protocol",
    "holdout = 0.2\nsplit = 'both'": 'split = "both" cannot be combined with holdout; choose one',
    "split = 'official'\ncv = 5": 'split = "official" cannot be combined with cv; choose one protocol',
    "cv = ": "is not valid TOML: ",
}


def test_a_file_is_refused_in_words_that_name_file_key_value_and_what_is_allowed(
    tmp_path: Path,
) -> None:
    for text, message in REFUSED.items():
        with pytest.raises(UsageError) as refusal:
            written(tmp_path, text)
        assert message in str(refusal.value)
        assert str(tmp_path / "mine.toml") in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_a_recipe_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for name, message in {
        "recomended": "unknown recipe 'recomended'; did you mean recommended?",
        "zzz": "unknown recipe 'zzz'; available: fast, recommended, max, published.",
        str(tmp_path / "none.toml"): "none.toml cannot be read: No such file or directory",
        f"{tmp_path}/": "cannot be read: Is a directory",
    }.items():
        with pytest.raises(UsageError) as refusal:
            load_recipe(name)
        assert message in str(refusal.value)
    (tmp_path / "latin.toml").write_bytes(b"summary = '\xe9'")
    with pytest.raises(UsageError, match="is not a text file in UTF-8"):
        load_recipe(str(tmp_path / "latin.toml"))


def test_a_component_that_is_not_there_is_refused_with_file_and_key(tmp_path: Path) -> None:
    registry = Registry(host=load_host())
    file = written(tmp_path, "backbones = ['resnet50:pool=avg']\naggregators = ['soft-vot']")
    with pytest.raises(UsageError) as refusal:
        resolve(compose(file, "mnist", {}), registry)
    assert f"{tmp_path / 'mine.toml'}: backbones: resnet50 has no option 'pool'" in str(refusal.value)
    with pytest.raises(UsageError, match=r"mine\.toml: aggregators: unknown aggregator 'soft-vot'"):
        resolve(compose(file, "mnist", {"backbones": ("vgg19",)}), registry)
    with pytest.raises(UsageError, match=r"^unknown backbone 'vgg99'"):
        resolve(compose(file, "mnist", {"backbones": ("vgg99",)}), registry)


class TestWhatIsGivenWins:
    FOLDS = "cv = 5\nshuffle = true\nrepeats = 2\ninner_cv = 4\nbackbones = ['vgg16']"

    def test_over_the_file(self, tmp_path: Path) -> None:
        file = written(tmp_path, self.FOLDS)
        recipe = compose(file, "mnist", {"cv": 2, "backbones": ("vgg19", "resnet50")})
        assert (recipe.cv, recipe.repeats, recipe.inner_cv) == (2, 2, 4)
        assert recipe.backbones == ("vgg19", "resnet50")
        assert changes(recipe) == {"cv": 2, "backbones": ("vgg19", "resnet50")}
        assert title(recipe) == f"{file.name}, but with other backbones, cv"

    def test_a_split_replaces_folds_and_folds_a_split(self, tmp_path: Path) -> None:
        recipe = compose(written(tmp_path, self.FOLDS), "mnist", {"split": "official"})
        assert (recipe.official, recipe.shuffle, recipe.repeats) == (True, False, 1)
        recipe = compose(written(tmp_path, "split = 'official'"), "mnist", {"cv": 4})
        assert (recipe.official, recipe.cv) == (False, 4)
        recipe = compose(written(tmp_path, "split = 'official'"), "mnist", {"shuffle": False})
        assert recipe.official, "there is nothing to shuffle"

    def test_a_hold_out_replaces_folds_and_splits_and_keeps_repeats(self, tmp_path: Path) -> None:
        file = written(tmp_path, self.FOLDS)
        recipe = compose(file, "mnist", {"holdout": 0.2})
        assert (recipe.holdout, recipe.shuffle, recipe.cv) == (0.2, False, FOLDS)
        assert recipe.repeats == compose(file, "mnist", {}).repeats > 1
        recipe = compose(written(tmp_path, "split = 'official'"), "mnist", {"holdout": 0.2})
        assert (recipe.split, recipe.holdout) == ("", 0.2)
        drawn = written(tmp_path, "holdout = 0.2\nrepeats = 3")
        assert compose(drawn, "mnist", {"repeats": 2}).holdout == 0.2
        for given in OTHER_PROTOCOLS:
            assert compose(drawn, "mnist", given).holdout == 0, given

    def test_both_protocols_keep_folds(self, tmp_path: Path) -> None:
        recipe = compose(written(tmp_path, self.FOLDS), "mnist", {"split": "both"})
        folds, official = recipe.protocols
        assert (folds.split, folds.cv, folds.shuffle) == ("", recipe.cv, True)
        assert (official.split, official.shuffle, official.repeats) == ("official", False, 1)
        both = written(tmp_path, "split = 'both'\ncv = 4")
        assert compose(both, "mnist", {"cv": 5}).split == "both"

    def test_what_equals_the_file_is_no_change(self, tmp_path: Path) -> None:
        assert changes(compose(written(tmp_path, self.FOLDS), "mnist", {"cv": 5})) == {}


OTHER_PROTOCOLS: list[dict[str, Setting]] = [
    {"cv": 4},
    {"split": "official"},
    {"split": "both"},
    {"shuffle": True},
]
OTHER_RECIPES: list[tuple[str, dict[str, Setting]]] = [
    ("split = 'official'", {}),
    (
        "split = 'official'",
        {"backbones": ("resnet50:size=96", "vgg19"), "learners": ("logistic:C=10",), "baselines": ()},
    ),
    ("split = 'official'", {"cv": 3, "seed": 7, "refit": True}),
    (
        "split = 'official'",
        {"shuffle": True, "repeats": 4, "group_duplicates": True, "aggregators": ("concat",)},
    ),
    ("split = 'official'", {"strict": True}),
    ("split = 'official'", {"holdout": 0.25, "repeats": 3}),
    ("split = 'official'", {"split": "both", "learning_curve": True}),
    ("cv = 5\nshuffle = true\nseed = 7", {"split": "official", "seed": 0}),
    ("cv = 5\nshuffle = true\nrepeats = 2", {"holdout": 0.2}),
    ("cv = 5\nshuffle = true\nrepeats = 2", {"split": "both"}),
    ("holdout = 0.1\nrepeats = 2\nlearning_curve = true", {"shuffle": True, "learning_curve": False}),
    ("holdout = 0.1", {"split": "official"}),
    ("split = 'both'", {"cv": 4}),
]
"""Recipes in a file, with settings that replace their own."""


def test_the_command_of_a_recipe_gives_the_same_recipe_again(tmp_path: Path) -> None:
    from stackkit.cli.main import _app

    for text, given in OTHER_RECIPES:
        file = written(tmp_path, f"{text}\nrefit = false\nbaselines = ['lda']")
        recipe = compose(file, "image-folder:root=my birds", given)
        name, *words = shlex.split(command(recipe))[1:]
        root = _app()
        context = root.make_context("stackkit", [name, *words])
        parsed = root.get_command(context, name).make_context(name, words, parent=context).params
        assert settings_of(parsed_recipe(parsed)) == settings_of(recipe)
    assert command(compose(load_recipe("published"), "mnist", {})) == "stackkit run --dataset mnist"


def parsed_recipe(parsed: dict[str, object]) -> Recipe:
    import inspect

    from stackkit.cli.recipe_options import parse_recipe

    names = inspect.signature(parse_recipe).parameters
    recipe = parse_recipe(**{name: parsed[name] for name in names})
    joined = {
        key: tuple(part for text in value for part in text.split(","))
        for key, value in settings_of(recipe).items()
        if isinstance(value, tuple)
    }
    return compose(recipe.file, recipe.dataset, {**changes(recipe), **joined})


def test_the_keys_of_a_file_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/recipes.md").read_text(encoding="utf-8")
    assert [key for key in CHECKS if f"`{key}`" not in page] == []

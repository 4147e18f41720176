"""Shell completion, by the environment variables with which shells ask for it."""

import pytest
from support.commands import Command
from support.installing import Site

from stackkit.cli.main import _app


@pytest.fixture
def completed(stackkit: Command, monkeypatch: pytest.MonkeyPatch):
    def ask(words: str) -> list[str]:
        monkeypatch.setenv("_STACKKIT_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", f"stackkit {words}")
        monkeypatch.setenv("COMP_CWORD", str(len(words.split(" "))))
        outcome = stackkit()
        assert (outcome.code, outcome.err) == (0, "")
        return outcome.out.split()

    return ask


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("run --learner lo", ["logistic", "logistic-ovr"]),
        ("fetch --dataset cub", ["cub200"]),
        ("evaluate --aggregator soft-vote,geo", ["soft-vote,geometric-vote"]),
        ("extract --dataset image-folder:ro", ["image-folder:root="]),
        (
            "run --backbones vgg19,resnet50:poo",
            [
                f"vgg19,resnet50:pooling={value}"
                for value in ("", "avg", "max", "gem", "second-order", "box")
            ],
        ),
        ("run --backbones resnet50:size=64,pooling=m", ["resnet50:size=64,pooling=max"]),
        ("extract --dataset cub200:root=s3://birds/x,lim", ["cub200:root=s3://birds/x,limit="]),
        ("run --baseline no-such", []),
        ("list-p", ["list-plugins"]),
    ],
)
def test_components_and_options_are_completed(completed, words: str, expected: list[str]) -> None:
    assert completed(words) == expected


def test_a_broken_or_noisy_plugin_does_not_disturb(
    completed, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("noisy", "raise RuntimeError('broken')")
    assert completed("run --learner lo") == ["logistic", "logistic-ovr"]
    monkeypatch.setenv("STACKKIT_STRICT", "1")
    assert completed("run --learner lo") == []


def test_without_a_home_directory_completion_says_how_to_go_on(
    stackkit: Command, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    _app.cache_clear()  # Typer reads the variable when the commands are built
    outcome = stackkit("--install-completion", "bash")
    _app.cache_clear()
    assert outcome.code == 1
    assert "--show-completion prints what to install yourself" in outcome.error

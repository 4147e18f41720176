"""The docs site builds in strict mode, is complete, and loads nothing from other servers."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.pages import DOCS, REPOSITORY, site_pages

pytestmark = pytest.mark.skipif(
    find_spec("properdocs") is None, reason="properdocs, of the extra docs, is not installed"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built in strict mode."""
    folder = tmp_path_factory.mktemp("site")
    command = ["build", "--strict", "-f", "docs/site/properdocs.yml", "-d", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "properdocs", *command],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, str]:
    """The HTML of every page, by its path in the site."""
    return {
        path.relative_to(site).as_posix(): path.read_text(encoding="utf-8")
        for path in site.rglob("index.html")
    }


def test_every_page_is_in_the_site(pages: dict[str, str]) -> None:
    names = [path.relative_to(DOCS).with_suffix("").as_posix() for path in site_pages()]
    expected = {"index.html" if name == "index" else f"{name}/index.html" for name in names}
    expected |= {"HOWTO_PLUGIN/index.html", "CHANGELOG/index.html", "examples/index.html"}
    assert expected <= pages.keys()


def test_no_page_loads_anything_from_another_server(pages: dict[str, str]) -> None:
    loaded = re.compile(r"""<(?:script|img|iframe)[^>]*src=["']?https?:|<link[^>]*href=["']?https?:""")
    assert [name for name, html in pages.items() if loaded.search(html)] == []


def test_every_block_and_list_is_rendered(pages: dict[str, str]) -> None:
    """Python-Markdown needs blank lines before lists and no indented fences; GitHub does not."""
    for name, html in pages.items():
        text = re.sub(r"<pre.*?</pre>", "", html, flags=re.DOTALL)
        assert "```" not in text, name
        assert not re.search(r"<p>[^<]*\n(?:- |\d+\. |\| )", text), name


def test_links_between_pages_work_from_the_guide_outside_docs(pages: dict[str, str]) -> None:
    assert 'href="../how-to/testing/"' in pages["HOWTO_PLUGIN/index.html"]
    assert 'href="../HOWTO_PLUGIN/"' in pages["tutorial/index.html"]

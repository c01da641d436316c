"""The site: it builds strictly, its links lead somewhere, and it asks nobody for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from docs.generate import write_reference
from docs.reference_pages import pages
from tests.support.pages import GENERATED, PAGES, REPOSITORY, WRITTEN, page_id

import whiteout

if TYPE_CHECKING:
    from collections.abc import Iterator

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


# --- the repository's own pages --------------------------------------------------------------


def local_links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in LINK.findall(page.read_text("utf-8")):
            is_generated = (page.parent / target).resolve().parent == GENERATED
            if "://" not in target and not target.startswith("mailto:") and not is_generated:
                yield page, target


@pytest.mark.parametrize(
    ("page", "target"),
    [pytest.param(*link, id=f"{page_id(link[0])}-{link[1]}") for link in local_links()],
)
def test_a_link_leads_to_a_file_and_heading_that_are_there(page: Path, target: str) -> None:
    """As it is read in the repository, without the site."""
    place, _, anchor = target.partition("#")
    file = (page.parent / place) if place else page

    assert file.exists()
    assert not anchor or anchor in headings(file)


def headings(file: Path) -> set[str]:
    """The ids that GitHub gives to the headings."""
    found = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


# A path as the pages write it: below the repository, below the package, or a package of it.
PATH = re.compile(r"`((?:[\w.-]+/)*\w+\.(?:py|md))`")


def mentioned_paths() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for path in sorted(set(PATH.findall(page.read_text("utf-8")))):
            yield page, path


@pytest.mark.parametrize(
    ("page", "path"),
    [pytest.param(*one, id=f"{page_id(one[0])}-{one[1]}") for one in mentioned_paths()],
)
def test_a_file_that_is_spoken_of_is_there(page: Path, path: str) -> None:
    package = Path(whiteout.__file__).parent

    bases = (REPOSITORY, package, *(folder for folder in package.iterdir() if folder.is_dir()))

    assert path in WRITTEN or any((base / path).exists() for base in bases)


# --- the site --------------------------------------------------------------------------------


def build(project: Path) -> subprocess.CompletedProcess[str]:
    """Build strictly what stands in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=project,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def copy_sources(project: Path) -> None:
    """The sources of the site, with the reference as it is now."""
    shutil.copytree(
        REPOSITORY / "docs",
        project / "docs",
        ignore=shutil.ignore_patterns("__pycache__", "reference"),
    )
    shutil.copy(REPOSITORY / "zensical.toml", project)
    write_reference(project / "docs")


class Html(HTMLParser):
    """What a page holds: ids, links, and what a browser would load by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.classes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids.add(values.get("id", ""))
        self.classes |= set(values.get("class", "").split())
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in {"canonical", "next", "prev"}:
            self.loaded.append(values["href"])
        self.loaded += [values[name] for name in ("src", "poster", "data") if name in values]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Html]:
    """The pages of the built site, by path."""
    project = tmp_path_factory.mktemp("project")
    copy_sources(project)
    done = build(project)
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        page: Html(page.read_text("utf-8")) for page in (project / "build/site").rglob("*.html")
    }


def is_elsewhere(url: str) -> bool:
    return bool(urlsplit(url).netloc)


def test_the_site_asks_nobody_for_anything(site: dict[Path, Html]) -> None:
    """Scripts, styles, fonts and pictures are its own."""
    assert [url for page in site.values() for url in page.loaded if is_elsewhere(url)] == []
    folder = next(page for page in site if page.name == "404.html").parent
    styles = "".join(style.read_text("utf-8") for style in folder.rglob("*.css"))
    assert re.findall(r"""(?:url\(|@import)\s*["']?(?:https?:)?//[^)"';]*""", styles) == []


def test_nothing_on_the_site_makes_its_script_load_more(site: dict[Path, Html]) -> None:
    """The theme's script takes renderers from a CDN where a page has something for them."""
    used = set().union(*(page.classes for page in site.values()))

    assert used & {"mermaid", "glightbox", "pyodide", "arithmatex"} == set()
    configuration = tomllib.loads((REPOSITORY / "zensical.toml").read_text("utf-8"))["project"]
    assert "repo_url" not in configuration  # its figures would come from GitHub
    assert configuration["theme"]["font"] is False


def test_code_is_highlighted_when_the_site_is_built(site: dict[Path, Html]) -> None:
    """Not by a script in the reader's browser."""
    index = next(page for path, page in site.items() if path.name == "index.html")

    assert {"language-python", "highlight", "kn"} <= index.classes


def test_each_link_of_the_site_leads_to_a_page_and_an_id_that_are_there(
    site: dict[Path, Html],
) -> None:
    broken = []
    for path, page in site.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            found = site.get(target)
            if found is None or (parts.fragment and unquote(parts.fragment) not in found.ids):
                broken.append((path.name, link))

    assert broken == []


def pages_of(navigation: list[Any]) -> Iterator[str]:
    for entry in navigation:
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from pages_of(value)


def test_each_page_is_in_the_navigation_once() -> None:
    configuration = tomllib.loads((REPOSITORY / "zensical.toml").read_text("utf-8"))
    folder = REPOSITORY / "docs"

    written = {page.relative_to(folder).as_posix() for page in PAGES if folder in page.parents}

    assert sorted(pages_of(configuration["project"]["nav"])) == sorted(written | set(pages()))


@pytest.mark.parametrize("link", ["nowhere.md", "privacy.md#nothing"])
def test_a_broken_link_fails_the_build(tmp_path: Path, link: str) -> None:
    copy_sources(tmp_path)
    page = tmp_path / "docs/pipeline.md"
    page.write_text(page.read_text("utf-8") + f"\n[broken]({link})\n", "utf-8")

    done = build(tmp_path)

    assert done.returncode != 0
    assert "pipeline.md" in done.stdout + done.stderr

"""The documents are true: every snippet runs, every public name and every page is in its place."""

import doctest
import importlib.util
import re
from pathlib import Path

import pytest

from bench.limit.server import Server, programs
from tests.test_package import FAMILIES

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
SNIPPET = re.compile(r"^```(?:python|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REDIS = "redis://localhost:6379"  # in the documents, for the server of the test
PEER = re.compile(r"^>>> from (rbloom) import", re.MULTILINE)  # no wheels without the GIL


def name_of(path):
    return str(path.relative_to(ROOT))


def run(text, namespace, path, line):
    """Run a snippet: a session with ``>>>``, or a piece of a program."""
    if not re.search(r"^ *>>>", text, re.MULTILINE):
        exec(compile("\n" * line + text, path, "exec"), namespace)
        return
    test = doctest.DocTestParser().get_doctest(text, {}, path.name, str(path), line)
    test.globs = namespace
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(test, clear_globs=False).failed == 0


@pytest.fixture(scope="module")
def server():
    with Server(programs()["valkey"]) as started:
        yield started


@pytest.mark.filterwarnings("ignore::DeprecationWarning:dask.*")
@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_snippets(path, tmp_path, monkeypatch, request):
    """The snippets of a document run in order, in one namespace and in a folder of their own.

    Those of a peer that the test extra cannot bring are left out where it is not installed.
    """
    monkeypatch.chdir(tmp_path)
    text = path.read_text()
    if "django" in text:
        from examples import django_limits  # noqa: F401  # configures Django, once a process
    namespace = {"__name__": path.stem}
    for match in SNIPPET.finditer(text):
        snippet = match[1]
        if (peer := PEER.search(snippet)) and not importlib.util.find_spec(peer[1]):
            continue
        if REDIS in snippet:
            url = request.getfixturevalue("server").url
            snippet = snippet.replace(REDIS, url.removesuffix("/0"))
        run(snippet, namespace, path, text.count("\n", 0, match.start(1)))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_no_snippet_is_left_out(path):
    text = SNIPPET.sub("", path.read_text())
    assert not re.search(r"^ *(>>>|(```|~~~) *\{?\.?(py|python|pycon)\b)", text, re.MULTILINE)


@pytest.mark.parametrize("path", DOCUMENTS[:2], ids=name_of)
def test_links_that_mkdocs_does_not_see(path):
    links = re.findall(r"\]\(([^)#:\s]+)(#[^)\s]*)?\)", path.read_text())
    for target, anchor in links:
        titles = re.findall(r"^#+ (.*)$", (path.parent / target).read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}
        assert not anchor or anchor[1:] in anchors, (target, anchor)


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = re.findall(r": (\S+\.md)$", navigation, re.MULTILINE)
    assert sorted(listed) == [str(page.relative_to(ROOT / "docs")) for page in PAGES]


def test_every_public_name_is_in_the_reference():
    reference = {name for page in PAGES for name in re.findall(r"^::: (\S+)$", page.read_text(), 8)}
    expected = set()
    for family in FAMILIES:
        module = importlib.import_module(f"fastblocks.{family}")
        expected |= {f"fastblocks.{family}.{name}" for name in module.__all__}
    for name in ("asgi", "wsgi"):
        module = importlib.import_module(f"fastblocks.limit.{name}")
        expected |= {f"fastblocks.limit.{name}.{member}" for member in module.__all__}
    assert reference == expected


BLOCKS = [page for page in PAGES if "\n::: " in page.read_text()]


@pytest.mark.parametrize("page", BLOCKS, ids=name_of)
def test_a_block_tells_all_that_matters(page):
    headings = re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE)
    assert {"When to use it", "What it promises", "Cost", "References", "API"} <= {*headings}
    assert headings[-1] == "API"

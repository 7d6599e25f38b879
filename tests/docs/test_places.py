"""What the code and README.md point at is there: pages of docs/, folders of the tree."""

import re

from tests.docs.pages import PAGES, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
OURS = ("kinoloop", "flows", "tasks", "serving", "tests", "tools", "benchmarks")
IGNORED = {
    line.strip("/\n") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
}


def tree():
    """Folders of README.md's tree, those of kinoloop/ with their parent."""
    (drawing,) = re.findall(r"## The tree\n+```\w*\n(.*?)```", README, flags=re.DOTALL)
    found, parent = set(), ""
    for indent, name in re.findall(r"(?m)^( *)([\w-]+)/ ", drawing):
        parent = parent if indent else name
        found.add(f"{parent}/{name}" if indent else name)
    return found | set(re.findall(r"; ([\w-]+)/ ", drawing))


def folders(place):
    return {path.name for path in place.iterdir() if path.is_dir() and path.name[0] not in "._"}


def test_the_tree_of_the_readme_has_each_folder_and_no_other():
    at_the_top = {name for name in folders(ROOT) if name not in IGNORED and "egg-info" not in name}
    packages = {f"kinoloop/{name}" for name in folders(ROOT / "kinoloop")}
    assert tree() == at_the_top | packages


def test_pages_that_the_code_names_exist():
    pages = {page.relative_to(ROOT).as_posix() for page in PAGES}
    files = [path for name in OURS for path in (ROOT / name).rglob("*.py")]
    files += [path for path in ROOT.iterdir() if path.suffix in {".toml", ".yml", ".yaml", ".md"}]
    named = {
        (path.relative_to(ROOT).as_posix(), page)
        for path in files
        for page in re.findall(r"(?<![\w/])docs/[\w/-]+\.md", path.read_text(encoding="utf-8"))
    }
    assert {(path, page) for path, page in named if page not in pages} == set()

#!/usr/bin/env python3
"""Builds the book of docs/ with mdBook and follows every link of its pages, without a network.

A link inside the book must lead to a page that is there, and to a heading that it has. One that leads out of docs/, to
data or code, must lead to a file of the repository. Addresses on the net are only counted.

    python3 scripts/check_book.py [--out target/book]
"""

import argparse
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent


class Page(HTMLParser):
    """The ids of a page, and what it links and shows."""

    def __init__(self):
        super().__init__()
        self.ids, self.targets = set(), []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        for name in ("id", "name"):
            if attrs.get(name):
                self.ids.add(attrs[name])
        for name in ("href", "src"):
            if attrs.get(name) and tag not in ("script", "link", "base"):
                self.targets.append(attrs[name])


def read(file):
    page = Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page


def of_repository(path, book):
    """The file of the repository that a path out of the book means: the book stands where docs/ is."""
    inside = ROOT / "docs" / os.path.relpath(path, book)
    inside = inside.resolve()
    # mdBook writes `.html` for every `.md`.
    found = [inside, inside.with_suffix(".md")]
    return any(file.exists() and ROOT in file.parents for file in found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="target/book", help="folder of the pages, replaced")
    out = (ROOT / parser.parse_args().out).resolve()
    done = subprocess.run(["mdbook", "build", "--dest-dir", str(out), str(ROOT)], capture_output=True, text=True)
    said = done.stderr + done.stdout
    if done.returncode or "WARN" in said or "ERROR" in said:
        sys.exit(f"mdbook build failed, or warned:\n{said}")
    # `print.html` holds all pages once more, with links from another place; the page of missing pages has a base.
    files = [file for file in sorted(out.rglob("*.html")) if file.name not in ("print.html", "404.html", "toc.html")]
    pages = {file: read(file) for file in files}
    broken, inside, outside, net = [], 0, 0, 0
    for file, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                net += 1
                continue
            path = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            path = path / "index.html" if path.is_dir() and (path / "index.html").exists() else path
            if path == out or out in path.parents:
                inside += 1
                known = pages.get(path)
                if not path.exists() or (parts.fragment and known and unquote(parts.fragment) not in known.ids):
                    broken.append(f"{file.relative_to(out)}: {target}")
            else:
                outside += 1
                if not of_repository(path, out):
                    broken.append(f"{file.relative_to(out)}: {target}")
    summary = f"{len(pages)} pages, {inside} links inside, {outside} to the repository, {net} to the net, not followed"
    if broken:
        sys.exit("links that lead nowhere:\n  " + "\n  ".join(sorted(set(broken))) + f"\n{summary}")
    print(summary)


if __name__ == "__main__":
    main()

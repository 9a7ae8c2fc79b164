"""What makes a site of docs/: the README is its first page, and what pages link to beside docs/ comes along.

Loaded by MkDocs as hooks (.mkdocs.yml).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
OUTSIDE = re.compile(r"(!?)\[([^\]]*)\]\((?:\.\./)+([^)#]+)(#[^)]*)?\)")
INSIDE = re.compile(r"\]\(docs/([^)]+)\)")
SHOWN = {".md", ".svg"}  # what a reader can look at in a browser


def on_files(files: Files, config: Any) -> Files:
    """Add the README, and all that is shown of what pages link to."""
    readme = INSIDE.sub(r"](\1)", (ROOT / "README.md").read_text(encoding="utf-8"))
    files.append(File.generated(config, "index.md", content=readme))
    texts = [page.content_string for page in files.documentation_pages()]
    for link in {match[3] for text in texts for match in OUTSIDE.finditer(text)}:
        path = ROOT / link
        if path.is_file() and path.suffix in SHOWN:
            files.append(File.generated(config, f"repository/{link}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to the repository lead to the copies; where there is none, leave the words."""

    def link(match: re.Match[str]) -> str:
        image, text, target, anchor = match.groups()
        if not ((ROOT / target).is_file() and Path(target).suffix in SHOWN):
            return f"{text} (`{target}`)"
        depth = page.file.src_uri.count("/")
        return f"{image}[{text}]({'../' * depth}repository/{target}{anchor or ''})"

    return OUTSIDE.sub(link, markdown) if not page.file.src_uri.startswith("repository/") else markdown

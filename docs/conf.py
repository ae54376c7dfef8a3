"""Sphinx's configuration. The reference is made from the docstrings of the cthreading that is installed."""

import re
import sys

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import cthreading

project = "cthreading"
author = "the cthreading authors"
project_copyright = author
python_version = f"{sys.version_info.major}.{sys.version_info.minor}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx"]
exclude_patterns = ["_build"]
nitpicky = True
# Of blocks that do not say: they are drawings.
highlight_language = "none"

html_theme = "furo"
html_title = project
html_copy_source = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"

# The names that we link to are in a list beside this file, in the old, readable form of such lists: no network needed.
intersphinx_mapping = {"python": ("https://docs.python.org/3", "python.inv")}

rst_epilog = f".. |python| replace:: {python_version}"


class Present(SphinxDirective):
    """.. present:: NAME: the content, if the cthreading of the running Python has that name."""

    has_content = True
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        return self.parse_content_to_nodes() if hasattr(cthreading, self.arguments[0]) else []


def link_plain_text(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Our docstrings are plain text. Here they get literals, and links to what they say they follow."""
    for index, line in enumerate(lines):
        line = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line)
        line = re.sub(r"(?<![`\w])(__\w+__|\*{1,2}\w+)", r"``\1``", line)
        line = re.sub(r"\bas ((?:threading|asyncio|itertools)\.[\w.]*\w)", r"as :any:`\1`", line)
        lines[index] = line


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("present", Present)
    app.connect("autodoc-process-docstring", link_plain_text)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

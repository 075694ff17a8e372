"""Sphinx's settings for ``make docs``; scripts/docs.py puts the pages together that it reads."""

import tomllib
from pathlib import Path

_PROJECT = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())["project"]

project = "FusionCIM"
version = release = _PROJECT["version"]
html_title = f"{project} {version}"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "README"
html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
language = "en"

# The pages are written for any renderer of Markdown, with the headings' anchors as the usual host makes them.
myst_heading_anchors = 6
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True

# Every name of the project has to lead somewhere (-n); Python's own and other packages' are not looked up, for want of a network.
nitpick_ignore_regex = [("py:.*", r"(?!models\.).*")]

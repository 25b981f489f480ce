"""Settings of Sphinx for `scripts/make_site.py`."""

import sys
from pathlib import Path

import barren

sys.path.insert(0, str(Path(__file__).parent.parent))

project = "barren"
author = "The barren developers"
copyright = "The barren developers"
version = release = barren.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "documentation.docstrings"]
highlight_language = "none"  # blocks without a name are formulas and outputs
myst_heading_anchors = 3
smartquotes_action = "D"  # dashes; quotes stay as they are written
maximum_signature_line_length = 88

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_class_signature = "mixed"
autodoc_typehints = "signature"

html_theme = "furo"
html_title = f"barren {barren.__version__}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
html_theme_options = {"sidebar_hide_name": False}

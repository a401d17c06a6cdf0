"""Sphinx's configuration; ``python docs/build.py`` prepares the folder that it reads."""

from amt_utils import __version__

project = "AMT Piano"
author = "AMT Piano contributors"
copyright = "AMT Piano contributors"
version = release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "AMT Piano"
smartquotes = False  # "--out" in code would become a dash
html_static_path: list[str] = []
html_extra_path = ["extra"]  # the page that transcribes, by build.py
exclude_patterns = ["build.py", "walk.py"]
nb_execution_mode = "off"  # build.py executes them beforehand where outputs are wanted
nb_output_stderr = "remove"
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_enable_extensions = ["colon_fence", "html_image"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
suppress_warnings = ["mystnb.unknown_mime_type", "myst.xref_missing", "ref.python"]

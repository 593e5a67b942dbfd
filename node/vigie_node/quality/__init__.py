"""The validation report of a node: what was read, what is wrong with it and where, and what will be sent.

A report never holds the content of a cell, only its shape, so that it can be shown, saved and mailed.
"""

from vigie_node.quality.page import write_page
from vigie_node.quality.profile import Profile, compare, profile_of
from vigie_node.quality.report import SHOWN, Report, shape_of, write_json

__all__ = ["SHOWN", "Profile", "Report", "compare", "profile_of", "shape_of", "write_json", "write_page"]

"""What the hub may say of a model's quality: the public figures of signed runs, in words and as a page."""

from vigie_hub.quality.figures import LANGUAGES, Judged, figures
from vigie_hub.quality.page import page

__all__ = ["LANGUAGES", "Judged", "figures", "page"]

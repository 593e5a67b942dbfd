"""What a node remembers of the lots that it sent, to tell how the next delivery differs: one profile a dataset.

The folder may be lost at any time: the next delivery is then compared with nothing.
"""

from pathlib import Path

from vigie.durable import write_file
from vigie.errors import StateError
from vigie_node.extracts.canonical import Checked
from vigie_node.quality import Profile, compare, profile_of


class Profiles:
    """The profiles in a folder.

    Args:
        folder: made when the first one is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def last(self, dataset: str) -> Profile | None:
        """The profile of the last lot of a dataset, or None.

        Raises:
            StateError: there is one that cannot be read.
        """
        try:
            return Profile.decode(self._place(dataset).read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"the profile of the last lot of {dataset} cannot be read") from error

    def compare(self, checked: Checked, period: str) -> Profile:
        """Add to the report of a dataset how it differs from the last lot; return its own profile."""
        now = profile_of(checked.dataset, checked.connection, checked.table, period)
        compare(checked.report, now, self.last(checked.dataset.name), checked.connection, checked.table)
        return now

    def keep(self, profile: Profile) -> None:
        """Remember the profile of a lot that was sent."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_file(self._place(profile.dataset), profile.encode())

    def _place(self, dataset: str) -> Path:
        return self._folder / f"{dataset}.json"

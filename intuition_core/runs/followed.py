"""A session that is followed: its journal, which is only read, and the runs that take its events."""

from collections.abc import Callable
from typing import Final

from intuition_core.cli.monitor import Monitor
from intuition_core.config.editing import settle
from intuition_core.config.loading import Config, convert
from intuition_core.config.portable import recorded
from intuition_core.errors import IntuitionError
from intuition_core.plugins.catalogue import Catalogue
from intuition_core.runs.follower import Follower
from intuition_core.session.archive import find_session
from intuition_core.session.journal import Journal
from intuition_core.trading.composition import Composition, rules_of

_AT_ONCE: Final = 10_000
"""Events that a follower takes at once; between two such stretches nothing of the journal is held."""

_DECIDING: Final = ("run", "configuration")
"""The session's notes that the followers are made from."""


class SessionChanged(IntuitionError):
    """A session that is not any more what it was when the comparison began."""

    def __init__(self, session: str) -> None:
        self.session = session
        super().__init__(f"{session} was begun anew, or given another configuration; start the comparison again")


class FollowedSession:
    """A session that runs, or has ended, as its journal tells it.

    The journal is opened for reading and closed again each time, so that the session is never kept from tidying it up.

    Attributes:
        name: ``session`` and the session's name.
        composition: the session's recipe.
        followers: the runs that follow it.

    Args:
        session: the session's name, or the path of its journal.
        catalogue: the plugins there are.
        monitor: shows the parts of followers to the process in front; None where nothing looks after them.

    Raises:
        NoSuchSession: there is none of that name.
        BadJournal: the journal cannot be read.
        IntuitionError: a plugin of the session is not there, or does not take its parameters.
    """

    def __init__(self, session: str, catalogue: Catalogue, *, monitor: Monitor | None = None) -> None:
        self._path = find_session(session)
        with Journal(self._path, read_only=True) as journal:
            notes = journal.meta()
        self._notes = {key: notes[key] for key in _DECIDING}
        self._catalogue = catalogue
        self._monitor = monitor
        self.name = f"session {notes['session']}"
        self.composition = recorded(notes["configuration"], catalogue, {}, rules=rules_of(notes["composition"]))
        self.followers: list[Follower] = []

    def config(self) -> Config:
        """Return the session's configuration, settled, as its journal has noted it.

        Raises:
            IntuitionError: a plugin of the session is not there.
        """
        return settle(Config(values=convert(self._notes["configuration"], origin="journal")), self._catalogue)

    def follow(self, name: str, composition: Composition | None = None) -> Follower:
        """Add a run that follows the session, from its beginning, and return it.

        Args:
            name: the run's name in messages.
            composition: the recipe, with as many algorithms as the session's; None for the session's own parts, whose
                records must be the journal's.

        Raises:
            PartFailed: a part cannot be made or initialised.
        """
        follower = Follower(
            name,
            composition or self.composition,
            run=self._notes["run"],
            session=None if composition is None else self.composition,
            monitor=self._monitor,
        )
        self.followers.append(follower)
        return follower

    def catch_up(self, ended: Callable[[], bool] = lambda: False) -> bool:
        """Run the committed events of the session through all followers; return whether there were any.

        Args:
            ended: asked between two stretches; once it is true, the rest is left for the next call.

        Raises:
            SessionChanged: the session was begun anew, or with another configuration.
            ReplayDiffers: the session's own parts decide otherwise than its journal says.
            NotAtBoundary: a follower cannot begin where the session has taken up another version of a part.
            VersionChanged: the session has taken up another version of a part meanwhile.
            BadJournal: the journal cannot be read.
        """
        taken = before = min((follower.seq for follower in self.followers), default=0)
        with Journal(self._path, read_only=True) as journal:
            notes = journal.meta()
            if any(notes[key] != known for key, known in self._notes.items()):
                raise SessionChanged(self.name)
            last = journal.last_seq
            while self.followers and taken < last and not ended():
                until = min(last, taken + _AT_ONCE)
                for follower in self.followers:
                    follower.take(journal, until=until)
                taken = min(follower.seq for follower in self.followers)
        return taken > before

"""Those who listen: hook plugins, called through pluggy after the fact. They can tell, never decide.

Only plugins named in ``[hooks] enabled`` are loaded, and they are called in that order. A hook that raises is logged
and the session goes on, unless ``[hooks] essential`` names it: then the session takes no more events.
docs/reference/hooks.md has them all.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

import pluggy

from intuition_core.history import History, Section
from intuition_core.trading.records import Record

PROJECT: Final = "intuition"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

_RECORDS: Final = frozenset({"decision", "fill", "rejection", "error", "control", "action"})
"""The types of records that have a hook of their own name."""

_log = logging.getLogger(__name__)


class Specifications:
    """What a hook plugin may listen to; an implementation may leave out arguments it does not need."""

    @hookspec
    def session_started(self, session: str, description: dict[str, Any]) -> None:
        """A session is ready for events.

        :param session: its name.
        :param description: what `describe()` answers.
        """

    @hookspec
    def session_finished(self, session: str) -> None:
        """A session has taken its last event.

        :param session: its name.
        """

    @hookspec
    def decision(self, session: str, record: Record) -> None:
        """An order was placed.

        :param session: the session's name.
        :param record: the decision.
        """

    @hookspec
    def fill(self, session: str, record: Record) -> None:
        """An order was filled.

        :param session: the session's name.
        :param record: the fill; its ``cause`` is the decision's id.
        """

    @hookspec
    def report_sections(
        self,
        history: History,  # noqa: ARG002  # it is for implementations
    ) -> list[tuple[str, list[tuple[str, str]]]]:
        """A report is about to be written; what is returned is added to it.

        :param history: what the run came to.
        :returns: sections: a title, and lines that have a name and a text each.
        """
        return []

    @hookspec
    def control(self, session: str, record: Record) -> None:
        """A person, or a risk part, turned the kill switch on or off, or moved capital among algorithms.

        :param session: the session's name.
        :param record: the control record; ``action`` is kill, clear or shares.
        """

    @hookspec
    def action(self, session: str, record: Record) -> None:
        """A split or a dividend changed a position or the cash.

        :param session: the session's name.
        :param record: the action record; ``action`` is split or dividend.
        """

    @hookspec
    def rejection(self, session: str, record: Record) -> None:
        """A bet or an order was refused.

        :param session: the session's name.
        :param record: the rejection, with its ``reason``.
        """

    @hookspec
    def error(self, session: str, record: Record) -> None:
        """A part failed; by its policy the session goes on.

        :param session: the session's name.
        :param record: the error: which part, which method, which problem.
        """


class Hooks:
    """The enabled hook plugins of one session.

    Args:
        session: its name.
        plugins: name and plugin, in the order they are to be called.
        essential: names of those without which there must be no trading.
        stop: what is told the problem when one of these fails.
    """

    def __init__(
        self,
        session: str,
        plugins: Iterable[tuple[str, Any]] = (),
        *,
        essential: Collection[str] = (),
        stop: Callable[[str], None] | None = None,
    ) -> None:
        self._session = session
        self._essential = frozenset(essential)
        self._stop = stop
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Specifications)
        # pluggy calls the plugin that was registered last first.
        for name, plugin in reversed(list(plugins)):
            self._manager.register(plugin() if isinstance(plugin, type) else plugin, name=name)

    def session_started(self, description: dict[str, Any]) -> None:
        """Tell that the session is ready."""
        self._tell("session_started", description=description)

    def session_finished(self) -> None:
        """Tell that the session is over."""
        self._tell("session_finished")

    def __call__(self, records: Sequence[Record]) -> None:
        """Tell of records, one call each; messages have no hook."""
        for record in records:
            if record["type"] in _RECORDS:
                self._tell(record["type"], record=record)

    def report_sections(self, history: History) -> list[Section]:
        """Gather what plugins add to a report; one that fails, or answers nonsense, adds nothing."""
        sections: list[Section] = []
        for implementation in reversed(self._manager.hook.report_sections.get_hookimpls()):
            try:
                given: Any = implementation.function(*(history for _ in implementation.argnames))
                sections += [
                    Section(str(title), tuple((str(name), str(text)) for name, text in lines)) for title, lines in given
                ]
            except Exception as error:  # noqa: BLE001  # a listener may raise anything; the report is written all the same
                _log.warning("hook plugin %s failed in report_sections: %s", implementation.plugin_name, error)
        return sections

    def _tell(self, name: str, **content: Any) -> None:
        caller = getattr(self._manager.hook, name)
        for implementation in reversed(caller.get_hookimpls()):
            hear: Callable[..., Any] = implementation.function
            given = {"session": self._session, **content}
            try:
                hear(**{argument: given[argument] for argument in implementation.argnames})
            except Exception as error:  # noqa: BLE001  # a listener may raise anything; trading goes on
                _log.warning("hook plugin %s failed in %s: %s", implementation.plugin_name, name, error)
                if implementation.plugin_name in self._essential and self._stop is not None:
                    self._stop(f"the essential hook plugin {implementation.plugin_name} failed in {name}: {error}")

"""Hook plugins: listeners that pluggy calls after a commit. They can tell, never decide.

Only plugins named in ``[hooks] enabled`` are loaded, and they are called in that order, but for ``tryfirst``,
``trylast`` and wrappers. A hook that raises is logged and the session goes on, unless ``[hooks] essential`` names its
plugin: then the session takes no more events. docs/reference/hooks.md has them all.

pluggy ends a call at the first implementation that raises. Each implementation is therefore registered inside a guard
of its own, which pluggy takes for the implementation itself.
"""

import logging
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from functools import partial, wraps
from inspect import iscoroutinefunction, isgeneratorfunction
from typing import Any, Final, NamedTuple, TypeAlias

import pluggy

from intuition_core.errors import IntuitionError, did_you_mean
from intuition_core.history import History, Section
from intuition_core.params.secrets import SECRETS
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


class BadHook(IntuitionError):
    """A hook plugin with an implementation that would never be called, or not with what it asks for."""

    def __init__(self, plugin: str, problem: str) -> None:
        self.plugin = plugin
        self.problem = problem
        super().__init__(f"hook plugin {plugin}: {problem}; see docs/reference/hooks.md")


class Hooks:
    """The enabled hook plugins of one session.

    Args:
        session: its name.
        plugins: name and plugin, in the order they are to be called.
        essential: names of those without which there must be no trading.
        stop: what is told the problem when one of these fails.

    Raises:
        BadHook: see `check_hooks`.
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
        self._manager = _manager()
        # pluggy calls the plugin that was registered last first.
        for name, plugin in reversed(list(plugins)):
            check_hooks(name, plugin)
            listener = plugin() if isinstance(plugin, type) else plugin
            self._manager.register(_Guarded(listener, self._manager, partial(self._failed, name)), name=name)
        callers = {name: getattr(self._manager.hook, name) for name in sorted(_RECORDS)}
        self._callers = {name: caller for name, caller in callers.items() if caller.get_hookimpls()}

    def session_started(self, description: dict[str, Any]) -> None:
        """Call the plugins at the start of a session."""
        self._manager.hook.session_started(session=self._session, description=description)

    def session_finished(self) -> None:
        """Call the plugins at the end of a session."""
        self._manager.hook.session_finished(session=self._session)

    def __call__(self, records: Sequence[Record]) -> None:
        """Call the plugins for each record; messages have no hook."""
        for record in records:
            if (caller := self._callers.get(record["type"])) is not None:
                caller(session=self._session, record=record)

    def report_sections(self, history: History) -> list[Section]:
        """Return the sections that plugins add to a report; a plugin that fails, or returns no sections, adds none."""
        given: list[tuple[Section, ...]] = self._manager.hook.report_sections(history=history)
        return [section for sections in given for section in sections]

    def _failed(self, plugin: str, hook: str, error: BaseException) -> None:
        problem = SECRETS.redacted(str(error) or type(error).__name__)
        _log.warning("hook plugin %s failed in %s: %s", plugin, hook, problem)
        if plugin in self._essential and self._stop is not None:
            self._stop(f"the essential hook plugin {plugin} failed in {hook}: {problem}")


def check_hooks(name: str, plugin: Any) -> None:
    """Check the hooks of a plugin, which is an object, a module or a class, without calling anything of it.

    Raises:
        BadHook: nothing is marked with `hookimpl`, or something that is marked has no hook, or takes an argument that
            the hook has not, or is of a form that pluggy would not run.
    """
    manager = _manager()
    marked = list(_implementations(manager, plugin))
    if not marked:
        raise BadHook(name, "none of its methods is marked with `hookimpl`, so it would hear nothing")
    for attribute, hook, options in marked:
        function = getattr(plugin, attribute)
        if not hasattr(Specifications, hook):
            if options["optionalhook"]:
                continue
            remedy = did_you_mean(hook, _SPECIFIED) or "; mark it with `optionalhook=True` if a core may be without it"
            raise BadHook(name, f"there is no hook `{hook}`{remedy}")
        if options["hookwrapper"]:
            raise BadHook(name, f"`{attribute}` is marked with `hookwrapper=True`; use `wrapper=True`")
        if iscoroutinefunction(function):
            raise BadHook(name, f"`{attribute}` is `async` and would never run; hooks are plain functions")
        if isgeneratorfunction(function) and not options["wrapper"] and hook != "report_sections":
            raise BadHook(name, f"`{attribute}` yields and would never run; mark it with `wrapper=True`")
    try:
        manager.register(plugin, name=name)
    except pluggy.PluginValidationError as error:
        raise BadHook(name, "; ".join(str(error).splitlines())) from None


_SPECIFIED: Final = tuple(name for name in vars(Specifications) if not name.startswith("_"))

_Failed: TypeAlias = Callable[[str, BaseException], None]
"""Called with the hook that failed and the exception."""


class _Implementation(NamedTuple):
    attribute: str
    hook: str
    options: pluggy.HookimplOpts


class _Guarded:
    """The implementations of a plugin, each inside its guard."""

    def __init__(self, plugin: Any, manager: pluggy.PluginManager, failed: _Failed) -> None:
        for attribute, hook, options in _implementations(manager, plugin):
            guard = _around if options["wrapper"] else _alone
            shape: Callable[[Any], Any]
            if hook == "report_sections":
                shape = _all_sections if options["wrapper"] else _sections
            else:
                shape = _no_results if options["wrapper"] else _nothing
            setattr(self, attribute, guard(getattr(plugin, attribute), shape, partial(failed, hook)))


class _WrapperFailed(IntuitionError):
    """A wrapper that does not yield exactly once."""


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Specifications)
    return manager


def _implementations(manager: pluggy.PluginManager, plugin: Any) -> Iterator[_Implementation]:
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is not None:
            yield _Implementation(attribute, options.get("specname") or attribute, options)


def _alone(
    function: Callable[..., Any], shape: Callable[[Any], Any], failed: Callable[[BaseException], None]
) -> Callable[..., Any]:
    @wraps(function)  # keeps the mark, and the signature by which pluggy chooses the arguments
    def guarded(*args: Any, **options: Any) -> Any:
        try:
            return shape(function(*args, **options))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a listener may raise anything; trading goes on
            failed(error)
            return None

    return guarded


def _around(
    function: Callable[..., Any], shape: Callable[[Any], Any], failed: Callable[[BaseException], None]
) -> Callable[..., Any]:
    @wraps(function)
    def guarded(*args: Any, **options: Any) -> Generator[None, list[Any], list[Any]]:
        try:
            wrapper = function(*args, **options)
            _begin(wrapper)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # the same
            failed(error)
            return (yield)
        try:
            results = yield
        except BaseException:  # an interrupt; the guards let nothing else through
            wrapper.close()
            raise
        try:
            shaped: list[Any] = shape(_end(wrapper, list(results)))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # the same
            failed(error)
            return results
        return shaped

    return guarded


def _begin(wrapper: Generator[None, Any, Any]) -> None:
    try:
        next(wrapper)
    except StopIteration:
        raise _WrapperFailed("the wrapper did not yield") from None


def _end(wrapper: Generator[None, Any, Any], results: list[Any]) -> Any:
    try:
        wrapper.send(results)
    except StopIteration as ended:
        return ended.value
    wrapper.close()
    raise _WrapperFailed("the wrapper yielded more than once")


def _nothing(_: Any) -> None:
    """Drop what was returned by a hook that has no result."""


def _no_results(_: Any) -> list[Any]:
    """Drop what was returned by a wrapper, whose result replaces those that it wraps."""
    return []


def _sections(given: Any) -> tuple[Section, ...] | None:
    """Read what `report_sections` returned; None, as everywhere in pluggy, is nothing."""
    if given is None:
        return None
    return tuple(Section(str(title), tuple((str(name), str(text)) for name, text in lines)) for title, lines in given)


def _all_sections(results: Any) -> list[tuple[Section, ...]]:
    """Read what a wrapper of `report_sections` returned."""
    if results is None:
        raise _WrapperFailed("the wrapper returned nothing; it is to return the results that its `yield` gave it")
    return [sections for result in results if (sections := _sections(result)) is not None]

"""The hook plugin: what it listens to, and how it tells it."""

from typing import Annotated, Any, Final, Literal

import msgspec

from intuition_core import hookimpl
from intuition_core.errors import BadParameter, IntuitionError
from intuition_core.records import Record, sentence
from intuition_notify.dispatch import Dispatch, Notice

PART: Final = "hooks notify"

Topic = Literal["session", "decision", "fill", "rejection", "error", "control", "action"]


class Notify:
    """Tells people what a session does: by mail, chat, push message, or whatever else Apprise has an address for.

    Notices are sent from a thread of their own, so that a slow service never holds up trading, and no more of them a
    minute than ``per_minute``; the rest is told in one notice that counts it.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Whom to tell, and what."""

        urls: Annotated[
            tuple[str, ...],
            msgspec.Meta(
                min_length=1,
                description="Apprise's addresses, such as mailto://, discord:// or json://; they hold tokens.",
                extra_json_schema={"writeOnly": True},
            ),
        ]
        topics: Annotated[tuple[Topic, ...], msgspec.Meta(description="What to tell of; all where none are named.")] = (
            "session",
            "decision",
            "fill",
            "rejection",
            "error",
            "control",
            "action",
        )
        per_minute: Annotated[
            int, msgspec.Meta(ge=1, le=600, description="Notices in any 60 seconds; what comes on top is counted.")
        ] = 10

    def initialize(self, params: Params) -> None:
        """Take the addresses; nothing is sent yet.

        Raises:
            BadParameter: one of the addresses is none that Apprise knows.
        """
        import apprise  # takes half a second, which only who uses it should wait

        service = apprise.Apprise()
        for number, url in enumerate(params.urls):
            if not service.add(url):
                raise BadParameter(
                    PART, f"urls.{number}", "is no address that Apprise knows; `apprise --details` lists them"
                )
        self._topics = frozenset(params.topics)

        def send(title: str, text: str) -> None:
            if not service.notify(body=text, title=title):
                raise NotSent

        self._dispatch = Dispatch(send, per_minute=params.per_minute)

    @hookimpl
    def session_started(self, session: str) -> None:
        """Tell that the session is ready."""
        self._tell("session", session, "ready for events")

    @hookimpl
    def session_finished(self, session: str) -> None:
        """Tell that the session is over, and send what waits."""
        self._tell("session", session, "finished")
        self._dispatch.close()

    @hookimpl
    def decision(self, session: str, record: Record) -> None:
        """Tell of an order."""
        self._tell("decision", session, sentence(record))

    @hookimpl
    def fill(self, session: str, record: Record) -> None:
        """Tell of a fill."""
        self._tell("fill", session, sentence(record))

    @hookimpl
    def rejection(self, session: str, record: Record) -> None:
        """Tell of a refusal."""
        self._tell("rejection", session, sentence(record))

    @hookimpl
    def error(self, session: str, record: Record) -> None:
        """Tell of a part that failed."""
        self._tell("error", session, sentence(record))

    @hookimpl
    def control(self, session: str, record: Record) -> None:
        """Tell of the kill switch."""
        self._tell("control", session, sentence(record))

    @hookimpl
    def action(self, session: str, record: Record) -> None:
        """Tell of a split or a dividend."""
        self._tell("action", session, sentence(record))

    def _tell(self, topic: Any, session: str, text: str) -> None:
        if topic in self._topics:
            self._dispatch.put(Notice(topic, f"Intuition: {session}", text))


class NotSent(IntuitionError):
    """A notice that a service did not take."""

    def __init__(self) -> None:
        super().__init__("a service did not take it; Apprise has logged which, and why")

"""What the backend is told of deliveries that are settled and records that are published."""

import time
from typing import Any, Final

from intuition_connector_mqtt.backend_info import CLIENT, BackendInfo
from intuition_connector_mqtt.commands import COMMAND_CLIENT
from intuition_connector_mqtt.connection import Connection
from intuition_core.contracts import Backend

PAUSE: Final = 0.2
"""Seconds without deliveries after which the backend is told."""


class Confirmations:
    """Confirms to one backend: with the next delivery, or by themselves if none comes.

    Args:
        backend: the backend.
        info: its session and methods.
        connection: where deliveries are settled and records are published.
    """

    def __init__(self, backend: Backend, info: BackendInfo, connection: Connection) -> None:
        self.due_at: float | None = None
        """When to confirm without a delivery, by the monotonic clock; None if nothing is to be confirmed."""
        self._backend = backend
        self._info = info
        self._connection = connection
        self._confirmed: tuple[str | None, str | None] = (None, info.published)
        self._commands_confirmed: str | None = None

    def send(self) -> None:
        """Confirm what was settled and published since the last confirmation.

        Raises:
            BackendLost: there was no answer.
            BackendRefused: the backend cannot note it now.
        """
        current = self._current()
        if current != self._confirmed:
            self._backend.call("confirm", CLIENT, self._info.epoch, *current)
            self._confirmed = current
        commands = self._commands()
        if commands != self._commands_confirmed:
            self._backend.call("confirm", COMMAND_CLIENT, self._info.command_epoch, commands, None)
            self._commands_confirmed = commands
        self.due_at = None

    def send_when_idle(self) -> None:
        """Confirm if it is time; call it when there is no delivery to confirm with."""
        if self.due_at is not None:
            if time.monotonic() >= self.due_at:
                self.send()
        elif self._current() != self._confirmed or self._commands() != self._commands_confirmed:
            self.due_at = time.monotonic() + PAUSE

    def add_to(self, options: dict[str, Any]) -> tuple[str | None, str | None]:
        """Add what is to be confirmed to the options of a delivery; pass the result to `sent` once it is answered."""
        current = self._current()
        if current != self._confirmed:
            options["acked"], options["published"] = current
        return current

    def sent(self, confirmed: tuple[str | None, str | None]) -> None:
        """Book the answer to a delivery with confirmations."""
        self._confirmed = confirmed
        self.due_at = None

    def _current(self) -> tuple[str | None, str | None]:
        if not self._info.durable:
            return self._confirmed
        return self._connection.window.settled, self._connection.outbox.published

    def _commands(self) -> str | None:
        taken = self._connection.commands
        return taken.window.settled if taken is not None and self._info.command_epoch is not None else None

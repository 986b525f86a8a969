"""The parameters of the connector."""

from typing import Annotated, Any, Final

import msgspec

from intuition_connector_mqtt.address import DEFAULT_URL, redacted

_SECRET: Final = ("password", "url")


class MqttParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of the connector. However they are shown, passwords are left out."""

    url: str = DEFAULT_URL
    """The broker: ``mqtt://`` or ``mqtts://``, optionally with ``user:password@``, percent-encoded."""
    name: str | None = None
    """What to call the session of a backend that does not name its own; made from its address by default."""
    username: str | None = None
    """The user at the broker; goes before the one in the URL."""
    password: str | None = None
    """The password; goes before the file's and the URL's."""
    password_file: str | None = None
    """A file whose first line is the password."""
    ca_file: str | None = None
    """The authority that signed the broker's certificate (PEM); the system's authorities by default."""
    cert_file: str | None = None
    """Our own certificate (PEM), for a broker that asks for one."""
    key_file: str | None = None
    """The key of our own certificate (PEM)."""
    keepalive: Annotated[int, msgspec.Meta(ge=5, le=65535)] = 60
    """Seconds of silence after which the broker is asked whether it is there."""
    expiry: Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)] = 7 * 86_400
    """Seconds for which an MQTT 5 broker keeps messages for a connector that is away."""
    max_payload: Annotated[int, msgspec.Meta(ge=1, le=512 * 1024)] = 256 * 1024
    """Bytes above which a message goes to ``dead`` unread."""
    max_batch: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1000
    """Events that are delivered to the backend in one call."""
    negative_prices: bool = False
    """Let zero and negative prices pass, for instruments that have them."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(field, self._shown(field)) for field in self.__struct_fields__]

    def __repr__(self) -> str:
        return f"Params({', '.join(f'{key}={value!r}' for key, value in self.__rich_repr__())})"

    def _shown(self, field: str) -> Any:
        value = getattr(self, field)
        if field not in _SECRET or value is None:
            return value
        return redacted(value) if field == "url" else "***"

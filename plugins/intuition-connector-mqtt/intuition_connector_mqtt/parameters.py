"""The parameters of the connector, and the way to the broker that they describe."""

from pathlib import Path
from ssl import SSLContext
from typing import Annotated, Any, Final

import msgspec

from intuition_connector_mqtt.address import DEFAULT_URL, Address, BadAddress, parse_address, redacted
from intuition_connector_mqtt.client import tls_context
from intuition_connector_mqtt.topics import Messages
from intuition_core.contracts import Secret
from intuition_core.errors import BadParameter

_SECRET: Final = ("password", "url")


class MqttParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of the connector. However they are shown, passwords are left out."""

    url: str = DEFAULT_URL
    """The broker: ``mqtt://`` or ``mqtts://``, optionally with ``user:password@``, percent-encoded."""
    name: str | None = None
    """The session's name at a backend that does not name its own; made from its address by default."""
    username: str | None = None
    """The user at the broker; goes before the one in the URL."""
    password: Secret | None = None
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
    messages: Messages = "session"
    """Where messages of parts go: ``session``, below the session's other output; or ``channel``, as events that anybody
    can take, to the plain topics of the channels that they name."""
    control: bool = True
    """Do what is published on ``control/set``: turn the kill switch on and off, change shares. Who may publish there is
    for the broker's access rules to say."""
    actions: bool = True
    """Take splits and dividends, which move the account, from the topics of `actions`."""
    rates: bool = True
    """Take what currencies are worth from the topics of `rates`."""
    negative_prices: bool = False
    """Whether zero and negative prices pass, for instruments that have them."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(field, self._shown(field)) for field in self.__struct_fields__]

    def __repr__(self) -> str:
        return f"Params({', '.join(f'{key}={value!r}' for key, value in self.__rich_repr__())})"

    def _shown(self, field: str) -> Any:
        value = getattr(self, field)
        if field not in _SECRET or value is None:
            return value
        return redacted(value) if field == "url" else "***"


def access(part: str, params: MqttParams) -> tuple[Address, SSLContext | None]:
    """The broker's address with all credentials, and the authorities to trust, from the files that are named.

    Raises:
        BadParameter: of `part`, one that cannot be used.
    """
    try:
        address = parse_address(params.url)
    except BadAddress as error:
        raise BadParameter(part, "url", str(error)) from None
    files = {"ca_file": params.ca_file, "cert_file": params.cert_file, "key_file": params.key_file}
    for key, value in files.items():
        if value is not None and not address.tls:
            raise BadParameter(part, key, f"only used with TLS; write mqtts:// instead of mqtt:// in {address}")
    if params.key_file is not None and params.cert_file is None:
        raise BadParameter(part, "key_file", "there is no `cert_file` that it belongs to")
    full = msgspec.structs.replace(
        address,
        username=address.username if params.username is None else params.username,
        password=_password(part, params) or address.password,
    )
    return full, tls_context(part, **files) if address.tls else None


def _password(part: str, params: MqttParams) -> str | None:
    if params.password is not None or params.password_file is None:
        return params.password
    try:
        lines = Path(params.password_file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "no text"
        raise BadParameter(part, "password_file", f"{params.password_file}: {problem}") from None
    if not lines:
        raise BadParameter(part, "password_file", f"{params.password_file} is empty")
    return lines[0]

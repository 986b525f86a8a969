"""Reason codes of MQTT 5 (section 2.4 of the standard), and sentences for brokers that cannot be used."""

from typing import Final

UNSUPPORTED_VERSION: Final = 132
NOT_LET_IN: Final = {133, 134, 135, 138, 140}
"""Identifier, user or password, not authorised, banned, method."""
TAKEN_OVER: Final = 142
TOO_LARGE: Final = 149
NO_RETAIN: Final = 154
NO_SUCH_QOS: Final = 155
NEVER_TAKEN: Final = {144, 153}
"""A topic or a payload that no further attempt changes."""

CREDENTIALS: Final = "check the user name and the password"
QOS_0_ONLY: Final = "it takes only QoS 0, and nothing could be promised; allow QoS 1 there"
ONE_ID: Final = (
    "it gives both connections of this connector the same client id, so that they end each other; have it take the ids "
    "that clients give themselves (mosquitto: `use_username_as_clientid false`)"
)

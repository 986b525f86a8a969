"""Notifications of what a session does, by any of the services that Apprise knows."""

from intuition_notify.notify import Notify

__all__ = ["Notify"]

"""An executor: takes decisions at least once, and executes an id that it has not seen."""

import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .checker import Arrival, read_arrivals

_SCHEMA: Final = """
CREATE TABLE arrival (position INTEGER PRIMARY KEY, decision TEXT, symbol TEXT, number INT, content TEXT, asked INT);
CREATE TABLE execution (decision TEXT PRIMARY KEY);
"""


class Executor(threading.Thread):
    """Records every decision that is published, in a file of its own, and acknowledges it then.

    Args:
        port: the broker's.
        file: where; `checker.read_arrivals` reads it.
        session: whose decisions.
    """

    def __init__(self, port: int, file: Path, *, session: str) -> None:
        super().__init__(name="executor")
        self.executed = 0
        self.arrived = 0
        self.subscribed = threading.Event()
        self._port = port
        self._file = file
        self._session = session
        self._stopping = threading.Event()
        self._dropping = threading.Event()

    def drop(self) -> None:
        """Break the connection, in the middle of whatever it carries."""
        self._dropping.set()

    def stop(self) -> None:
        self._stopping.set()
        self.join(20)

    def run(self) -> None:
        self._database = sqlite3.connect(self._file)
        self._database.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; {_SCHEMA}")
        while not self._stopping.is_set():
            client = Client(
                CallbackAPIVersion.VERSION2, "executor", protocol=MQTTv5, reconnect_on_failure=False, manual_ack=True
            )
            client.on_connect = self._on_connect
            client.on_message = self._on_message
            client.on_subscribe = lambda *_: self.subscribed.set()
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 3600
            properties.ReceiveMaximum = 1000
            try:
                client.connect("127.0.0.1", self._port, keepalive=5, clean_start=False, properties=properties)
            except OSError:
                time.sleep(0.05)
                continue
            while client.loop(0.05) == 0 and not self._stopping.is_set() and not self._dropping.is_set():
                pass
            self._dropping.clear()
            if (sock := client.socket()) is not None:
                sock.close()
        self._database.close()

    def ask(self, decisions: list[dict[str, Any]]) -> None:
        """Execute what a broker lost that had acknowledged it; only when stopped."""
        with sqlite3.connect(self._file) as self._database:
            for decision in decisions:
                self._record(decision, asked=True)
        self._database.close()

    def _on_connect(self, client: Client, _userdata: Any, flags: Any, _reason: Any, _properties: Any) -> None:
        if not flags.session_present:
            client.subscribe(f"intuition/1/{self._session}/decisions", 1)

    def _on_message(self, client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._record(json.loads(message.payload), asked=False)
        self._database.commit()
        client.ack(message.mid, message.qos)

    def _record(self, decision: dict[str, Any], *, asked: bool) -> None:
        cursor = self._database.execute("INSERT OR IGNORE INTO execution VALUES (?)", (decision["id"],))
        if asked and not cursor.rowcount:
            return
        self.executed += cursor.rowcount
        self.arrived += 1
        arrival = Arrival(
            decision["id"], decision["sid"], int(decision["reason"]), json.dumps(decision, sort_keys=True), asked
        )
        self._database.execute("INSERT INTO arrival VALUES (NULL, ?, ?, ?, ?, ?)", arrival)

    def arrivals(self) -> list[Arrival]:
        return read_arrivals(self._file)

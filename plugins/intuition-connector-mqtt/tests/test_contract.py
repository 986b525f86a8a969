from typing import ClassVar

from intuition_connector_mqtt.connector import Mqtt

from intuition_core.testing import ConnectorContract


class TestMqttWithoutABroker(ConnectorContract):
    part = Mqtt
    params: ClassVar = {"url": "mqtt://127.0.0.1:1"}

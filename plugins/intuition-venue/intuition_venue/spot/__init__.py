"""The shape of Binance's spot interface: REST, the websocket API with user data, and market streams."""

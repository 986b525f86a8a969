"""Trading venues on this machine: Binance's spot interface and Alpaca's for stocks, over one exchange."""

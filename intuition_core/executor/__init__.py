"""The executor: carries a session's orders to a venue through a broker part, and what the venue says back."""

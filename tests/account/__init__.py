"""The account as a whole: what must hold after every event, whatever came, and the books worked out a second time."""

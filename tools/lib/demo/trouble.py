"""What ends the demo, in words."""


class Trouble(Exception):
    """Said to the user as it stands."""

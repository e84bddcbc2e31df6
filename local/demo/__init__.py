"""``workers demo`` and ``workers local``."""

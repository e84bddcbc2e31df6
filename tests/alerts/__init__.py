"""Makes every alert fire against the running system, and end again."""

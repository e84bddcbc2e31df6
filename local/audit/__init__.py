"""`make audit`: pins, vulnerabilities, licences, the list of contents, and secrets.

Each module examines one thing and returns a ``Report``; ``__main__`` prints them and decides.
"""

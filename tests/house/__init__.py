"""Rules of the whole checkout that `make check` enforces: its source code and its packages."""

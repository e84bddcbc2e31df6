"""The paths of a JSON value, written as in a contract of the events."""


def paths(value, path):
    """Yield the path of a value and of everything in it: ``data.items[].sku``."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths(inner, f"{path}.{name}")
    if isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{path}[]")

"""Loads schemathesis for these tests only: it takes a second, in every process of pytest."""


def pytest_collect_file(parent):
    parent.config.pluginmanager.import_plugin("schemathesis.pytest.plugin")

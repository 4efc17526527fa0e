# SPDX-License-Identifier: Apache-2.0
"""Labels and patterns of tests/run for scenario tests. A test without a label marker is an
integration test; its name is scenario/<file>::<test>."""

import re

import pytest

LABELS = ("unit", "integration", "smoke", "failover", "performance")


def pytest_addoption(parser):
    parser.addoption("--house-label", action="append", default=[])
    parser.addoption("--house-pattern", action="append", default=[])


def pytest_configure(config):
    for label in LABELS:
        config.addinivalue_line("markers", f"{label}: label of tests/run")


def label_of(item):
    return next((label for label in LABELS if item.get_closest_marker(label)), "integration")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    labels = config.getoption("--house-label")
    patterns = config.getoption("--house-pattern")
    chosen, others = [], []
    for item in items:
        name = "scenario/" + item.nodeid.split("tests/scenario/")[-1]
        wanted = (not labels or label_of(item) in labels) and \
            (not patterns or any(re.search(p, name) for p in patterns))
        (chosen if wanted else others).append(item)
    items[:] = chosen
    if others:
        config.hook.pytest_deselected(items=others)

# SPDX-License-Identifier: Apache-2.0
"""Tests against a real Pulsar broker. A package, so that its conftest.py does not take the place of
the one above; not called `pulsar`, which is the official client."""

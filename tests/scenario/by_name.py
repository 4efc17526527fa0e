# SPDX-License-Identifier: Apache-2.0
"""Rules by which the name of a topic says how it is published: "…-lz4-batched", and whatever is behind it; "…-keyed":
in batches of one key."""

COMPRESSIONS = ["none", "lz4", "zlib", "zstd", "snappy"]
BATCHES = ["batched", "single"]


def rules():
    keyed = {"match": "**/*-keyed*", "publish": {"batch_by": "key", "eager_max": 1, "batch_delay": "20ms"}}
    return [keyed] + [
        {"match": f"**/*-{compression}-{batch}*",
         "publish": {"compression": compression, "batch_max": 1000 if batch == "batched" else 1}}
        for compression in COMPRESSIONS for batch in BATCHES]

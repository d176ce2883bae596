"""Reads a scrape as strictly as the specification of OpenMetrics is, and prints what it shows."""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

families = text_string_to_metric_families(sys.stdin.read())
samples = [sample for family in families for sample in family.samples]
print(
    json.dumps(
        {
            "series": sorted({sample.name for sample in samples}),
            "exemplars": [sample.exemplar.labels for sample in samples if sample.exemplar],
        }
    )
)

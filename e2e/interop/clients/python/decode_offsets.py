"""Prints __consumer_offsets, as prometheus-kafka-consumer-group-exporter decodes it: JSON lines."""

import json
import sys

from kafka import KafkaConsumer, TopicPartition
from prometheus_kafka_consumer_group_exporter.parsing import parse_key, parse_value

TOPIC = "__consumer_offsets"
GROUP_METADATA = 2


def main(address: str) -> None:
    consumer = KafkaConsumer(bootstrap_servers=address, group_id=None)
    partitions = [TopicPartition(TOPIC, index) for index in consumer.partitions_for_topic(TOPIC)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(partitions)
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for records in consumer.poll(timeout_ms=500).values():
            for record in records:
                key = parse_key(record.key)
                is_offset = key is not None and key["version"] < GROUP_METADATA
                value = parse_value(record.value) if is_offset and record.value else None
                print(json.dumps({"key": key, "value": value}))


main(sys.argv[1])

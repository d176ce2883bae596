"""kafka-python: the Kafka protocol in pure Python."""

import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor

from driver import record_json, serve, to_bytes

COMMON = {"bootstrap_servers": sys.argv[1], "client_id": "kafka-python", "reconnect_backoff_max_ms": 500}


class Operations:
    def __init__(self):
        self.producers = {}
        self.member = None

    def produce(self, topic, partition, compression, idempotent, records):
        producer = self._producer(compression, idempotent)
        sent = [self._send(producer, topic, partition, record) for record in records]
        producer.flush(60)
        return {"offsets": [future.get(60).offset for future in sent]}

    def _producer(self, compression, idempotent):
        name = (compression, idempotent)
        if name not in self.producers:
            self.producers[name] = KafkaProducer(
                **COMMON,
                compression_type=None if compression == "none" else compression,
                enable_idempotence=idempotent,
                acks="all",
                max_request_size=10_000_000,
                linger_ms=5,
            )
        return self.producers[name]

    def _send(self, producer, topic, partition, record):
        return producer.send(
            topic,
            partition=partition,
            key=to_bytes(record["key"]),
            value=to_bytes(record["value"]),
            headers=[(name, to_bytes(data)) for name, data in record["headers"]],
        )

    def transact(self, topic, partition, transactionalId, commit, records):
        producer = KafkaProducer(**COMMON, transactional_id=transactionalId, max_block_ms=15_000)
        try:
            producer.init_transactions()
            producer.begin_transaction()
            for record in records:
                self._send(producer, topic, partition, record)
            if commit:
                producer.commit_transaction()
            else:
                producer.abort_transaction()
        finally:
            producer.close(timeout=5)

    def fetch(self, topic, partition, offset, count, timeoutMs):
        consumer = KafkaConsumer(**COMMON)
        where = TopicPartition(topic, partition)
        consumer.assign([where])
        consumer.seek(where, offset)
        deadline = time.monotonic() + timeoutMs / 1000
        fetched = []
        while len(fetched) < count and time.monotonic() < deadline:
            fetched += _records(consumer.poll(timeout_ms=100))
        consumer.close()
        return {"records": fetched}

    def join(self, group, topic, instanceId, cooperative):
        assignor = CooperativeStickyAssignor if cooperative else RangePartitionAssignor
        self.member = KafkaConsumer(
            topic,
            **COMMON,
            group_id=group,
            group_instance_id=instanceId,
            partition_assignment_strategy=[assignor],
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=15_000,
            heartbeat_interval_ms=500,
        )

    def poll(self, timeoutMs):
        polled = _records(self.member.poll(timeout_ms=timeoutMs))
        assignment = sorted(each.partition for each in self.member.assignment())
        return {"records": polled, "assignment": assignment}

    def commit(self):
        self.member.commit()

    def leave(self):
        self.member.close()
        self.member = None

    def createTopic(self, topic, partitions, config):
        _admin(lambda admin: admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)]))

    def deleteTopic(self, topic):
        _admin(lambda admin: admin.delete_topics([topic]))

    def listTopics(self):
        return {"topics": list(_admin(lambda admin: admin.list_topics()))}

    def describeTopic(self, topic):
        (described,) = _admin(lambda admin: admin.describe_topics([topic]))
        return {"partitions": len(described["partitions"])}

    def createPartitions(self, topic, total):
        _admin(lambda admin: admin.create_partitions({topic: NewPartitions(total)}))

    def describeConfig(self, topic, name):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        described = _admin(lambda admin: admin.describe_configs([resource], config_filter="all"))
        return {"value": _find_value(described, name)}

    def alterConfig(self, topic, name, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})
        _admin(lambda admin: admin.alter_configs([resource]))

    def deleteRecords(self, topic, partition, before):
        _admin(lambda admin: admin.delete_records({TopicPartition(topic, partition): before}))

    def listGroups(self):
        return {"groups": [each["group_id"] for each in _admin(lambda admin: admin.list_groups())]}

    def committed(self, group, topic):
        listed = _admin(lambda admin: admin.list_group_offsets({group: None}))[group]
        return {"offsets": {str(each.partition): listed[each].offset for each in listed}}

    def deleteGroup(self, group):
        _admin(lambda admin: admin.delete_groups([group]))


def _admin(use):
    admin = KafkaAdminClient(**COMMON)
    try:
        return use(admin)
    finally:
        admin.close()


def _find_value(described, name):
    """The value of a configuration, wherever this version of the client nests it."""
    if isinstance(described, dict):
        if name in described:
            entry = described[name]
            return entry["value"] if isinstance(entry, dict) else entry
        if described.get("name") == name:
            return described["value"]
        described = list(described.values())
    if isinstance(described, (list, tuple)):
        for each in described:
            found = _find_value(each, name)
            if found is not None:
                return found
    return None


def _records(polled):
    return [
        record_json(each.partition, each.offset, each.key, each.value, each.headers)
        for messages in polled.values()
        for each in messages
    ]


serve(Operations())

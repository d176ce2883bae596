"""confluent-kafka: librdkafka with a Python face."""

import functools
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka import admin as kafka_admin

from driver import record_json, serve, to_bytes

COMMON = {"bootstrap.servers": sys.argv[1], "client.id": "confluent", "reconnect.backoff.max.ms": 500}
ADMIN_TIMEOUT_S = 30
FLUSH_TIMEOUT_S = 180


class Operations:
    def __init__(self):
        self.producers = {}
        self.member = None

    def produce(self, topic, partition, compression, idempotent, records):
        producer = self._producer(compression, idempotent)
        offsets = [None] * len(records)
        errors = []

        def delivered(index):
            def callback(error, message):
                if error is not None:
                    errors.append(error)
                else:
                    offsets[index] = message.offset()

            return callback

        for index, record in enumerate(records):
            self._send(producer, topic, partition, record, delivered(index))
        self._flush(producer)
        if errors:
            raise KafkaException(errors[0])
        return {"offsets": offsets}

    def _flush(self, producer):
        waiting = producer.flush(FLUSH_TIMEOUT_S)
        if waiting > 0:
            raise TimeoutError(f"{waiting} records were not acknowledged within {FLUSH_TIMEOUT_S} s")

    def _producer(self, compression, idempotent):
        name = (compression, idempotent)
        if name not in self.producers:
            self.producers[name] = Producer({
                **COMMON,
                "compression.type": compression,
                "enable.idempotence": idempotent,
                "acks": "all",
                "message.max.bytes": 10_000_000,
                "linger.ms": 5,
            })
        return self.producers[name]

    def _send(self, producer, topic, partition, record, on_delivery=None):
        producer.produce(
            topic,
            partition=partition,
            key=to_bytes(record["key"]),
            value=to_bytes(record["value"]),
            headers=[(name, to_bytes(data)) for name, data in record["headers"]],
            on_delivery=on_delivery,
        )

    def transact(self, topic, partition, transactionalId, commit, records):
        producer = Producer({**COMMON, "transactional.id": transactionalId})
        producer.init_transactions(60)
        producer.begin_transaction()
        for record in records:
            self._send(producer, topic, partition, record)
        # What is not sent yet when a transaction is aborted never is.
        self._flush(producer)
        if commit:
            producer.commit_transaction(60)
        else:
            producer.abort_transaction(60)

    def fetch(self, topic, partition, offset, count, timeoutMs):
        consumer = Consumer({**COMMON, "group.id": "fetch", "enable.auto.commit": False})
        consumer.assign([TopicPartition(topic, partition, offset)])
        deadline = time.monotonic() + timeoutMs / 1000
        fetched = []
        while len(fetched) < count and time.monotonic() < deadline:
            fetched += _records(consumer.consume(1000, 0.1))
        consumer.close()
        return {"records": fetched}

    def join(self, group, topic, instanceId, cooperative):
        config = {
            **COMMON,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 15_000,
            "heartbeat.interval.ms": 500,
        }
        if instanceId is not None:
            config["group.instance.id"] = instanceId
        if cooperative:
            config["partition.assignment.strategy"] = "cooperative-sticky"
        self.member = Consumer(config)
        self.member.subscribe([topic])

    def poll(self, timeoutMs):
        polled = _records(self.member.consume(1000, timeoutMs / 1000))
        assignment = sorted(each.partition for each in self.member.assignment())
        return {"records": polled, "assignment": assignment}

    def commit(self):
        self.member.commit(asynchronous=False)

    def leave(self):
        self.member.close()
        self.member = None

    def createTopic(self, topic, partitions, config):
        new = kafka_admin.NewTopic(topic, num_partitions=partitions, replication_factor=1, config=config)
        _wait(_admin().create_topics([new]))

    def deleteTopic(self, topic):
        _wait(_admin().delete_topics([topic]))

    def listTopics(self):
        return {"topics": list(_admin().list_topics(timeout=ADMIN_TIMEOUT_S).topics)}

    def describeTopic(self, topic):
        metadata = _admin().list_topics(topic, timeout=ADMIN_TIMEOUT_S).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        return {"partitions": len(metadata.partitions)}

    def createPartitions(self, topic, total):
        _wait(_admin().create_partitions([kafka_admin.NewPartitions(topic, total)]))

    def describeConfig(self, topic, name):
        resource = kafka_admin.ConfigResource(kafka_admin.ConfigResource.Type.TOPIC, topic)
        return {"value": _wait(_admin().describe_configs([resource]))[name].value}

    def alterConfig(self, topic, name, value):
        if hasattr(kafka_admin, "AlterConfigOpType"):
            entry = kafka_admin.ConfigEntry(
                name, value, incremental_operation=kafka_admin.AlterConfigOpType.SET
            )
            resource = kafka_admin.ConfigResource(
                kafka_admin.ConfigResource.Type.TOPIC, topic, incremental_configs=[entry]
            )
            _wait(_admin().incremental_alter_configs([resource]))
        else:
            resource = kafka_admin.ConfigResource(
                kafka_admin.ConfigResource.Type.TOPIC, topic, set_config={name: value}
            )
            _wait(_admin().alter_configs([resource]))

    def deleteRecords(self, topic, partition, before):
        _wait(_admin().delete_records([TopicPartition(topic, partition, before)]))

    def listGroups(self):
        listed = _admin().list_consumer_groups(request_timeout=ADMIN_TIMEOUT_S).result()
        return {"groups": [each.group_id for each in listed.valid]}

    def committed(self, group, topic):
        consumer = Consumer({**COMMON, "group.id": group})
        partitions = consumer.list_topics(topic, timeout=ADMIN_TIMEOUT_S).topics[topic].partitions
        asked = [TopicPartition(topic, partition) for partition in partitions]
        committed = consumer.committed(asked, timeout=ADMIN_TIMEOUT_S)
        consumer.close()
        return {"offsets": {str(each.partition): each.offset for each in committed if each.offset >= 0}}

    def deleteGroup(self, group):
        _wait(_admin().delete_consumer_groups([group], request_timeout=ADMIN_TIMEOUT_S))


@functools.cache
def _admin():
    # One for all: an answer is lost when its client is collected before.
    return kafka_admin.AdminClient(COMMON)


def _wait(futures):
    (future,) = futures.values()
    return future.result(ADMIN_TIMEOUT_S)


def _records(messages):
    for message in messages:
        if message.error() is not None:
            print(message.error(), file=sys.stderr)
    return [
        record_json(each.partition(), each.offset(), each.key(), each.value(), each.headers())
        for each in messages
        if each.error() is None
    ]


serve(Operations())

"""aiokafka: an asyncio client."""

import asyncio
import functools
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from driver import record_json, serve, to_bytes

COMMON = {"bootstrap_servers": sys.argv[1], "client_id": "aiokafka"}
DEADLINE_S = 60

loop = asyncio.new_event_loop()


def blocking(method):
    @functools.wraps(method)
    def wrapper(*args, **kwargs):
        return loop.run_until_complete(asyncio.wait_for(method(*args, **kwargs), DEADLINE_S))

    return wrapper


class Operations:
    def __init__(self):
        self.producers = {}
        self.member = None

    @blocking
    async def produce(self, topic, partition, compression, idempotent, records):
        producer = await self._producer(compression, idempotent)
        sent = [await self._send(producer, topic, partition, record) for record in records]
        await producer.flush()
        return {"offsets": [(await future).offset for future in sent]}

    async def _producer(self, compression, idempotent):
        name = (compression, idempotent)
        if name not in self.producers:
            self.producers[name] = AIOKafkaProducer(
                **COMMON,
                compression_type=None if compression == "none" else compression,
                enable_idempotence=idempotent,
                acks="all",
                max_request_size=10_000_000,
                linger_ms=5,
            )
            await self.producers[name].start()
        return self.producers[name]

    async def _send(self, producer, topic, partition, record):
        return await producer.send(
            topic,
            partition=partition,
            key=to_bytes(record["key"]),
            value=to_bytes(record["value"]),
            headers=[(name, to_bytes(data)) for name, data in record["headers"]],
        )

    @blocking
    async def transact(self, topic, partition, transactionalId, commit, records):
        producer = AIOKafkaProducer(**COMMON, transactional_id=transactionalId)
        await asyncio.wait_for(producer.start(), 15)
        try:
            await producer.begin_transaction()
            for record in records:
                await self._send(producer, topic, partition, record)
            if commit:
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()
        finally:
            await producer.stop()

    @blocking
    async def fetch(self, topic, partition, offset, count, timeoutMs):
        consumer = AIOKafkaConsumer(**COMMON)
        await consumer.start()
        where = TopicPartition(topic, partition)
        consumer.assign([where])
        consumer.seek(where, offset)
        deadline = time.monotonic() + timeoutMs / 1000
        fetched = []
        while len(fetched) < count and time.monotonic() < deadline:
            fetched += _records(await consumer.getmany(timeout_ms=100))
        await consumer.stop()
        return {"records": fetched}

    @blocking
    async def join(self, group, topic, instanceId, cooperative):
        self.member = AIOKafkaConsumer(
            topic,
            **COMMON,
            group_id=group,
            group_instance_id=instanceId,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=15_000,
            heartbeat_interval_ms=500,
        )
        # The first rebalance is over when this returns; other members must be polled meanwhile.
        self.starting = loop.create_task(self.member.start())

    @blocking
    async def poll(self, timeoutMs):
        done, _ = await asyncio.wait([self.starting], timeout=timeoutMs / 1000)
        if not done:
            return {"records": [], "assignment": []}
        self.starting.result()
        polled = _records(await self.member.getmany(timeout_ms=timeoutMs))
        assignment = sorted(each.partition for each in self.member.assignment())
        return {"records": polled, "assignment": assignment}

    @blocking
    async def commit(self):
        await self.member.commit()

    @blocking
    async def leave(self):
        await self.member.stop()
        self.member = None

    def createTopic(self, topic, partitions, config):
        new = NewTopic(topic, partitions, 1, topic_configs=config)
        _check(_admin("create_topics", [new]).topic_errors)

    def deleteTopic(self, topic):
        _check(_admin("delete_topics", [topic]).topic_error_codes)

    def listTopics(self):
        return {"topics": _admin("list_topics")}

    def describeTopic(self, topic):
        (described,) = _admin("describe_topics", [topic])
        return {"partitions": len(described["partitions"])}

    def createPartitions(self, topic, total):
        _check(_admin("create_partitions", {topic: NewPartitions(total)}).topic_errors)

    def describeConfig(self, topic, name):
        (response,) = _admin("describe_configs", [ConfigResource(ConfigResourceType.TOPIC, topic)])
        (resource,) = response.resources
        return {"value": next(entry[1] for entry in resource[4] if entry[0] == name)}

    def alterConfig(self, topic, name, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})
        (response,) = _admin("alter_configs", [resource])
        _check([(each[3], each[0]) for each in response.resources])

    def deleteRecords(self, topic, partition, before):
        _admin("delete_records", {TopicPartition(topic, partition): RecordsToDelete(before)})

    def listGroups(self):
        return {"groups": [each[0] for each in _admin("list_consumer_groups")]}

    def committed(self, group, topic):
        offsets = _admin("list_consumer_group_offsets", group)
        return {"offsets": {str(each.partition): offset.offset for each, offset in offsets.items()}}


@blocking
async def _admin(method, *args):
    admin = AIOKafkaAdminClient(**COMMON)
    await admin.start()
    try:
        return await getattr(admin, method)(*args)
    finally:
        await admin.close()


def _check(named_codes):
    for name, code, *_ in named_codes:
        if code != 0:
            raise for_code(code)(name)


def _records(polled):
    return [
        record_json(each.partition, each.offset, each.key, each.value, each.headers)
        for messages in polled.values()
        for each in messages
    ]


serve(Operations())

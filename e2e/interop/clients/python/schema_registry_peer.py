"""Records and schemas as confluent-kafka's serializers make and read them, for registry-python.interop.test.ts."""

import json
import sys

import attrs
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka import schema_registry as registry
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from driver import serve

BOOTSTRAP, URL = sys.argv[2], sys.argv[1]
POLL_S = 30


class Peer:
    def __init__(self):
        self.client = self._new_client()
        self.producer = Producer({"bootstrap.servers": BOOTSTRAP})

    def send(self, topic, format, value, header=False, conf=None, **schema):
        """One record, its value through a serializer of `format`; with `header`, its GUID in a header."""
        conf = dict(conf or {})
        headers = []
        if header:
            conf["schema.id.serializer"] = registry.header_schema_id_serializer
        serialize, typed = self._serializer(format, conf, **schema)
        context = SerializationContext(topic, MessageField.VALUE, headers)
        data = serialize(typed(value), context)
        delivered = []
        self.producer.produce(
            topic,
            partition=0,
            value=data,
            headers=headers,
            on_delivery=lambda error, message: delivered.append(error or message),
        )
        self.producer.flush(POLL_S)
        if not delivered or not hasattr(delivered[0], "offset"):
            raise KafkaException(delivered[0] if delivered else "not delivered")
        return {"offset": delivered[0].offset()}

    def receive(self, topic, offset, format, conf=None, **schema):
        """The value of one record, through a deserializer of `format`, which looks at headers first."""
        # A client of its own, as a consumer has it: what the serializer's keeps of a registered Protobuf
        # schema is the text, which this one's deserializer takes for a descriptor.
        deserialize = self._deserializer(self._new_client(), format, conf or {}, **schema)
        consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "-", "enable.auto.commit": False})
        try:
            consumer.assign([TopicPartition(topic, 0, offset)])
            message = consumer.poll(POLL_S)
            if message is None or message.error() is not None:
                raise KafkaException(message.error() if message else "no record")
        finally:
            consumer.close()
        context = SerializationContext(topic, MessageField.VALUE, message.headers() or [])
        value = deserialize(message.value(), context)
        if format == "PROTOBUF":
            value = json_format.MessageToDict(value, preserving_proto_field_name=True)
        return {"value": value}

    def call(self, method, args):
        """A method of its registry client."""
        args = [registry.Schema(**arg) if isinstance(arg, dict) and "schema_str" in arg else arg for arg in args]
        try:
            result = getattr(self.client, method)(*args)
        except registry.SchemaRegistryError as error:
            return {"failure": {"status": error.http_status_code, "code": error.error_code}}
        return {"result": json.loads(json.dumps(result, default=_plain))}

    def _serializer(self, format, conf, schema=None, references=(), files=(), message=None):
        schema = _schema(format, schema, references)
        if format == "AVRO":
            return AvroSerializer(self.client, schema, conf=conf), lambda value: value
        if format == "JSON":
            return JSONSerializer(schema, self.client, conf=conf), lambda value: value
        type_ = _message_type(files, message)
        return ProtobufSerializer(type_, self.client, conf), lambda value: json_format.ParseDict(value, type_())

    def _deserializer(self, client, format, conf, schema=None, references=(), files=(), message=None):
        schema = _schema(format, schema, references)
        if format == "AVRO":
            return AvroDeserializer(client, schema, conf=conf)
        if format == "JSON":
            return JSONDeserializer(schema, schema_registry_client=client, conf=conf)
        return ProtobufDeserializer(_message_type(files, message), conf, client)

    def _new_client(self):
        return registry.SchemaRegistryClient({"url": URL, "max.retries": 0})


def _plain(each):
    return each.to_dict() if hasattr(each, "to_dict") else attrs.asdict(each)


def _schema(format, text, references):
    if text is None:
        return None
    references = [registry.SchemaReference(**reference) for reference in references]
    return registry.Schema(text, format, references)


def _message_type(files, message):
    """From descriptors in Protobuf's JSON form: nothing here compiles .proto files."""
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(json_format.ParseDict(file, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(message))


serve(Peer())

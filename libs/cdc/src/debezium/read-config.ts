const SERVER_PREFIX = 'debezium.'
const SOURCE = 'source.'
const SINK_PRODUCER = 'sink.kafka.producer.'
const FORMAT = /^format\.(key|value|header)(?:\.(.+))?$/

/** Formats of Debezium Server by the class of the converter that each stands for. */
const FORMATS: Readonly<Record<string, string>> = {
  json: 'org.apache.kafka.connect.json.JsonConverter',
  jsonbytearray: 'org.apache.kafka.connect.json.JsonConverter',
  simplestring: 'org.apache.kafka.connect.storage.StringConverter',
  binary: 'io.debezium.converters.BinaryDataConverter',
  avro: 'io.confluent.connect.avro.AvroConverter',
  protobuf: 'io.confluent.connect.protobuf.ProtobufConverter',
}

/**
 * Brings what files have into one form, by the names of Kafka Connect: `topic.prefix`,
 * `transforms.outbox.type`, `value.converter`. Later files win, so that a worker's properties may
 * stand before the connector.
 */
export function readDebeziumConfig(
  files: readonly ReadonlyMap<string, string>[],
): ReadonlyMap<string, string> {
  const all = new Map(files.flatMap((file) => [...file]))
  const isServer = [...all.keys()].some((key) => key.startsWith(SERVER_PREFIX))
  return isServer ? ofServer(all) : ofConnect(all)
}

/** The REST API takes `{"name": …, "config": {…}}`, which a reader of nested keys gives as config.… */
function ofConnect(all: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  if (!all.has('config.connector.class')) return all
  return new Map([...all].map(([key, value]) => [key.replace(/^config\./, ''), value]))
}

function ofServer(all: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const entries = new Map<string, string>([
    ['key.converter', FORMATS['json'] ?? ''],
    ['value.converter', FORMATS['json'] ?? ''],
    ['header.converter', FORMATS['json'] ?? ''],
  ])
  for (const [name, value] of all) {
    const key = name.startsWith(SERVER_PREFIX) ? name.slice(SERVER_PREFIX.length) : name
    const [isFormat, part, rest] = FORMAT.exec(key) ?? []
    if (key.startsWith(SOURCE)) entries.set(key.slice(SOURCE.length), value)
    else if (key === `${SINK_PRODUCER}bootstrap.servers`) entries.set('bootstrap.servers', value)
    else if (isFormat === undefined) entries.set(key, value)
    else if (rest === undefined) entries.set(`${part}.converter`, FORMATS[value] ?? value)
    else entries.set(`${part}.converter.${rest}`, value)
  }
  return entries
}

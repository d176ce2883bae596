import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { type TlsOptions, createServer as createTlsServer } from 'node:tls'
import { Reader, Writer } from '@platformatic/kafka'

const NODE_ID = 1
const PARTITION_COUNT = 1
const API_KEYS = {
  produce: 0,
  fetch: 1,
  metadata: 3,
  saslHandshake: 17,
  apiVersions: 18,
  initProducerId: 22,
  saslAuthenticate: 36,
} as const
const INVALID_TOPIC_EXCEPTION = 17
const UNSUPPORTED_SASL_MECHANISM = 33

/** What happens to one Produce request. */
export type ProduceFault =
  | { readonly kind: 'answer' }
  /** The batch is stored, then the connection is reset before the answer. */
  | { readonly kind: 'store-then-reset' }
  | { readonly kind: 'reset' }
  /** The batch is stored; the answer never comes, the connection stays. */
  | { readonly kind: 'store-then-silence' }
  | { readonly kind: 'error'; readonly errorCode: number }

/**
 * A broker of one topic with one partition, for tests of what the network can do to a client. It
 * answers exactly the versions that the client picks from its ranges, checks sequences as Kafka
 * does, and follows a script of faults, one per Produce request.
 */
export class FakeBroker {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #cutOff = new WeakSet<Socket>()
  readonly #faults: ProduceFault[]
  /** Values of the stored records, in order. */
  readonly stored: string[] = []
  produceRequestCount = 0
  fetchRequestCount = 0
  metadataRequestCount = 0
  /** Of the partition, in the metadata. */
  leaderEpoch = 0
  /** Where clients are told to find it; undefined: where it is. */
  advertisedPort: number | undefined
  /**
   * What Fetch requests are answered with, one after the other; behind the last one they wait. `throttled` names no
   * partition, as to clients that are beyond their quota.
   */
  readonly fetchErrorCodes: (number | 'throttled')[] = []
  /** Of clients that wanted to say who they are. */
  handshakeCount = 0
  /** For how long they are believed, 0: for ever; undefined: all of them are refused. */
  saslSessionMs: number | undefined
  initProducerIdArguments: { producerId: bigint; producerEpoch: number } | undefined
  #nextSequence = 0
  #isAway = false

  private constructor(faults: readonly ProduceFault[], tls: TlsOptions | undefined) {
    this.#faults = [...faults]
    const accept = (socket: Socket) => this.#accept(socket)
    this.#server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept)
  }

  static async listen(faults: readonly ProduceFault[] = [], tls?: TlsOptions): Promise<FakeBroker> {
    const broker = new FakeBroker(faults, tls)
    await new Promise<void>((resolve) => {
      broker.#server.listen(0, '127.0.0.1', resolve)
    })
    return broker
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  get connectionCount(): number {
    return this.#sockets.size
  }

  /** What comes through the connections that there are is lost from now on, without a word to the client. */
  cutOff(): void {
    for (const socket of this.#sockets) this.#cutOff.add(socket)
  }

  /** Ends all connections, and those that come, until {@link comeBack}. */
  hangUp(): void {
    this.#isAway = true
    this.#destroySockets()
  }

  comeBack(): void {
    this.#isAway = false
  }

  async close(): Promise<void> {
    this.#destroySockets()
    await new Promise((resolve) => {
      this.#server.close(resolve)
    })
  }

  #destroySockets(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    if (this.#isAway) socket.destroy()
    let buffered: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      if (this.#cutOff.has(socket)) return
      buffered = Buffer.concat([buffered, chunk])
      while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
        const end = 4 + buffered.readInt32BE(0)
        this.#handle(socket, buffered.subarray(4, end))
        buffered = buffered.subarray(end)
      }
    })
  }

  #handle(socket: Socket, frame: Buffer): void {
    const reader = Reader.from(frame)
    const apiKey = reader.readInt16()
    reader.readInt16()
    const correlationId = reader.readInt32()
    reader.readString(false)
    if (reader.remaining > 0) reader.readTaggedFields()
    const respond = (body: Writer, hasHeaderTags = true) => {
      const response = Writer.create().appendInt32(correlationId)
      if (hasHeaderTags) response.appendTaggedFields()
      socket.write(response.appendFrom(body).prependLength().buffer)
    }
    switch (apiKey) {
      case API_KEYS.apiVersions:
        respond(apiVersionsBody(), false)
        break
      case API_KEYS.saslHandshake:
        this.handshakeCount += 1
        respond(
          Writer.create()
            .appendInt16(this.saslSessionMs === undefined ? UNSUPPORTED_SASL_MECHANISM : 0)
            .appendArray([], () => undefined, false, false),
          false,
        )
        break
      case API_KEYS.saslAuthenticate:
        respond(
          Writer.create()
            .appendInt16(0)
            .appendString(null)
            .appendBytes(Buffer.alloc(0))
            .appendInt64(BigInt(this.saslSessionMs ?? 0))
            .appendTaggedFields(),
        )
        break
      case API_KEYS.metadata:
        this.metadataRequestCount += 1
        respond(
          metadataBody(this.advertisedPort ?? this.#port, metadataTopics(reader), this.leaderEpoch),
        )
        break
      case API_KEYS.initProducerId:
        reader.readNullableString()
        reader.readInt32()
        this.initProducerIdArguments = {
          producerId: reader.readInt64(),
          producerEpoch: reader.readInt16(),
        }
        respond(
          Writer.create()
            .appendInt32(0)
            .appendInt16(0)
            .appendInt64(42n)
            .appendInt16(0)
            .appendTaggedFields(),
        )
        break
      case API_KEYS.produce:
        this.#produce(socket, reader, respond)
        break
      case API_KEYS.fetch:
        this.fetchRequestCount += 1
        this.#fetch(respond)
        break
      default:
        socket.destroy()
    }
  }

  /** A long poll that never ends, unless it was told what to answer. */
  #fetch(respond: (body: Writer) => void): void {
    const errorCode = this.fetchErrorCodes.shift()
    if (errorCode !== undefined) respond(fetchBody(errorCode))
  }

  #produce(socket: Socket, reader: Reader, respond: (body: Writer) => void): void {
    this.produceRequestCount += 1
    const fault = this.#faults.shift() ?? { kind: 'answer' }
    const batch = produceBatch(reader)
    switch (fault.kind) {
      case 'reset':
        socket.resetAndDestroy()
        break
      case 'store-then-reset':
        this.#store(batch)
        socket.resetAndDestroy()
        break
      case 'store-then-silence':
        this.#store(batch)
        break
      case 'error':
        respond(produceBody(fault.errorCode, -1))
        break
      case 'answer':
        respond(this.#store(batch))
        break
    }
  }

  #store(batch: Buffer): Writer {
    const baseSequence = batch.readInt32BE(53)
    if (baseSequence < this.#nextSequence) return produceBody(0, baseSequence)
    if (baseSequence > this.#nextSequence) return produceBody(45, -1)
    const reader = Reader.from(batch)
    reader.skip(57)
    const recordCount = reader.readInt32()
    for (let index = 0; index < recordCount; index += 1) {
      reader.readVarInt()
      reader.readInt8()
      reader.readVarInt64()
      reader.readVarInt()
      reader.readVarIntBytes()
      this.stored.push(String(reader.readVarIntBytes()))
      reader.readVarIntArray(() => [reader.readVarIntBytes(), reader.readVarIntBytes()])
    }
    this.#nextSequence += recordCount
    return produceBody(0, baseSequence)
  }
}

/** The one batch of a Produce request, version 9. */
function produceBatch(reader: Reader): Buffer {
  reader.readNullableString()
  reader.readInt16()
  reader.readInt32()
  const topics = reader.readArray(() => {
    reader.readString()
    return reader.readArray(() => {
      reader.readInt32()
      return reader.readBytes()
    })
  })
  return topics[0]?.[0] ?? Buffer.alloc(0)
}

function apiVersionsBody(): Writer {
  const ranges = [
    [API_KEYS.produce, 3, 9],
    [API_KEYS.fetch, 4, 12],
    [API_KEYS.metadata, 0, 11],
    [API_KEYS.apiVersions, 0, 3],
    [API_KEYS.initProducerId, 0, 4],
  ] as const
  return Writer.create()
    .appendInt16(0)
    .appendArray([...ranges], (writer, [key, minVersion, maxVersion]) => {
      writer.appendInt16(key).appendInt16(minVersion).appendInt16(maxVersion)
    })
    .appendInt32(0)
    .appendTaggedFields()
}

/** Those of a Metadata request, version 11. */
function metadataTopics(reader: Reader): readonly string[] {
  return reader.readArray(() => {
    reader.readUUID()
    return reader.readString()
  })
}

/** There is the topic `t`; the names of all others are invalid. */
function metadataBody(port: number, topics: readonly string[], leaderEpoch: number): Writer {
  const partitions = Array.from({ length: PARTITION_COUNT }, (_, partition) => partition)
  const nodes = (writer: Writer) =>
    writer.appendArray([NODE_ID], (w, id) => w.appendInt32(id), true, false)
  return Writer.create()
    .appendInt32(0)
    .appendArray([NODE_ID], (writer, nodeId) => {
      writer.appendInt32(nodeId).appendString('127.0.0.1').appendInt32(port).appendString(null)
    })
    .appendString('fake')
    .appendInt32(NODE_ID)
    .appendArray([...topics], (writer, topic) => {
      const errorCode = topic === 't' ? 0 : INVALID_TOPIC_EXCEPTION
      writer.appendInt16(errorCode).appendString(topic).appendUUID(null).appendBoolean(false)
      writer.appendArray(topic === 't' ? partitions : [], (w, partition) => {
        w.appendInt16(0).appendInt32(partition).appendInt32(NODE_ID).appendInt32(leaderEpoch)
        nodes(w)
        nodes(w)
        w.appendArray([], () => undefined, true, false)
      })
      writer.appendInt32(-1)
    })
    .appendTaggedFields()
}

/** Of Fetch, version 12: one partition without records. */
function fetchBody(errorCode: number | 'throttled'): Writer {
  return Writer.create()
    .appendInt32(0)
    .appendInt16(0)
    .appendInt32(0)
    .appendArray(errorCode === 'throttled' ? [] : ['t'], (topics, topic) => {
      topics.appendString(topic).appendArray([0], (writer, partition) => {
        writer
          .appendInt32(partition)
          .appendInt16(Number(errorCode))
          .appendInt64(0n)
          .appendInt64(0n)
          .appendInt64(0n)
          .appendArray([], () => undefined)
          .appendInt32(-1)
          .appendString('')
      })
    })
    .appendTaggedFields()
}

function produceBody(errorCode: number, baseOffset: number): Writer {
  return Writer.create()
    .appendArray(['t'], (topics, topic) => {
      topics.appendString(topic).appendArray([0], (writer, partition) => {
        writer
          .appendInt32(partition)
          .appendInt16(errorCode)
          .appendInt64(BigInt(baseOffset))
          .appendInt64(-1n)
          .appendInt64(0n)
          .appendArray([], () => undefined)
          .appendString(null)
      })
    })
    .appendInt32(0)
    .appendTaggedFields()
}

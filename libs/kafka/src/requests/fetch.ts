import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import type { Isolation } from '../clients.ts'
import { type Exchange, exchangeOf } from './exchange.ts'

const FETCH_KEY = 1
const CONSUMER_REPLICA_ID = -1
/** A response comes with the first record. */
const MIN_BYTES = 1
/** `IsolationLevel` of the protocol. */
export const ISOLATIONS = { read_uncommitted: 0, read_committed: 1 } as const
const NO_SESSION = { id: 0, epoch: -1 } as const
/** A leader epoch that is not known. */
export const NO_EPOCH = -1
const FOLLOWERS_LOG_START = -1

export type FetchCall = {
  readonly topic: string
  readonly partition: number
  readonly fetchOffset: number
  readonly maxWaitMs: number
  readonly maxBytes: number
  /** Undefined: whichever topic has the name. */
  readonly topicId: string | undefined
  readonly lastFetchedEpoch: number
  readonly isolation?: Isolation
}

/** Of a producer, from this offset on until its next control batch. */
export type AbortedTransaction = { readonly producerId: number; readonly firstOffset: number }

export type FetchAnswer = {
  readonly errorCode: number
  readonly highWatermark: number
  readonly logStartOffset: number
  /** Only with `read_committed`. */
  readonly abortedTransactions: readonly AbortedTransaction[]
  readonly batches: Uint8Array
  /** Where the log ends for the epoch that was last fetched, when that is before the fetch offset. */
  readonly divergingEndOffset: number | undefined
}

const BY_NAME_VERSION = 12
const BY_ID_VERSION = 13
/** Tag of the diverging epoch in the answer of a partition. */
const DIVERGING_EPOCH_TAG = 0
const UUID_BYTES = 16

/**
 * Fetch (key 1) of one partition and outside fetch sessions (KIP-227): version 13, which names the topic
 * by its id, or 12, by its name. By name, a topic that is deleted and created again goes on under
 * the same name, with OFFSET_OUT_OF_RANGE as the only sign.
 *
 * The current leader epoch is not sent (-1), a preferred read replica is not followed. The answer is undefined
 * for a client that is beyond its quota: the broker then names no partition, and reads nothing more from the
 * connection for a while.
 */
export function fetchExchange(call: FetchCall): Exchange<FetchAnswer | undefined> {
  const version = call.topicId === undefined ? BY_NAME_VERSION : BY_ID_VERSION
  return exchangeOf(
    { key: FETCH_KEY, version },
    {
      encode: (writer) => encodeFetch(writer, call),
      decode: (reader) => decodeFetch(reader, call),
    },
  )
}

function encodeFetch(writer: ByteWriter, call: FetchCall): void {
  writer.int32(CONSUMER_REPLICA_ID).int32(call.maxWaitMs).int32(MIN_BYTES).int32(call.maxBytes)
  writer.int8(ISOLATIONS[call.isolation ?? 'read_uncommitted'])
  writer.int32(NO_SESSION.id).int32(NO_SESSION.epoch)
  writer.array([call], ({ topic, topicId, partition, fetchOffset, lastFetchedEpoch, maxBytes }) => {
    if (topicId === undefined) writer.string(topic)
    else writer.uuid(topicId)
    writer.array([partition], () => {
      writer.int32(partition).int32(NO_EPOCH).int64(fetchOffset).int32(lastFetchedEpoch)
      writer.int64(FOLLOWERS_LOG_START).int32(maxBytes).tags()
    })
    writer.tags()
  })
  writer.array([], () => undefined)
  writer.string('').tags()
}

function decodeFetch(reader: ByteReader, { topicId }: FetchCall): FetchAnswer | undefined {
  reader.int32()
  const errorCode = reader.int16()
  reader.int32()
  const answers = reader
    .array(() => {
      if (topicId === undefined) reader.nullableString()
      else reader.view(UUID_BYTES)
      const partitions = reader.array(() => decodePartition(reader))
      reader.skipTaggedFields()
      return partitions
    })
    .flat()
  const failed = {
    errorCode,
    highWatermark: -1,
    logStartOffset: -1,
    abortedTransactions: [],
    batches: new Uint8Array(),
    divergingEndOffset: undefined,
  }
  return errorCode === 0 ? answers[0] : failed
}

function decodePartition(reader: ByteReader): FetchAnswer {
  reader.int32()
  const errorCode = reader.int16()
  const highWatermark = reader.int64()
  reader.int64()
  const logStartOffset = reader.int64()
  const abortedTransactions = reader.array(() => {
    const aborted = { producerId: reader.int64(), firstOffset: reader.int64() }
    reader.skipTaggedFields()
    return aborted
  })
  reader.int32()
  const batches = reader.nullableBytes() ?? new Uint8Array()
  let divergingEndOffset: number | undefined
  reader.taggedFields((tag) => {
    if (tag === DIVERGING_EPOCH_TAG) divergingEndOffset = decodeEndOffset(reader)
  })
  const offsets = { highWatermark, logStartOffset, divergingEndOffset }
  return { errorCode, ...offsets, abortedTransactions, batches }
}

/** Of an EpochEndOffset; -1 stands for none. */
function decodeEndOffset(reader: ByteReader): number | undefined {
  reader.int32()
  const endOffset = reader.int64()
  return endOffset < 0 ? undefined : endOffset
}

import {
  type AssignedPartition,
  type ClientOptions,
  type GroupMember,
  KafkaError,
  createAdmin,
  createGroupMember,
} from '@fairlead/kafka'
import { EXIT, type ExitCode } from '../command/command.ts'
import type { CatOptions } from './cat-options.ts'
import type { CatTerminal } from './cat.ts'
import { RecordSink } from './consume.ts'

const MAX_WAIT_MS = 500
const MAX_BYTES = 1_048_576

/**
 * Joins a group and prints what its partitions get; an offset is committed when its records are
 * printed. With `-e` it ends when every assigned partition was read to its end.
 */
export async function consumeGroup(
  client: ClientOptions,
  options: CatOptions,
  terminal: CatTerminal,
): Promise<ExitCode> {
  const admin = createAdmin(client)
  const stop = Promise.withResolvers<void>()
  const sink = new RecordSink(options, terminal, () => stop.resolve())
  let generation = new Generation()
  const member: GroupMember = createGroupMember({
    ...client,
    groupId: options.groupId ?? '',
    topics: options.operands,
    onAssigned: (partitions) => {
      const assigned = new Generation()
      generation = assigned
      assigned.running = Promise.all(
        partitions.map((partition) => follow(member, partition, assigned)),
      ).then(
        () => {
          if (options.exitAtEnd && partitions.length > 0 && !assigned.isRevoked) stop.resolve()
        },
        (error: unknown) => stop.reject(error),
      )
    },
    onRevoked: async () => {
      generation.isRevoked = true
      await generation.running
    },
    onError: (error) => {
      if (!error.retryable) stop.reject(error)
    },
  })

  const follow = async (
    from: GroupMember,
    assigned: AssignedPartition,
    current: Generation,
  ): Promise<void> => {
    const { topic, partition } = assigned
    let fromOffset =
      assigned.committedOffset ??
      (await admin.listOffsets({ topic, partition, timestamp: startOf(options) }))
    while (!current.isRevoked && !terminal.signal.aborted) {
      try {
        const target = { topic, partition, fromOffset, maxWaitMs: MAX_WAIT_MS, maxBytes: MAX_BYTES }
        const { records, nextOffset, highWatermark } = await from.fetch(target)
        await sink.print(records)
        if (nextOffset !== fromOffset) await from.commit([{ topic, partition, offset: nextOffset }])
        fromOffset = nextOffset
        if (options.exitAtEnd && fromOffset >= highWatermark) return
      } catch (error) {
        if (isRebalance(error) || terminal.signal.aborted) return
        throw error
      }
    }
  }

  terminal.signal.addEventListener('abort', () => stop.resolve())
  try {
    await stop.promise
    return terminal.signal.aborted ? EXIT.interrupted : EXIT.ok
  } finally {
    generation.isRevoked = true
    await Promise.all([member.close(), admin.close()])
  }
}

/** What runs between an assignment and its revocation. */
class Generation {
  isRevoked = false
  running: Promise<unknown> = Promise.resolve()
}

const REBALANCE = new Set([
  'REBALANCE_IN_PROGRESS',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'NOT_ASSIGNED',
  'CLOSED',
  'ABORTED',
])

function isRebalance(error: unknown): boolean {
  return error instanceof KafkaError && REBALANCE.has(error.code)
}

/** Of a group that has committed nothing: Kafka's `auto.offset.reset`, whose default is the end. */
function startOf({ properties, start }: CatOptions): 'earliest' | 'latest' {
  const reset = properties['auto.offset.reset']
  const isEarliest = reset === 'earliest' || reset === 'beginning' || reset === 'smallest'
  return isEarliest || (reset === undefined && start.kind === 'beginning') ? 'earliest' : 'latest'
}

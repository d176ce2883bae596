import { EVENT_HEADERS, formatLsn, lsn } from '@fairlead/base'
import { createProducer, partitionOfKey } from '@fairlead/kafka'
import type { AnyEvent } from '@fairlead/projection'
import { createAvroSerde, createRegistryClient } from '@fairlead/serde'
import { type DepositEvents, POISON_AMOUNT, type Shape } from './accounts.ts'

/** Local: so many accounts are active at a time, each of them as often; one goes and one comes with every few deposits. */
const LOCAL_ACCOUNTS = 5_000
/** Hot: one account in a hundred gets nine deposits of ten. */
const HOT_SHARE = 0.9
const HOT_ACCOUNTS_SHARE = 0.01
/** Uniform: no account comes again within the batches of all partitions, so that nothing folds. */
const UNIFORM_ACCOUNTS_MIN = 40_000
/** Deposits per account on average. */
const DEPOSITS_PER_ACCOUNT = 10

const START_MS = Date.UTC(2026, 0, 1)
const START_LSN = 0x1_0000_0000n
const WAL_BYTES_PER_EVENT = 512n
const SEND_RECORDS = 2_000

/** Each event in its partition, in the order of the log. */
export type Deposits = readonly (readonly AnyEvent[])[]

export function deposits(
  events: DepositEvents,
  options: {
    readonly shape: Shape
    readonly count: number
    readonly partitions: number
    /** Share of accounts that get a deposit which the projections refuse. */
    readonly poisonShare?: number
  },
): Deposits {
  const { shape, count, partitions, poisonShare = 0 } = options
  const random = numbers()
  const poisoned = new Set<string>()
  const logs: AnyEvent[][] = Array.from({ length: partitions }, () => [])
  for (let position = 0; position < count; position += 1) {
    const account = accountOf(shape, { position, count, random })
    const key = accountId(account)
    const isPoison = account % 10_000 < poisonShare * 10_000 && !poisoned.has(key)
    if (isPoison) poisoned.add(key)
    const partition = partitionOfKey(Buffer.from(key), partitions)
    const log = logs[partition]
    if (log === undefined) throw new RangeError(`no partition ${partition}`)
    log.push({
      type: 'Deposited',
      data: {
        accountId: key,
        amount: isPoison ? POISON_AMOUNT : BigInt(1 + (position % 900)),
        branch: `branch-${position % 50}`,
        at: new Date(START_MS + position),
      },
      id: `event-${position}`,
      key,
      at: new Date(START_MS + position),
      source: { topic: events.topic, partition, offset: log.length },
      headers: {},
    })
  }
  return logs
}

/** Sends the events as the relay would: in commit order, encoded with the schema of the registry. */
export async function publish(
  events: DepositEvents,
  logs: Deposits,
  target: { readonly broker: string; readonly registry: string },
): Promise<void> {
  const serde = createAvroSerde({ registry: createRegistryClient({ url: target.registry }) })
  const schema = { schema: JSON.stringify(events.definitions.Deposited) }
  const encoder = await serde.encoder(`${events.topic}-bench.Deposited`, schema)
  const producer = createProducer({ bootstrapServers: [target.broker], clientId: 'bench' })
  const header = (name: string, text: string) => [name, Buffer.from(text)] as const
  const inOrder = logs.flat().sort((left, right) => left.at.getTime() - right.at.getTime())
  for (let first = 0; first < inOrder.length; first += SEND_RECORDS) {
    await producer.send(
      inOrder.slice(first, first + SEND_RECORDS).map((event, index) => ({
        topic: events.topic,
        partition: event.source.partition,
        key: Buffer.from(event.key),
        value: encoder.encode(event.data),
        headers: [
          header(EVENT_HEADERS.id, event.id),
          header(EVENT_HEADERS.type, event.type),
          header(
            EVENT_HEADERS.commitLsn,
            formatLsn(lsn(START_LSN + BigInt(first + index) * WAL_BYTES_PER_EVENT)),
          ),
          header(EVENT_HEADERS.commitIndex, '0'),
          header(EVENT_HEADERS.commitTimestampMs, String(event.at.getTime())),
        ],
        timestampMs: event.at.getTime(),
      })),
    )
  }
  await producer.close()
}

function accountOf(
  shape: Shape,
  at: { readonly position: number; readonly count: number; readonly random: () => number },
): number {
  const { position, count, random } = at
  const accounts = Math.max(100, Math.floor(count / DEPOSITS_PER_ACCOUNT))
  switch (shape) {
    case 'local':
      return Math.floor(position / DEPOSITS_PER_ACCOUNT) + Math.floor(random() * LOCAL_ACCOUNTS)
    case 'uniform':
      return position % Math.max(UNIFORM_ACCOUNTS_MIN, accounts)
    case 'hot': {
      const hot = Math.max(1, Math.floor(accounts * HOT_ACCOUNTS_SHARE))
      return random() < HOT_SHARE
        ? Math.floor(random() * hot)
        : hot + Math.floor(random() * (accounts - hot))
    }
  }
}

/** Spread over the index of the table, as random ids are. */
function accountId(account: number): string {
  const scattered = (Math.imul(account + 1, 0x9e37_79b1) >>> 0).toString(16).padStart(8, '0')
  return `${scattered}-0000-4000-8000-${String(account).padStart(12, '0')}`
}

/** The same in every run. */
function numbers(): () => number {
  let state = 1
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 0) / 2 ** 32
  }
}

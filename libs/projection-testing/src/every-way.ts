import type { PreparedRecord, Projection } from '@fairlead/projection'
import { Crash, type ReadModel, type RecordBatch } from './read-model.ts'
import { type HistoricEvent, recordOf } from './records.ts'

/** Up to so many events, batches are split in all ways, 2 to the power of the points between them. */
const EVENTS_SPLIT_ALL_WAYS_MAX = { memory: 8, sql: 4 } as const
/** A batch of a history as long as tests have them has fewer statements. */
const CRASH_POINTS_MAX = 1_000

/** One way to apply a history. */
export type Way = {
  /** For who reads that it made a difference. */
  readonly what: string
  /** As a rebuild does it: nothing that happens is new. */
  readonly isReplay: boolean
  /** Whether there was anything left of it to try. */
  readonly apply: (model: ReadModel) => Promise<boolean>
}

/**
 * The ways that are few enough to try each of them: batches split at every point (in all ways, for a short
 * history), a rebuild, which takes all events at once, and a crash behind each statement of such a batch.
 */
export function* everyWay(
  projection: Projection,
  history: readonly HistoricEvent[],
): Generator<Way> {
  const records = recordsOf(projection, history)
  const longest = EVENTS_SPLIT_ALL_WAYS_MAX[projection.kind === 'sql' ? 'sql' : 'memory']
  const splits = records.length <= longest ? allSplits(records.length) : twoParts(records.length)
  const oneByOne = records.map(() => 1)
  const others = [...splits].filter((sizes) => sizes.length < records.length)
  for (const sizes of [oneByOne, ...others]) {
    yield {
      what:
        sizes === oneByOne
          ? 'when the same events come one by one once more (its handlers are not pure)'
          : `in batches of ${sizes.join(', ')}`,
      isReplay: false,
      apply: async (model) => {
        for (const batch of batchesOf(records, sizes)) await model.apply(batch)
        return true
      },
    }
  }
  const all = batchesOf(records, [records.length])
  yield {
    what: 'in a rebuild',
    isReplay: true,
    apply: async (model) => {
      for (const batch of all) await model.apply(batch)
      return true
    },
  }
  for (let statement = 1; statement <= CRASH_POINTS_MAX; statement += 1) {
    let hasCrashed = false
    yield {
      what: `with a crash behind statement ${statement}`,
      isReplay: false,
      apply: async (model) => {
        for (const batch of all) {
          const isCrash = await crashes(model, batch, statement)
          if (isCrash) await model.apply(batch)
          hasCrashed ||= isCrash
        }
        return hasCrashed
      },
    }
    if (!hasCrashed) return
  }
}

async function crashes(model: ReadModel, batch: RecordBatch, statement: number): Promise<boolean> {
  try {
    await model.apply(batch, statement)
    return false
  } catch (error) {
    if (error instanceof Crash) return true
    throw error
  }
}

function recordsOf(
  projection: Projection,
  history: readonly HistoricEvent[],
): readonly PreparedRecord[] {
  const nextOffsets = new Map<string, number>()
  return history.map((historic) => {
    const { topic } = historic.event
    const offset = nextOffsets.get(topic) ?? 0
    nextOffsets.set(topic, offset + 1)
    return recordOf(projection, historic, offset)
  })
}

/** The sizes of the parts, in all ways. */
function* allSplits(count: number): Generator<readonly number[]> {
  if (count === 0) return yield []
  for (let first = 1; first <= count; first += 1) {
    for (const rest of allSplits(count - first)) yield [first, ...rest]
  }
}

function* twoParts(count: number): Generator<readonly number[]> {
  for (let first = 1; first <= count; first += 1) {
    yield first === count ? [first] : [first, count - first]
  }
}

/** Topics have no order among each other, and batches of their own. */
function batchesOf(
  records: readonly PreparedRecord[],
  sizes: readonly number[],
): readonly RecordBatch[] {
  let end = 0
  return sizes.flatMap((size) => {
    const part = records.slice(end, (end += size))
    return [...Map.groupBy(part, ({ record }) => record.topic)].map(([topic, ofTopic]) => ({
      topic,
      records: ofTopic,
    }))
  })
}

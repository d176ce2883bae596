import { DEFAULT_LOG_CONFIG, type LogConfig } from '@fairlead/log'
import type { SeededRandom } from '@fairlead/simulation'

/**
 * How one seed treats its log. Every seed draws other rates, many of them zero: rare combinations are
 * found by worlds that are made of little else (Groce and others, "Swarm Testing", 2012).
 */
export type LogSwarm = {
  readonly config: LogConfig
  readonly cacheBytes: number
  readonly producerCount: number
  readonly valueBytesMax: number
  readonly diskDelayMaxMs: number
  /** Weights of what happens next. */
  readonly weights: Readonly<Record<LogOperation, number>>
  /**
   * Whether power is ever lost; otherwise the disk may be full. Not both: what found no space is cut off
   * again, and when power takes back the cut, records are there that were refused.
   */
  readonly losesPower: boolean
  /** Chance that a life is one in which the disk fails once. */
  readonly diskFailureChance: number
  /** Chance that a life is one whose disk is nearly full. */
  readonly fullDiskChance: number
  /** Chance that a life begins on a full file system that copies on write: it takes not one byte. */
  readonly fullStartChance: number
  /** Chance that recovery is itself interrupted, each time. */
  readonly nestedCrashChance: number
  /** Chance that a bit is flipped between two lives. */
  readonly bitFlipChance: number
}

export type LogOperation =
  | 'append'
  | 'retry'
  | 'read'
  | 'lookUp'
  | 'checkpoint'
  | 'retain'
  | 'deleteRecords'
  | 'configure'
  | Ending

/** How a life of the log ends. */
export type Ending = 'close' | 'kill' | 'powerLoss'

export function drawLogSwarm(random: SeededRandom): LogSwarm {
  const sometimes = (chance: number) => random.pick([0, 0, chance])
  const losesPower = random.chance(0.7)
  const segmentBytes = random.pick([260, 900, 4000, 30_000])
  return {
    config: {
      ...DEFAULT_LOG_CONFIG,
      segmentBytes,
      indexIntervalBytes: random.pick([1, 100, 1000]),
      retentionMs: -1,
      durability: random.pick(['group', 'group', 'os']),
      messageTimestampType: random.pick(['CreateTime', 'CreateTime', 'LogAppendTime']),
    },
    cacheBytes: random.pick([0, 2000, 1_000_000]),
    producerCount: random.between(1, 4),
    valueBytesMax: random.pick([1, 60, 400]),
    diskDelayMaxMs: random.pick([0.1, 2, 10]),
    weights: {
      append: 100,
      retry: random.pick([0, 5, 20]),
      read: random.pick([0, 30, 100]),
      lookUp: random.pick([0, 3, 10]),
      checkpoint: random.pick([0, 1, 5]),
      retain: random.pick([0, 1, 5]),
      deleteRecords: random.pick([0, 0, 1, 3]),
      configure: random.pick([0, 1]),
      close: random.pick([0, 1]),
      kill: random.pick([0, 1, 3]),
      powerLoss: random.pick([0, 1, 3]),
    },
    losesPower,
    diskFailureChance: sometimes(0.3),
    fullDiskChance: losesPower ? 0 : 0.3,
    fullStartChance: sometimes(0.3),
    nestedCrashChance: random.pick([0, 0.3, 0.8]),
    bitFlipChance: sometimes(0.3),
  }
}

import type { DriverCommand } from './driver.ts'

/** One column group of the table of compatibility; in the order of the table. */
export const SCENARIOS = [
  'compression none',
  'compression gzip',
  'compression snappy',
  'compression lz4',
  'compression zstd',
  'headers, nulls',
  'large batches',
  'idempotent',
  'group',
  'cooperative',
  'static member',
  'admin',
  'transactions',
  'kill -9',
] as const

export type Scenario = (typeof SCENARIOS)[number]

/** A client of Kafka in whatever language, and how its driver is brought and started. */
export type Client = {
  readonly name: string
  readonly version: string
  readonly language: string
  /** Why this machine cannot run it; undefined when it can. */
  readonly absence: () => string | undefined
  /** Fetches and builds what is not in the cache. */
  readonly prepare: () => Promise<DriverCommand>
  /** What the client itself cannot do, and why. */
  readonly lacks: Readonly<Partial<Record<Scenario, string>>>
  /** Admin operations that the client does not have. */
  readonly lacksOperations?: readonly string[]
}

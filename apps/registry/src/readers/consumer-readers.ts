import type { SchemaRequest } from '@fairlead/schemas'

/** What a member of a consumer group tells: with this schema it reads data of a subject. */
export type ReaderReport = {
  readonly subject: string
  readonly group: string
  /** Tells the members of a group apart. */
  readonly member: string
  readonly schema: SchemaRequest
}

/** A schema with which members of a group read. */
export type ConsumerReader = {
  readonly group: string
  readonly schema: SchemaRequest
  readonly memberCount: number
  readonly lastSeenMs: number
}

type Entry = {
  readonly subject: string
  readonly group: string
  readonly schema: SchemaRequest
  readonly lastSeenMsByMember: Map<string, number>
}

/** A consumer that has told nothing for so long is taken as gone. Members tell every few minutes. */
const RETENTION_MS = 24 * 60 * 60 * 1_000
/** Of all subjects; the one that was told of the longest time ago goes first. */
const READERS_MAX = 10_000
const MEMBERS_MAX = 1_000

/**
 * The schemas with which consumers read, as they tell. Kept in memory: members tell every registry that
 * they know, again and again, so that one that was restarted soon knows them, too.
 */
export class ConsumerReaders {
  /** In the order of the last report. */
  readonly #entries = new Map<string, Entry>()
  readonly #nowMs: () => number

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  report({ subject, group, member, schema }: ReaderReport): void {
    const key = JSON.stringify([
      subject,
      group,
      schema.schemaType,
      schema.schema,
      schema.references,
    ])
    const lastSeenMsByMember = this.#entries.get(key)?.lastSeenMsByMember ?? new Map()
    this.#entries.delete(key)
    this.#entries.set(key, { subject, group, schema, lastSeenMsByMember })
    lastSeenMsByMember.delete(member)
    lastSeenMsByMember.set(member, this.#nowMs())
    dropOldest(lastSeenMsByMember, MEMBERS_MAX)
    dropOldest(this.#entries, READERS_MAX)
  }

  /** Who reads a subject now, by group. */
  of(subject: string): readonly ConsumerReader[] {
    const sinceMs = this.#nowMs() - RETENTION_MS
    const readers: ConsumerReader[] = []
    for (const [key, entry] of this.#entries) {
      if (entry.subject !== subject) continue
      const seenMs = [...entry.lastSeenMsByMember.values()].filter((ms) => ms > sinceMs)
      if (seenMs.length === 0) this.#entries.delete(key)
      else {
        const { group, schema } = entry
        readers.push({ group, schema, memberCount: seenMs.length, lastSeenMs: Math.max(...seenMs) })
      }
    }
    return readers.sort((left, right) => (left.group < right.group ? -1 : 1))
  }
}

function dropOldest(entries: Map<string, unknown>, countMax: number): void {
  const oldest = entries.keys().next()
  if (entries.size > countMax && oldest.done !== true) entries.delete(oldest.value)
}

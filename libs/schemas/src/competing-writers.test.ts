import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type Decision,
  type LogEntry,
  type RegistryRecord,
  SchemaRegistry,
  type SchemaRequest,
  encodeRecord,
} from './index.ts'

/** Several registries over one log, with every interleaving of their reading and writing. */

const SUBJECTS = ['a', 'b']
const SCHEMAS = ['"int"', '"long"', '"string"', '"bytes"', '["null","int"]']

type Step =
  | { readonly kind: 'read'; readonly writer: number }
  | {
      readonly kind: 'register'
      readonly writer: number
      readonly subject: string
      readonly schema: string
    }
  | {
      readonly kind: 'delete'
      readonly writer: number
      readonly subject: string
      readonly permanent: boolean
    }
  | { readonly kind: 'repair'; readonly writer: number }

const writer = fc.nat({ max: 2 })
const subject = fc.constantFrom(...SUBJECTS)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('read' as const), writer }),
  fc.record({
    kind: fc.constant('register' as const),
    writer,
    subject,
    schema: fc.constantFrom(...SCHEMAS),
  }),
  fc.record({ kind: fc.constant('delete' as const), writer, subject, permanent: fc.boolean() }),
  fc.record({ kind: fc.constant('repair' as const), writer }),
)

const request = (schema: string): SchemaRequest => ({
  schema,
  schemaType: 'AVRO',
  references: [],
  normalize: false,
})

const newRegistry = (): SchemaRegistry =>
  new SchemaRegistry({ defaultCompatibilityLevel: 'BACKWARD' })

class Log {
  readonly entries: LogEntry[] = []

  /** Appends a batch, and tells whether all of it counts. */
  append(records: readonly RegistryRecord[], expectedOffset: number): boolean {
    const counts = expectedOffset === this.entries.length
    for (const [index, record] of records.entries()) {
      const offset = this.entries.length
      this.entries.push({ offset, expectedOffset: expectedOffset + index, ...encodeRecord(record) })
    }
    return counts
  }
}

const readToEnd = (registry: SchemaRegistry, entries: readonly LogEntry[]): void => {
  for (const entry of entries) {
    if (entry.offset >= registry.log.nextOffset) registry.log.replay(entry)
  }
}

const stateOf = ({ view }: SchemaRegistry): unknown => ({
  highestIds: view.image.highestIds,
  versions: view
    .subjects({ deleted: true })
    .map((name) => [name, view.image.versions(name).map((version) => ({ ...version }))]),
})

const decide = (registry: SchemaRegistry, move: Step): Decision<unknown> | undefined => {
  switch (move.kind) {
    case 'register':
      return registry.decideRegister(move.subject, request(move.schema))
    case 'delete':
      return registry.decideDeleteSubject(move.subject, { permanent: move.permanent })
    case 'repair':
      return { records: registry.log.repairs(), response: { ok: true, value: undefined } }
    case 'read':
      return undefined
  }
}

type Answer = {
  readonly schemaId: number
  readonly version: number
  readonly subject: string
  readonly schema: string
}

/** Runs the steps; each writer decides on what it has read, which may be long out of date. */
const run = (steps: readonly Step[]) => {
  const log = new Log()
  const registries = [newRegistry(), newRegistry(), newRegistry()]
  const lost: (readonly RegistryRecord[])[] = [[], [], []]
  const answers: Answer[] = []
  for (const move of steps) {
    const registry = registries[move.writer] ?? newRegistry()
    const decision = decide(registry, move)
    if (decision === undefined) {
      readToEnd(registry, log.entries)
      continue
    }
    const batch = registry.log.withRepairs(decision.records, lost[move.writer] ?? [])
    const counts = log.append(batch, registry.log.nextOffset)
    if (batch.length > 0) lost[move.writer] = counts ? [] : batch
    if (!counts) continue
    if (move.kind === 'register' && decision.response.ok && decision.records.length > 0) {
      const { schemaId, version } = decision.response.value as { schemaId: number; version: number }
      answers.push({ schemaId, version, subject: move.subject, schema: move.schema })
      const reader = newRegistry()
      readToEnd(reader, log.entries)
      expect(reader.view.image.version(move.subject, version)).toMatchObject({ schemaId })
    }
  }
  return { log, registries, answers }
}

const steps = fc.array(step, { minLength: 1, maxLength: 60 })

test('an id that was answered is stored, never belongs to another schema, and is never given again', () => {
  fc.assert(
    fc.property(steps, (moves) => {
      const { answers } = run(moves)
      const schemaOf = new Map<number, string>()
      for (const { schemaId, schema } of answers) {
        expect(schemaOf.get(schemaId) ?? schema).toBe(schema)
        schemaOf.set(schemaId, schema)
      }
    }),
  )
})

test('all registries that have read the log agree, a new one included', () => {
  fc.assert(
    fc.property(steps, (moves) => {
      const { log, registries } = run(moves)
      const fresh = newRegistry()
      for (const registry of [fresh, ...registries]) {
        readToEnd(registry, log.entries)
        expect(stateOf(registry)).toEqual(stateOf(fresh))
      }
    }),
  )
})

test('once keys at risk are repaired, compaction of any part of the log changes nothing', () => {
  fc.assert(
    fc.property(steps, fc.double({ min: 0, max: 1, noNaN: true }), (moves, share) => {
      const { log, registries } = run(moves)
      const [registry = newRegistry()] = registries
      readToEnd(registry, log.entries)
      expect(log.append(registry.log.repairs(), registry.log.nextOffset)).toBe(true)
      readToEnd(registry, log.entries)
      expect(registry.log.repairs()).toEqual([])

      const cleanedBelow = Math.ceil(share * log.entries.length)
      const keyOf = (entry: LogEntry) => new TextDecoder().decode(entry.key ?? new Uint8Array())
      const lastOfKey = new Map(
        log.entries.slice(0, cleanedBelow).map((entry) => [keyOf(entry), entry.offset]),
      )
      const compacted = log.entries.filter(
        (entry) => entry.offset >= cleanedBelow || lastOfKey.get(keyOf(entry)) === entry.offset,
      )
      const fresh = newRegistry()
      readToEnd(fresh, compacted)
      expect(stateOf(fresh)).toEqual(stateOf(registry))
    }),
  )
})

test('a writer that comes second is refused by every reader, and succeeds when it decides again', () => {
  const log = new Log()
  const [first, second] = [newRegistry(), newRegistry()]
  const [one, two] = [
    first.decideRegister('a', request('"int"')),
    second.decideRegister('b', request('"long"')),
  ]
  expect([one, two].map(({ response }) => response)).toMatchObject([
    { value: { schemaId: 1 } },
    { value: { schemaId: 1 } },
  ])
  expect(log.append(one.records, 0)).toBe(true)
  expect(log.append(two.records, 0)).toBe(false)

  readToEnd(second, log.entries)
  const again = second.decideRegister('b', request('"long"'))
  expect(again.response).toMatchObject({ value: { schemaId: 2, version: 1 } })
  expect(log.append(again.records, second.log.nextOffset)).toBe(true)
})

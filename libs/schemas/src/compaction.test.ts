import { expect, test } from 'vitest'
import {
  type Decision,
  type LogEntry,
  SchemaRegistry,
  type SchemaRequest,
  encodeRecord,
} from './index.ts'

const utf8 = new TextEncoder()

/** A registry whose decisions are stored at once, and its log. */
class Kept {
  readonly registry = new SchemaRegistry({ defaultCompatibilityLevel: 'NONE' })
  readonly entries: LogEntry[] = []

  decided<Value>({ records, response }: Decision<Value>): Value | number {
    for (const record of records) {
      const expectedOffset = this.entries.length
      const kind = this.#append({ ...encodeRecord(record), expectedOffset })
      if (kind !== 'applied') throw new Error(`a decided record was ${kind}`)
    }
    return response.ok ? response.value : response.failure.errorCode
  }

  register(subject: string, schema: string, options: Partial<SchemaRequest> = {}) {
    const request = { schema, schemaType: 'AVRO', references: [], normalize: false, ...options }
    const answer = this.decided(this.registry.decideRegister(subject, request))
    return typeof answer === 'number' ? answer : [answer.schemaId, answer.version]
  }

  deleteSubject(subject: string, permanent = false) {
    return this.decided(this.registry.decideDeleteSubject(subject, { permanent }))
  }

  import(subject: string) {
    return this.decided(this.registry.decideMode(subject, 'IMPORT', { force: true }))
  }

  /** A record of another writer; with an expected offset it is one that came too late. */
  foreign(key: object, text: string, expectedOffset?: number): void {
    const [encoded, value] = [JSON.stringify(key), text].map((part) => utf8.encode(part))
    this.#append({ key: encoded ?? null, value: value ?? null, expectedOffset })
  }

  repair(): void {
    const records = this.registry.log.repairs()
    this.decided({ records, response: { ok: true, value: undefined } })
    if (this.registry.log.repairs().length > 0) throw new Error('keys are at risk after repairs')
  }

  /** One that starts after the last record of each key is all that there is. */
  restarted(): Kept {
    const keyOf = ({ key }: LogEntry): string => new TextDecoder().decode(key ?? undefined)
    const last = new Map(this.entries.map((entry) => [keyOf(entry), entry.offset]))
    const fresh = new Kept()
    for (const entry of this.entries) {
      if (last.get(keyOf(entry)) === entry.offset) fresh.registry.log.replay(entry)
    }
    return fresh
  }

  get state(): unknown {
    const { image } = this.registry.view
    const subjects = [...image.subjects].sort()
    return {
      highestIds: image.highestIds,
      versions: subjects.flatMap((subject) =>
        image
          .versions(subject)
          .map(({ version, schemaId, isDeleted }) => ({ subject, version, schemaId, isDeleted })),
      ),
    }
  }

  #append(entry: Omit<LogEntry, 'offset'>): string {
    const stored = { ...entry, offset: this.entries.length }
    this.entries.push(stored)
    return this.registry.log.replay(stored).kind
  }
}

const schemaKey = (subject: string, version: number) => ({
  keytype: 'SCHEMA',
  subject,
  version,
  magic: 1,
})

test.for([
  ['gives an id to another schema', '{"subject":"s","version":1,"id":2,"schema":"\\"bytes\\""}'],
  ['cannot be read', '{"subject":"s"}'],
  ['is no JSON', '{'],
])('a record that %s takes nothing away', ([, value = '']) => {
  const kept = new Kept()
  kept.register('s', '"int"')
  kept.register('t', '"long"')
  kept.foreign(schemaKey('s', 1), value)
  const { state } = kept
  kept.repair()
  expect(kept.state).toEqual(state)
  expect(kept.restarted().state).toEqual(state)
})

test('a record with an empty value removes, as Karapace does it, and is not taken back', () => {
  const kept = new Kept()
  kept.register('s', '"int"')
  kept.register('t', '"long"')
  kept.decided(kept.registry.decideMode('t', 'IMPORT', { force: true }))
  kept.foreign({ keytype: 'CONFIG', subject: 't', magic: 0 }, '{"compatibilityLevel":"FULL"}')
  kept.foreign(schemaKey('s', 1), '')
  kept.foreign({ keytype: 'CONFIG', subject: 't', magic: 0 }, '')
  kept.foreign({ keytype: 'MODE', subject: 't', magic: 0 }, '')
  expect(kept.state).toMatchObject({ versions: [{ subject: 't', version: 1, schemaId: 2 }] })
  const { image } = kept.registry.view
  expect([image.settings('t'), image.mode('t')]).toEqual([undefined, undefined])
  expect(kept.registry.log.repairs()).toEqual([])
})

test('what cannot be read, where nothing else is, stays for those who can', () => {
  const kept = new Kept()
  kept.foreign(schemaKey('s', 1), '{"subject":"s"}')
  expect(kept.registry.log.repairs()).toEqual([])
})

test('a deletion covers what an earlier one covered', () => {
  const kept = new Kept()
  kept.register('s', '"int"')
  kept.register('s', '"long"')
  expect(kept.deleteSubject('s')).toEqual([1, 2])
  kept.import('s')
  kept.register('s', '"bytes"', { schemaId: 9, version: 1 })
  expect(kept.deleteSubject('s')).toEqual([1])
  expect(kept.restarted().state).toEqual(kept.state)
})

test('the repair of a deletion deletes nothing that came after it', () => {
  const kept = new Kept()
  kept.register('s', '"int"')
  kept.register('s', '"long"')
  kept.deleteSubject('s')
  kept.decided(kept.registry.decideDeleteVersion('s', 2, { permanent: true }))
  expect(kept.register('s', '"bytes"')).toEqual([3, 2])
  kept.foreign(
    { keytype: 'DELETE_SUBJECT', subject: 's', magic: 0 },
    '{"subject":"s","version":2}',
    0,
  )
  const { state } = kept
  kept.repair()
  expect(kept.state).toEqual(state)
  expect(kept.restarted().state).toEqual(state)
})

test('an import over a version gives its id to nothing else', () => {
  const kept = new Kept()
  kept.import('s')
  kept.register('s', '"int"', { schemaId: 100, version: 1 })
  expect(kept.register('s', '"long"', { schemaId: 5, version: 1 })).toEqual([5, 1])
  expect(kept.state).toMatchObject({ highestIds: new Map([['.', 100]]) })
  expect(kept.restarted().state).toEqual(kept.state)
})

test('what is referred to is not replaced by an import, also not for what is soft-deleted', () => {
  const kept = new Kept()
  kept.import('r')
  kept.register('r', '"int"', { schemaId: 1, version: 1 })
  kept.register('s', '"string"', { references: [{ name: 'r', subject: 'r', version: 1 }] })
  const replace = (schema: string) => kept.register('r', schema, { schemaId: 9, version: 1 })
  expect(replace('"long"')).toBe(42206)
  kept.deleteSubject('s')
  expect(replace('"long"')).toBe(42206)
  kept.deleteSubject('r')
  expect(replace('"int"')).toEqual([9, 1])
  expect(kept.restarted().state).toEqual(kept.state)
})

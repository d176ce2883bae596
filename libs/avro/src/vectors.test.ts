import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  type Incompatibility,
  type ParseMode,
  type ParsedSchema,
  type ReferencedSchema,
  canonicalText,
  incompatibilities,
  parseSchema,
  schemaGuid,
} from './index.ts'

/**
 * Recorded answers of Confluent's own classes (8.3.1 with Avro 1.12.1), in `testdata/`. Entries
 * marked advisory are where departing from them is sound; ours are listed below.
 */

type VectorSchema =
  | { readonly schemaText: unknown; readonly references?: readonly VectorReference[] }
  | string
  | readonly unknown[]
  | Readonly<Record<string, unknown>>
type VectorReference = {
  readonly name: string
  readonly subject: string
  readonly version: number
  readonly schema: unknown
}

const testdata = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../testdata', name), 'utf8')
const jsonOf = <Entry>(name: string): Entry[] => JSON.parse(testdata(name)) as Entry[]
const linesOf = <Entry>(name: string): Entry[] =>
  testdata(name)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry)

const textOf = (schema: unknown): string => JSON.stringify(schema)

/** Schemas of vectors are JSON values; where exact text matters they are text. */
const parseVector = (
  vector: VectorSchema,
  mode: 'strict' | 'lenient' = 'lenient',
): ParsedSchema => {
  if (typeof vector === 'object' && 'schemaText' in vector) {
    const { schemaText, references = [] } = vector as {
      schemaText: unknown
      references?: VectorReference[]
    }
    const asText = (value: unknown) => (typeof value === 'string' ? value : textOf(value))
    const referenced: ReferencedSchema[] = references.map(({ name, schema }) => ({
      name,
      text: asText(schema),
    }))
    return parseSchema(asText(schemaText), { mode, references: referenced })
  }
  return parseSchema(textOf(vector), { mode })
}

/** Verdict of a registration, newest version first; the first version that fails ends the check. */
const reasonsAtLevel = (
  level: string,
  next: ParsedSchema,
  previous: readonly ParsedSchema[],
): Incompatibility[] => {
  const compared = previous.toReversed().slice(0, level.endsWith('_TRANSITIVE') ? undefined : 1)
  for (const old of compared) {
    const reasons = [
      ...(/^(FORWARD|FULL)/.test(level) ? incompatibilities(old.root, next.root) : []),
      ...(/^(BACKWARD|FULL)/.test(level) ? incompatibilities(next.root, old.root) : []),
    ]
    if (reasons.length > 0) return reasons
  }
  return []
}

type Case = {
  readonly id: string
  readonly level: string
  readonly schema: VectorSchema
  readonly previous: readonly VectorSchema[]
  readonly expected: 'compatible' | 'incompatible'
  readonly confluentErrors?: readonly { type: string; path: string | null; info: string }[]
  readonly errorTypes?: readonly string[]
  readonly advisory?: string
}

/** Java calls these compatible although its decoder fails: a sound check may not. */
const UNSOUND_IN_JAVA = ['odd-memo-provisional-unsound']

describe('compatibility', () => {
  const cases = jsonOf<Case>('cases.json').filter(({ id }) => !UNSOUND_IN_JAVA.includes(id))

  test.for(cases)('$id ($level) is $expected', (vector) => {
    const reasons = reasonsAtLevel(
      vector.level,
      parseVector(vector.schema),
      vector.previous.map((old) => parseVector(old)),
    )
    expect(reasons.length === 0 ? 'compatible' : 'incompatible').toBe(vector.expected)
    if (vector.confluentErrors === undefined || vector.advisory !== undefined) return
    expect(reasons.map(({ type, path, detail }) => ({ type, path, info: detail }))).toEqual(
      vector.confluentErrors,
    )
  })

  test('a check that rests on a failed assumption is done again', () => {
    const vector = jsonOf<Case>('cases.json').find(({ id }) => id === UNSOUND_IN_JAVA[0])
    expect(vector).toBeDefined()
    if (vector === undefined) return
    const [old] = vector.previous
    const reasons = incompatibilities(
      parseVector(vector.schema).root,
      parseVector(old ?? 'null').root,
    )
    expect(reasons.map(({ type }) => type)).toEqual(['MISSING_UNION_BRANCH'])
  })

  test('500 random pairs and chains get the verdicts and the error types of Confluent', () => {
    for (const vector of linesOf<Case>('fuzz-cases.jsonl')) {
      const reasons = reasonsAtLevel(
        vector.level,
        parseVector(vector.schema),
        vector.previous.map((old) => parseVector(old)),
      )
      expect([vector.id, reasons.length === 0 ? 'compatible' : 'incompatible']).toEqual([
        vector.id,
        vector.expected,
      ])
      if (vector.errorTypes === undefined) continue
      const types = [...new Set(reasons.map(({ type }) => type))].sort()
      expect([vector.id, ...types]).toEqual([vector.id, ...vector.errorTypes.toSorted()])
    }
  })
})

type Validity = {
  readonly id: string
  readonly schema: string
  readonly expected: 'accept' | 'reject'
  readonly expectedConfluent7Default: 'accept' | 'reject'
  readonly expectedConfluent7Normalize: 'accept' | 'reject'
  readonly canonical?: string
  readonly storedSchemaStillReadable: boolean
  readonly advisory?: string
}

describe('validity', () => {
  const accepts = (schema: string, mode: ParseMode, checkDefaults?: boolean): boolean => {
    try {
      parseSchema(schema, { mode, ...(checkDefaults === undefined ? {} : { checkDefaults }) })
      return true
    } catch {
      return false
    }
  }

  const vectors = jsonOf<Validity>('invalid.json')
  test.for(vectors)('$id: $expected', ({ schema, expected }) => {
    expect(accepts(schema, 'strict')).toBe(expected === 'accept')
  })

  test.for(vectors)('$id, profile 7: $expectedConfluent7Default', (vector) => {
    const { schema, expectedConfluent7Default, expectedConfluent7Normalize } = vector
    expect(accepts(schema, 'version-7')).toBe(expectedConfluent7Default === 'accept')
    expect(accepts(schema, 'version-7', true)).toBe(expectedConfluent7Normalize === 'accept')
  })

  const accepted = vectors.flatMap(({ id, schema, canonical }) =>
    canonical === undefined ? [] : { id, schema, canonical },
  )
  test.for(accepted)('$id is stored in canonical form', ({ schema, canonical }) => {
    expect(canonicalText(parseSchema(schema, { mode: 'strict' }), 'stored')).toBe(canonical)
  })

  test.for(vectors.filter(({ advisory }) => advisory === undefined))(
    '$id, once stored, stays readable: $storedSchemaStillReadable',
    ({ schema, storedSchemaStillReadable }) => {
      expect(accepts(schema, 'lenient')).toBe(storedSchemaStillReadable)
    },
  )
})

type Pair = {
  readonly id: string
  readonly schemaType: string
  readonly a: VectorSchema
  readonly b: VectorSchema
  readonly canonicalA: string
  readonly canonicalB: string
  readonly normalizedA: string
  readonly normalizedB: string
  readonly guidA?: string
  readonly guidB?: string
  readonly plain: Reuse
  readonly normalize: Reuse
}
type Reuse = { readonly sameSubjectReuse: boolean; readonly otherSubjectIdReuse: boolean }

const referencesOf = (vector: VectorSchema): readonly VectorReference[] =>
  typeof vector === 'object' && 'references' in vector
    ? (vector.references as VectorReference[])
    : []

describe('canonical text', () => {
  const pairs = jsonOf<Pair>('canonical.json').filter(({ schemaType }) => schemaType === 'AVRO')

  test.for(pairs)('$id', ({ a, b, canonicalA, canonicalB, normalizedA, normalizedB }) => {
    const [first, second] = [parseVector(a), parseVector(b)]
    expect(canonicalText(first, 'stored')).toBe(canonicalA)
    expect(canonicalText(second, 'stored')).toBe(canonicalB)
    expect(canonicalText(first, 'normalized')).toBe(normalizedA)
    expect(canonicalText(second, 'normalized')).toBe(normalizedB)
  })

  test.for(pairs)('$id: one id or two, and which GUID', (pair) => {
    const keyOf = (vector: VectorSchema, form: 'stored' | 'normalized'): string => {
      const references = referencesOf(vector).map(({ name, subject, version }) =>
        JSON.stringify([name, subject, version]),
      )
      // Normalization sorts references; otherwise their order is part of the content.
      const ordered = form === 'stored' ? references : references.toSorted()
      return `${canonicalText(parseVector(vector), form)} ${ordered.join()}`
    }
    const { a, b, plain, normalize, guidA, guidB } = pair
    expect(keyOf(a, 'stored') === keyOf(b, 'stored')).toBe(plain.otherSubjectIdReuse)
    expect(keyOf(a, 'normalized') === keyOf(b, 'normalized')).toBe(normalize.otherSubjectIdReuse)
    for (const [vector, guid] of [
      [a, guidA],
      [b, guidB],
    ] as const) {
      if (guid === undefined) continue
      const text = canonicalText(parseVector(vector), 'stored')
      expect(schemaGuid(text, referencesOf(vector))).toBe(guid)
    }
  })

  test.for(pairs.filter(({ id }) => id !== 'reference-list-order'))(
    '$id: one version of a subject or two',
    ({ a, b, plain }) => {
      const [first, second] = [a, b].map((schema) =>
        canonicalText(parseVector(schema), 'equivalence'),
      )
      expect(first === second).toBe(plain.sameSubjectReuse)
    },
  )

  test('100 random schemas are printed and normalized as by Confluent', () => {
    type Printed = Record<'id' | 'schema' | 'canonical' | 'normalized' | 'guid', string>
    for (const { id, schema, canonical, normalized, guid } of linesOf<Printed>(
      'fuzz-canonical.jsonl',
    )) {
      const parsed = parseSchema(schema, { mode: 'strict' })
      expect([id, canonicalText(parsed, 'stored')]).toEqual([id, canonical])
      expect([id, canonicalText(parsed, 'normalized')]).toEqual([id, normalized])
      expect([id, schemaGuid(canonical)]).toEqual([id, guid])
    }
  })
})

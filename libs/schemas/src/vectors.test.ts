import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isCompatibleChange } from './json-schema/difference.ts'
import { jsonDifferences } from './json-schema/json-differences.ts'
import { loadJsonSchema } from './json-schema/load-json-schema.ts'
import { isCompatibleProtoChange } from './protobuf/difference.ts'
import { loadProto } from './protobuf/load-proto.ts'
import { protoDifferences } from './protobuf/proto-differences.ts'

/** What Confluent's rules say of JSON Schema and Protobuf, read from its sources: `testdata/`. */

type Case = {
  readonly id: string
  readonly level: string
  readonly schema: unknown
  readonly previous: readonly unknown[]
  readonly expected: 'compatible' | 'incompatible'
  readonly confluentDifference: readonly string[]
}

const casesOf = (name: string): Case[] =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../testdata', name), 'utf8')) as Case[]

/** Both files hold pairs at level BACKWARD only: old data must stay valid. */
const oldOf = ({ level, previous }: Case): unknown => {
  expect([level, previous.length]).toEqual(['BACKWARD', 1])
  return previous[0]
}

/** Annotations never matter to a verdict, and are not compared. */
const ANNOTATIONS = ['TITLE_CHANGED', 'DESCRIPTION_CHANGED', 'DEFAULT_CHANGED', 'ID_CHANGED']

/** Every difference that is listed was found, and beyond them none that refuses. */
const expectTypes = <Difference extends { readonly type: string }>(
  differences: readonly Difference[],
  { confluentDifference }: Case,
  isCompatible: (difference: Difference) => boolean,
): void => {
  const listed = confluentDifference.filter((type) => !ANNOTATIONS.includes(type))
  expect(differences.map(({ type }) => type)).toEqual(expect.arrayContaining(listed))
  const refusing = differences.filter((difference) => !isCompatible(difference))
  expect(listed).toEqual(expect.arrayContaining(refusing.map(({ type }) => type)))
}

describe('JSON Schema', () => {
  test.for(casesOf('jsonschema-cases.json'))('$id is $expected', (vector) => {
    const [old, next] = [oldOf(vector), vector.schema].map(
      (schema) => loadJsonSchema(JSON.stringify(schema), []).root,
    )
    if (old === undefined || next === undefined) throw new Error('two schemas')
    const differences = jsonDifferences(old, next, { isLenient: false })
    expectTypes(differences, vector, (difference) => isCompatibleChange(difference, false))
    const isCompatible = differences.every((difference) => isCompatibleChange(difference, false))
    expect(isCompatible ? 'compatible' : 'incompatible').toBe(vector.expected)
  })
})

describe('Protobuf', () => {
  test.for(casesOf('protobuf-cases.json'))('$id is $expected', (vector) => {
    const [old, next] = [oldOf(vector), vector.schema].map((schema) =>
      loadProto(String(schema), [], { isStrict: true }),
    )
    if (old === undefined || next === undefined) throw new Error('two schemas')
    const differences = protoDifferences(old, next)
    expectTypes(differences, vector, isCompatibleProtoChange)
    const isCompatible = differences.every(isCompatibleProtoChange)
    expect(isCompatible ? 'compatible' : 'incompatible').toBe(vector.expected)
  })
})

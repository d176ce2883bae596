import { JSON_DEPTH_MAX } from './json/read-json.ts'
import type { AvroSchema, NamedSchema } from './schema.ts'
import { isNamed } from './schema.ts'
import { SchemaError } from './schema-error.ts'

/** A record, its fields and one of them. */
const LEVELS_OF_FIELD = 3

/**
 * Types that are used before their definition may nest deeper than their text does, and the canonical
 * text has each where it is used first: nobody could read that again. It has none of the `external` ones.
 *
 * @throws {SchemaError}
 */
export function checkNesting(root: AvroSchema, external: Iterable<NamedSchema>): void {
  const known = new Set(external)
  const check = (schema: AvroSchema, depth: number): void => {
    if (isNamed(schema)) {
      if (known.has(schema)) return
      known.add(schema)
    }
    if (depth > JSON_DEPTH_MAX) {
      throw new SchemaError(
        `Types nest deeper than ${JSON_DEPTH_MAX} levels of JSON`,
        schema.pointer,
      )
    }
    if (schema.kind === 'record') {
      for (const { type } of schema.fields) check(type, depth + LEVELS_OF_FIELD)
    } else if (schema.kind === 'union') {
      for (const branch of schema.branches) check(branch, depth + 1)
    } else if (schema.kind === 'array') {
      check(schema.items, depth + 1)
    } else if (schema.kind === 'map') {
      check(schema.values, depth + 1)
    }
  }
  check(root, 0)
}

import { assertNever } from '@fairlead/base'
import type { JsonValue } from './json/json-value.ts'
import type { AvroSchema, RecordField } from './schema.ts'

const INT_MIN = -(2n ** 31n)
const INT_MAX = 2n ** 31n - 1n
const LONG_MIN = -(2n ** 63n)
const LONG_MAX = 2n ** 63n - 1n

/** Whether the defaults of fields fit, as far as that is known; false while one is being checked. */
export type CheckedDefaults = Map<RecordField, boolean>

/**
 * Whether `value` may stand as the default of `schema`, as Avro in Java checks it: the length of a
 * fixed and the symbol of an enum are not looked at. A union takes a default of any of its branches
 * since Avro 1.12; before, and in the specification, of the first. Fields that `value` leaves out take
 * their own defaults, each of which is checked once for all calls with the same `checked`; one that
 * needs itself has no value.
 */
export function isValidDefault(
  schema: AvroSchema,
  value: JsonValue,
  unionBranch: 'any' | 'first' = 'any',
  checked: CheckedDefaults = new Map(),
): boolean {
  const fits = (type: AvroSchema, part: JsonValue): boolean =>
    isValidDefault(type, part, unionBranch, checked)
  const fitsByDefault = (field: RecordField): boolean => {
    const known = checked.get(field)
    if (known !== undefined) return known
    checked.set(field, false)
    const isFitting = field.defaultValue !== undefined && fits(field.type, field.defaultValue)
    checked.set(field, isFitting)
    return isFitting
  }
  switch (schema.kind) {
    case 'null':
    case 'boolean':
      return value.kind === schema.kind
    case 'int':
      return value.kind === 'integer' && value.value >= INT_MIN && value.value <= INT_MAX
    case 'long':
      return value.kind === 'integer' && value.value >= LONG_MIN && value.value <= LONG_MAX
    case 'float':
    case 'double':
      return value.kind === 'integer' || value.kind === 'decimal'
    case 'string':
    case 'bytes':
    case 'fixed':
    case 'enum':
      return value.kind === 'string'
    case 'array':
      return value.kind === 'array' && value.items.every((item) => fits(schema.items, item))
    case 'map':
      return (
        value.kind === 'object' &&
        [...value.members.values()].every((member) => fits(schema.values, member))
      )
    case 'union':
      return (unionBranch === 'any' ? schema.branches : schema.branches.slice(0, 1)).some(
        (branch) => fits(branch, value),
      )
    case 'record':
      return (
        value.kind === 'object' &&
        schema.fields.every((field) => {
          const member = value.members.get(field.name)
          return member === undefined ? fitsByDefault(field) : fits(field.type, member)
        })
      )
    default:
      return assertNever(schema)
  }
}

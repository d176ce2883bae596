import type { JsonObject, JsonValue } from '@fairlead/avro'
import { InvalidSchemaError } from '../invalid-schema-error.ts'

/** Reads keywords of one schema object; a keyword of the wrong type makes the schema invalid. */
export class Keywords {
  readonly object: JsonObject
  readonly pointer: string

  constructor(object: JsonObject, pointer: string) {
    this.object = object
    this.pointer = pointer
  }

  get(name: string): JsonValue | undefined {
    return this.object.members.get(name)
  }

  has(name: string): boolean {
    return this.object.members.has(name)
  }

  text(name: string): string | undefined {
    const value = this.get(name)
    if (value === undefined || value.kind === 'string') return value?.value
    throw this.#wrongType(name, 'a string')
  }

  flag(name: string): boolean | undefined {
    const value = this.get(name)
    if (value === undefined || value.kind === 'boolean') return value?.value
    throw this.#wrongType(name, 'true or false')
  }

  /** Bounds of draft 4 and later: a boolean there is another keyword's business. */
  number(name: string): number | undefined {
    const value = this.get(name)
    if (value === undefined || value.kind === 'boolean') return undefined
    if (value.kind === 'integer' || value.kind === 'decimal') return Number(value.value)
    throw this.#wrongType(name, 'a number')
  }

  count(name: string): number | undefined {
    const value = this.get(name)
    if (value === undefined) return undefined
    const number =
      value.kind === 'integer' || value.kind === 'decimal' ? Number(value.value) : Number.NaN
    if (Number.isInteger(number) && number >= 0) return number
    throw this.#wrongType(name, 'an integer that is not negative')
  }

  members(name: string): JsonObject | undefined {
    const value = this.get(name)
    if (value === undefined || value.kind === 'object') return value
    throw this.#wrongType(name, 'an object')
  }

  list(name: string): readonly JsonValue[] | undefined {
    const value = this.get(name)
    if (value === undefined) return undefined
    if (value.kind === 'array') return value.items
    throw this.#wrongType(name, 'an array')
  }

  textList(name: string): readonly string[] | undefined {
    return this.list(name)?.map((item) => {
      if (item.kind === 'string') return item.value
      throw this.#wrongType(name, 'an array of strings')
    })
  }

  #wrongType(name: string, expected: string): InvalidSchemaError {
    return new InvalidSchemaError(`${this.pointer}/${name}: must be ${expected}`)
  }
}

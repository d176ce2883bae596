import { DecodeError } from '@fairlead/base'
import type { JsonArray, JsonObject, JsonValue } from './json-value.ts'

/** Jackson's own limit on nesting; deeper text would only serve to exhaust the stack. */
export const JSON_DEPTH_MAX = 1_000
/** Jackson's own limit on the length of a number. */
const NUMBER_LENGTH_MAX = 1_000
/** UTF-16 units. Kafka would not take a larger record by far. */
const TEXT_LENGTH_MAX = 16 * 1024 * 1024

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
/** From the space on, without the quote and the backslash. */
const PLAIN_CHARACTERS = /[ !#-[\]-\uffff]*/y
const WORD = /[A-Za-z]+/y
const HEX4 = /[0-9A-Fa-f]{4}/y

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

/**
 * Reads one JSON document as Jackson does for Confluent: comments are white space, the last of two
 * members with one name wins (in the place of the first), `NaN` and text after the end are errors.
 *
 * @throws {DecodeError} for anything else, and beyond the bounds on depth, length and digits.
 */
export function readJson(text: string): JsonValue {
  if (text.length > TEXT_LENGTH_MAX) {
    throw new DecodeError(`the text is longer than ${TEXT_LENGTH_MAX} characters`, TEXT_LENGTH_MAX)
  }
  return new JsonReader(text).document()
}

class JsonReader {
  readonly #text: string
  #position = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  document(): JsonValue {
    this.#skipBlank()
    const value = this.#value()
    this.#skipBlank()
    if (this.#position < this.#text.length) this.#fail('dangling content after the end')
    return value
  }

  #value(): JsonValue {
    const position = this.#position
    const character = this.#text.charAt(position)
    switch (character) {
      case '{':
        return this.#nested(() => this.#object(position))
      case '[':
        return this.#nested(() => this.#array(position))
      case '"':
        return { kind: 'string', value: this.#string(), position }
      default:
        return /[-0-9]/.test(character) ? this.#number(position) : this.#literal(position)
    }
  }

  #nested<Value>(read: () => Value): Value {
    this.#depth += 1
    if (this.#depth > JSON_DEPTH_MAX) this.#fail(`nesting is deeper than ${JSON_DEPTH_MAX}`)
    const value = read()
    this.#depth -= 1
    return value
  }

  #object(position: number): JsonObject {
    const members = new Map<string, JsonValue>()
    this.#position += 1
    this.#skipBlank()
    if (this.#accept('}')) return { kind: 'object', members, position }
    for (;;) {
      if (this.#text[this.#position] !== '"') this.#fail('expected a member name in quotes')
      const name = this.#string()
      this.#skipBlank()
      this.#expect(':')
      this.#skipBlank()
      members.set(name, this.#value())
      this.#skipBlank()
      if (this.#accept('}')) return { kind: 'object', members, position }
      this.#expect(',')
      this.#skipBlank()
    }
  }

  #array(position: number): JsonArray {
    const items: JsonValue[] = []
    this.#position += 1
    this.#skipBlank()
    if (this.#accept(']')) return { kind: 'array', items, position }
    for (;;) {
      items.push(this.#value())
      this.#skipBlank()
      if (this.#accept(']')) return { kind: 'array', items, position }
      this.#expect(',')
      this.#skipBlank()
    }
  }

  #string(): string {
    this.#position += 1
    let value = ''
    for (;;) {
      value += this.#match(PLAIN_CHARACTERS)?.[0] ?? ''
      const character = this.#text[this.#position]
      if (character === '"') {
        this.#position += 1
        return value
      }
      if (character === undefined) this.#fail('the text ends inside a string')
      if (character !== '\\') this.#fail('a control character in a string must be escaped')
      this.#position += 1
      value += this.#escape()
    }
  }

  #escape(): string {
    const letter = this.#text[this.#position] ?? ''
    if (letter === 'u') {
      this.#position += 1
      const hex = this.#match(HEX4)?.[0]
      if (hex === undefined) this.#fail('expected four hexadecimal digits')
      return String.fromCharCode(Number.parseInt(hex, 16))
    }
    const character = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined
    if (character === undefined) this.#fail('unknown escape in a string')
    this.#position += 1
    return character
  }

  #number(position: number): JsonValue {
    const match = this.#match(NUMBER)
    if (match === undefined) this.#fail('malformed number')
    const [token, fraction, exponent] = match
    if (token.length > NUMBER_LENGTH_MAX) {
      this.#fail(`a number has more than ${NUMBER_LENGTH_MAX} characters`)
    }
    if (/[0-9A-Za-z.+-]/.test(this.#text[this.#position] ?? '')) this.#fail('malformed number')
    return fraction === undefined && exponent === undefined
      ? { kind: 'integer', value: BigInt(token), position }
      : { kind: 'decimal', value: Number(token), position }
  }

  #literal(position: number): JsonValue {
    const word = this.#match(WORD)?.[0] ?? ''
    switch (word) {
      case 'null':
        return { kind: 'null', position }
      case 'true':
        return { kind: 'boolean', value: true, position }
      case 'false':
        return { kind: 'boolean', value: false, position }
      case '':
        return this.#fail(
          position < this.#text.length
            ? 'expected a JSON value'
            : 'the text ends where a value is due',
        )
      default:
        this.#position = position
        return this.#fail(`unrecognized token '${word.slice(0, 40)}'`)
    }
  }

  #skipBlank(): void {
    for (;;) {
      const character = this.#text[this.#position]
      if (character === ' ' || character === '\n' || character === '\r' || character === '\t') {
        this.#position += 1
      } else if (character === '/') {
        this.#skipComment()
      } else {
        return
      }
    }
  }

  #skipComment(): void {
    const isBlock = this.#text.startsWith('/*', this.#position)
    if (!isBlock && !this.#text.startsWith('//', this.#position)) this.#fail('unexpected /')
    const end = this.#text.indexOf(isBlock ? '*/' : '\n', this.#position + 2)
    if (end < 0 && isBlock) this.#fail('the text ends inside a comment')
    this.#position = end < 0 ? this.#text.length : end + (isBlock ? 2 : 1)
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#position
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#position = pattern.lastIndex
    return match
  }

  #accept(character: string): boolean {
    if (this.#text[this.#position] !== character) return false
    this.#position += 1
    return true
  }

  #expect(character: string): void {
    if (!this.#accept(character)) this.#fail(`expected '${character}'`)
  }

  #fail(message: string): never {
    throw new DecodeError(message, this.#position)
  }
}

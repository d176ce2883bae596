import { InvalidSchemaError } from '../invalid-schema-error.ts'

export type ProtoToken = {
  readonly kind: 'word' | 'string' | 'symbol' | 'end'
  /** Of a string: what it says, without quotes and escapes. */
  readonly text: string
  readonly position: number
}

const BLANK = /(?:\s|\/\/[^\n]*|\/\*[^]*?\*\/)*/y
/** Names with dots, and numbers of every form. */
const WORD = /[+-]?[A-Za-z0-9_.]+(?:(?<=[eE])[+-][0-9]+)?/y
const STRING = /"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'/y
const SYMBOLS = '{}[]()<>=;,:/'

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** Reads a Protobuf text word by word; comments are blank. */
export class ProtoTokens {
  readonly #text: string
  #next: ProtoToken

  constructor(text: string) {
    this.#text = text
    this.#next = this.#read(0)
  }

  peek(): ProtoToken {
    return this.#next
  }

  take(): ProtoToken {
    const token = this.#next
    if (token.kind !== 'end') this.#next = this.#read(this.#end)
    return token
  }

  /** Takes the word or symbol if it comes next. */
  accept(text: string): boolean {
    const isNext = this.#next.kind !== 'string' && this.#next.text === text
    if (isNext) this.take()
    return isNext
  }

  expect(text: string): void {
    if (!this.accept(text)) throw this.unexpected(`'${text}'`)
  }

  word(what: string): string {
    if (this.#next.kind !== 'word') throw this.unexpected(what)
    return this.take().text
  }

  /** One string, or several that follow each other. */
  string(what: string): string {
    if (this.#next.kind !== 'string') throw this.unexpected(what)
    let text = ''
    while (this.#next.kind === 'string') text += this.take().text
    return text
  }

  integer(what: string): number {
    const token = this.#next
    const text = this.word(what)
    const isInteger = /^-?(?:0[xX][0-9A-Fa-f]+|\d+)$/.test(text)
    const isNegative = text.startsWith('-')
    const number = Number(isNegative ? text.slice(1) : text)
    if (!isInteger || !Number.isSafeInteger(number)) throw this.unexpected(what, token)
    return isNegative ? -number : number
  }

  unexpected(expected: string, token: ProtoToken = this.#next): InvalidSchemaError {
    const before = this.#text.slice(0, token.position)
    const line = before.split('\n').length
    const column = token.position - before.lastIndexOf('\n')
    const found = token.kind === 'end' ? 'the end of the text' : `'${token.text.slice(0, 50)}'`
    return new InvalidSchemaError(
      `line ${line}, column ${column}: expected ${expected}, found ${found}`,
    )
  }

  #end = 0

  #read(from: number): ProtoToken {
    BLANK.lastIndex = from
    BLANK.exec(this.#text)
    const position = BLANK.lastIndex
    const character = this.#text.charAt(position)
    this.#end = position + 1
    if (character === '') return { kind: 'end', text: '', position }
    if (SYMBOLS.includes(character)) return { kind: 'symbol', text: character, position }
    for (const [kind, pattern] of [
      ['string', STRING],
      ['word', WORD],
    ] as const) {
      pattern.lastIndex = position
      const [text] = pattern.exec(this.#text) ?? []
      if (text === undefined) continue
      this.#end = position + text.length
      return { kind, text: kind === 'string' ? unescaped(text.slice(1, -1)) : text, position }
    }
    throw this.unexpected('a name, a number or a string', {
      kind: 'word',
      text: character,
      position,
    })
  }
}

function unescaped(text: string): string {
  return text.replace(
    /\\(?:([0-7]{1,3})|[xX]([0-9A-Fa-f]{1,2})|([^]))/g,
    (_match, octal: string | undefined, hex: string | undefined, letter: string | undefined) => {
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8))
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
      return ESCAPES[letter ?? ''] ?? letter ?? ''
    },
  )
}

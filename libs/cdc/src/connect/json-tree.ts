/** JSON with the digits of its numbers and the order of its names, which JSON.parse does not keep. */
export type JsonTree =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'array'; readonly items: readonly JsonTree[] }
  | { readonly kind: 'object'; readonly entries: ReadonlyMap<string, JsonTree> }

/** As deep as Jackson reads by default. */
const DEPTH_MAX = 1_000

/** Undefined when the text is no JSON, or nested deeper than Jackson reads. */
export function parseJsonTree(text: string): JsonTree | undefined {
  try {
    JSON.parse(text)
  } catch {
    return undefined
  }
  const scanner = new Scanner(text)
  const tree = scanner.value(0)
  return scanner.isTooDeep ? undefined : tree
}

/** Reads text that is known to be valid JSON, and so need not check it. */
class Scanner {
  readonly #text: string
  #position = 0
  isTooDeep = false

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): JsonTree {
    this.#skipSpace()
    if (depth > DEPTH_MAX) this.isTooDeep = true
    if (this.isTooDeep) return { kind: 'null' }
    switch (this.#text[this.#position] ?? '') {
      case '{':
        return this.#object(depth)
      case '[':
        return this.#array(depth)
      case '"':
        return { kind: 'string', value: this.#string() }
      case 't':
      case 'f':
        return { kind: 'boolean', value: this.#word() === 'true' }
      case 'n':
        this.#word()
        return { kind: 'null' }
      default:
        return { kind: 'number', text: this.#word() }
    }
  }

  #object(depth: number): JsonTree {
    const entries = new Map<string, JsonTree>()
    this.#position += 1
    this.#skipSpace()
    while (this.#text[this.#position] !== '}' && !this.isTooDeep) {
      const name = this.#string()
      this.#skipSpace()
      this.#position += 1
      entries.set(name, this.value(depth + 1))
      this.#skipComma()
    }
    this.#position += 1
    return { kind: 'object', entries }
  }

  #array(depth: number): JsonTree {
    const items: JsonTree[] = []
    this.#position += 1
    this.#skipSpace()
    while (this.#text[this.#position] !== ']' && !this.isTooDeep) {
      items.push(this.value(depth + 1))
      this.#skipComma()
    }
    this.#position += 1
    return { kind: 'array', items }
  }

  #string(): string {
    const start = this.#position
    this.#position += 1
    while (this.#text[this.#position] !== '"') {
      this.#position += this.#text[this.#position] === '\\' ? 2 : 1
    }
    this.#position += 1
    return JSON.parse(this.#text.slice(start, this.#position)) as string
  }

  #word(): string {
    const start = this.#position
    while (/[\w.+-]/.test(this.#text[this.#position] ?? ' ')) this.#position += 1
    return this.#text.slice(start, this.#position)
  }

  #skipComma(): void {
    this.#skipSpace()
    if (this.#text[this.#position] !== ',') return
    this.#position += 1
    this.#skipSpace()
  }

  #skipSpace(): void {
    while (' \t\n\r'.includes(this.#text[this.#position] ?? 'x')) this.#position += 1
  }
}

/** Names in TypeScript of the types of schemas, each once. */
export class TypeNames {
  readonly #names = new Map<string, string>()

  has(fullName: string): boolean {
    return this.#names.has(fullName)
  }

  get(fullName: string): string | undefined {
    return this.#names.get(fullName)
  }

  /** Two types of one name in two namespaces are told apart by the namespace. */
  add(name: string, fullName: string): string {
    const plain = typeName(name)
    const isTaken = [...this.#names.values()].includes(plain)
    const free = isTaken ? typeName(fullName) : plain
    this.#names.set(fullName, free)
    return free
  }
}

export function typeName(text: string): string {
  const words = text.split(/[^\p{L}\p{Nd}]+/u).filter((word) => word !== '')
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
  return /^\p{L}/u.test(name) ? name : `Schema${name}`
}

export function memberName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)
}

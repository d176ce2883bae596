import type {
  OptionValue,
  ProtoConstant,
  ProtoEnum,
  ProtoExtend,
  ProtoField,
  ProtoFile,
  ProtoMessage,
  ProtoMethod,
  ProtoOneof,
  ProtoOption,
  ProtoService,
  ProtoType,
  ReservedRange,
} from './proto-file.ts'
import { TAG_MAX } from './proto-file.ts'
import { ProtoTokens } from './proto-tokens.ts'

/** protoc's own limit is 32 for options; a message deeper than this has no honest use. */
const DEPTH_MAX = 64

/**
 * Parses the text of a `.proto` file, proto2 or proto3.
 *
 * @throws {InvalidSchemaError} with line and column.
 */
export function parseProto(text: string): ProtoFile {
  return new ProtoParser(text).file()
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] }

class ProtoParser {
  readonly #tokens: ProtoTokens
  #depth = 0

  constructor(text: string) {
    this.#tokens = new ProtoTokens(text)
  }

  file(): ProtoFile {
    const tokens = this.#tokens
    const imports: string[] = []
    const publicImports: string[] = []
    const options: ProtoOption[] = []
    const types: ProtoType[] = []
    const extensions: ProtoExtend[] = []
    const services: ProtoService[] = []
    const head: Mutable<Pick<ProtoFile, 'syntax' | 'packageName'>> = {
      syntax: undefined,
      packageName: undefined,
    }
    while (tokens.peek().kind !== 'end') {
      if (tokens.accept(';')) continue
      if (tokens.accept('syntax')) {
        tokens.expect('=')
        head.syntax = tokens.string('the syntax')
        tokens.expect(';')
      } else if (tokens.accept('package')) {
        head.packageName = tokens.word('the name of the package')
        tokens.expect(';')
      } else if (tokens.accept('import')) {
        const list = tokens.accept('public') ? publicImports : imports
        if (list === imports) tokens.accept('weak')
        list.push(tokens.string('the path of the import'))
        tokens.expect(';')
      } else if (tokens.accept('option')) options.push(this.#optionStatement())
      else if (tokens.accept('message')) types.push(this.#message())
      else if (tokens.accept('enum')) types.push(this.#enum())
      else if (tokens.accept('extend')) extensions.push(this.#extend())
      else if (tokens.accept('service')) services.push(this.#service())
      else throw tokens.unexpected('a message, an enum or another declaration')
    }
    return { ...head, imports, publicImports, options, types, extends: extensions, services }
  }

  #message(): ProtoMessage {
    const name = this.#tokens.word('the name of the message')
    return this.#messageBody(name)
  }

  #messageBody(name: string): ProtoMessage {
    const tokens = this.#tokens
    this.#depth += 1
    if (this.#depth > DEPTH_MAX) throw tokens.unexpected(`at most ${DEPTH_MAX} levels of messages`)
    const options: ProtoOption[] = []
    const fields: ProtoField[] = []
    const oneofs: ProtoOneof[] = []
    const types: ProtoType[] = []
    const reserved: (readonly ReservedRange[])[] = []
    const extensions: (readonly ReservedRange[])[] = []
    const extend: ProtoExtend[] = []
    tokens.expect('{')
    while (!tokens.accept('}')) {
      if (tokens.accept(';')) continue
      const { text } = tokens.peek()
      const word = tokens.peek().kind === 'word' ? tokens.take() : undefined
      // A field may have a type that is called like a keyword; what follows tells them apart.
      if (word === undefined) throw tokens.unexpected('a field')
      if (text === 'option') options.push(this.#optionStatement())
      else if (text === 'message') types.push(this.#message())
      else if (text === 'enum') types.push(this.#enum())
      else if (text === 'oneof') oneofs.push(this.#oneof())
      else if (text === 'reserved') reserved.push(this.#ranges())
      else if (text === 'extensions') extensions.push(this.#ranges())
      else if (text === 'extend') extend.push(this.#extend())
      else fields.push(this.#field(text, types))
    }
    this.#depth -= 1
    const parts = { options, fields, oneofs, types, reserved, extensions, extends: extend }
    return { kind: 'message', name, ...parts }
  }

  /** `first` is the label, or the type when there is none. A group adds its message to `types`. */
  #field(first: string, types: ProtoType[]): ProtoField {
    const tokens = this.#tokens
    const isLabel = first === 'optional' || first === 'required' || first === 'repeated'
    const label = isLabel ? first : undefined
    const type = this.#typeFrom(isLabel ? tokens.word('the type of the field') : first)
    const name = tokens.word('the name of the field')
    tokens.expect('=')
    const tag = this.#tag()
    const options = this.#bracketOptions()
    if (type === 'group') {
      types.push(this.#messageBody(name))
      return { label, type: name, name: name.toLowerCase(), tag, options }
    }
    tokens.expect(';')
    return { label, type, name, tag, options }
  }

  #typeFrom(word: string): string {
    const tokens = this.#tokens
    if (word !== 'map' || !tokens.accept('<')) return word
    const key = tokens.word('the type of the keys')
    tokens.expect(',')
    const value = tokens.word('the type of the values')
    tokens.expect('>')
    return `map<${key}, ${value}>`
  }

  #tag(): number {
    const token = this.#tokens.peek()
    const tag = this.#tokens.integer('the number of the field')
    const isReserved = tag >= 19_000 && tag <= 19_999
    if (tag >= 1 && tag <= TAG_MAX && !isReserved) return tag
    throw this.#tokens.unexpected(`a number from 1 to ${TAG_MAX} but 19000 to 19999`, token)
  }

  #oneof(): ProtoOneof {
    const tokens = this.#tokens
    const name = tokens.word('the name of the oneof')
    const options: ProtoOption[] = []
    const fields: ProtoField[] = []
    tokens.expect('{')
    while (!tokens.accept('}')) {
      if (tokens.accept(';')) continue
      if (tokens.accept('option')) options.push(this.#optionStatement())
      else fields.push(this.#field(tokens.word('a field'), []))
    }
    return { name, options, fields }
  }

  #enum(): ProtoEnum {
    const tokens = this.#tokens
    const name = tokens.word('the name of the enum')
    const options: ProtoOption[] = []
    const constants: ProtoConstant[] = []
    const reserved: (readonly ReservedRange[])[] = []
    tokens.expect('{')
    while (!tokens.accept('}')) {
      if (tokens.accept(';')) continue
      const word = tokens.word('a constant')
      if (word === 'option') options.push(this.#optionStatement())
      else if (word === 'reserved') reserved.push(this.#ranges())
      else {
        tokens.expect('=')
        const tag = tokens.integer('the number of the constant')
        constants.push({ name: word, tag, options: this.#bracketOptions() })
        tokens.expect(';')
      }
    }
    return { kind: 'enum', name, options, constants, reserved }
  }

  #ranges(): ReservedRange[] {
    const tokens = this.#tokens
    const ranges: ReservedRange[] = []
    do {
      if (tokens.peek().kind === 'string') {
        ranges.push({ kind: 'name', name: tokens.string('a name') })
        continue
      }
      const from = tokens.integer('a number or a name')
      let to = from
      if (tokens.accept('to')) to = tokens.accept('max') ? TAG_MAX : tokens.integer('a number')
      ranges.push({ kind: 'tags', from, to })
    } while (tokens.accept(','))
    this.#bracketOptions()
    tokens.expect(';')
    return ranges
  }

  #extend(): ProtoExtend {
    const tokens = this.#tokens
    const type = tokens.word('the name of a message')
    const fields: ProtoField[] = []
    tokens.expect('{')
    while (!tokens.accept('}')) {
      if (!tokens.accept(';')) fields.push(this.#field(tokens.word('a field'), []))
    }
    return { type, fields }
  }

  #service(): ProtoService {
    const tokens = this.#tokens
    const name = tokens.word('the name of the service')
    const options: ProtoOption[] = []
    const methods: ProtoMethod[] = []
    tokens.expect('{')
    while (!tokens.accept('}')) {
      if (tokens.accept(';')) continue
      if (tokens.accept('option')) options.push(this.#optionStatement())
      else if (tokens.accept('rpc')) methods.push(this.#method())
      else throw tokens.unexpected("'rpc' or 'option'")
    }
    return { name, options, methods }
  }

  #method(): ProtoMethod {
    const tokens = this.#tokens
    const name = tokens.word('the name of the method')
    const request = this.#methodType()
    tokens.expect('returns')
    const response = this.#methodType()
    const options: ProtoOption[] = []
    if (!tokens.accept('{')) {
      tokens.expect(';')
      return { name, request, response, options }
    }
    while (!tokens.accept('}')) {
      if (tokens.accept(';')) continue
      tokens.expect('option')
      options.push(this.#optionStatement())
    }
    return { name, request, response, options }
  }

  #methodType(): ProtoMethod['request'] {
    const tokens = this.#tokens
    tokens.expect('(')
    const first = tokens.word('the name of a message')
    const isStream = first === 'stream' && tokens.peek().kind === 'word'
    const type = isStream ? tokens.word('the name of a message') : first
    tokens.expect(')')
    return { type, isStream }
  }

  #optionStatement(): ProtoOption {
    const option = this.#option()
    this.#tokens.expect(';')
    return option
  }

  #bracketOptions(): ProtoOption[] {
    const options: ProtoOption[] = []
    if (!this.#tokens.accept('[')) return options
    do options.push(this.#option())
    while (this.#tokens.accept(','))
    this.#tokens.expect(']')
    return options
  }

  #option(): ProtoOption {
    const tokens = this.#tokens
    let name = ''
    if (tokens.accept('(')) {
      name = `(${tokens.word('the name of the option')})`
      tokens.expect(')')
      if (tokens.peek().kind === 'word') name += tokens.word('the rest of the name')
    } else {
      name = tokens.word('the name of the option')
    }
    tokens.expect('=')
    return { name, value: this.#optionValue() }
  }

  #optionValue(): OptionValue {
    const tokens = this.#tokens
    const { kind } = tokens.peek()
    if (kind === 'string') return { kind: 'string', text: tokens.string('a value') }
    if (kind === 'word') return { kind: 'word', text: tokens.word('a value') }
    this.#depth += 1
    if (this.#depth > DEPTH_MAX) throw tokens.unexpected(`at most ${DEPTH_MAX} levels of values`)
    const value = tokens.accept('[') ? this.#listValue() : this.#messageValue()
    this.#depth -= 1
    return value
  }

  #listValue(): OptionValue {
    const items: OptionValue[] = []
    if (this.#tokens.accept(']')) return { kind: 'list', items }
    do items.push(this.#optionValue())
    while (this.#tokens.accept(','))
    this.#tokens.expect(']')
    return { kind: 'list', items }
  }

  #messageValue(): OptionValue {
    const tokens = this.#tokens
    const members: (readonly [string, OptionValue])[] = []
    tokens.expect('{')
    while (!tokens.accept('}')) {
      let name = ''
      if (tokens.accept('[')) {
        name = `[${tokens.word('the name of an extension')}]`
        tokens.expect(']')
      } else {
        name = tokens.word('the name of a member')
      }
      tokens.accept(':')
      members.push([name, this.#optionValue()])
      if (!tokens.accept(',')) tokens.accept(';')
    }
    return { kind: 'message', members }
  }
}

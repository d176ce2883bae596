import { compareText } from '@fairlead/avro'
import { mapTypes } from './proto-file.ts'
import { TAG_MAX } from './proto-file.ts'
import type {
  OptionValue,
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
import type { ProtoTypes } from './proto-types.ts'

/**
 * Prints a file as Confluent's registry does: without comments, options before fields before nested
 * types, messages before enums. With `types` it is normalized as well: everything without meaning
 * in its order is sorted, and names of types are full.
 */
export function printProto(file: ProtoFile, types?: ProtoTypes): string {
  return new ProtoPrinter(types).file(file)
}

class ProtoPrinter {
  readonly #types: ProtoTypes | undefined

  constructor(types: ProtoTypes | undefined) {
    this.#types = types
  }

  file(file: ProtoFile): string {
    const scope = file.packageName ?? ''
    const head = [
      file.syntax === undefined ? '' : `syntax = "${file.syntax}";\n`,
      file.packageName === undefined ? '' : `package ${file.packageName};\n`,
    ]
    const imports = [
      ...this.#imports(file.imports).map((path) => `import "${path}";\n`),
      ...this.#imports(file.publicImports).map((path) => `import public "${path}";\n`),
    ]
    return [
      ...head,
      section(imports),
      section(this.#options(file.options)),
      section(this.#nested(file.types, scope)),
      section(file.extends.map((extend) => this.#extend(extend, scope))),
      section(file.services.map((service) => this.#service(service, scope))),
    ].join('')
  }

  #imports(paths: readonly string[]): readonly string[] {
    return this.#types === undefined ? paths : [...new Set(paths)].sort(compareText)
  }

  #nested(types: readonly ProtoType[], scope: string): string[] {
    // The order of messages is part of the data: their indexes are written before a record.
    const messages = types.filter((type) => type.kind === 'message')
    const enums = types.filter((type) => type.kind === 'enum')
    return [
      ...messages.map((message) => this.#message(message, scope)),
      ...enums.map((declared) => this.#enum(declared)),
    ]
  }

  #message(message: ProtoMessage, outer: string): string {
    const scope = outer === '' ? message.name : `${outer}.${message.name}`
    const fields = this.#byTag(message.fields)
    const oneofs =
      this.#types === undefined
        ? message.oneofs
        : message.oneofs
            .filter((oneof) => oneof.fields.length > 0)
            .toSorted((left, right) => lowestTag(left) - lowestTag(right))
    return block(`message ${message.name}`, [
      section(this.#reserved(message.reserved)),
      section(this.#options(message.options)),
      section(fields.map((field) => this.#field(field, scope))),
      section(oneofs.map((oneof) => this.#oneof(oneof, scope))),
      section(message.extensions.map((ranges) => `extensions ${rangesText(ranges)};\n`)),
      section(message.extends.map((extend) => this.#extend(extend, scope))),
      section(this.#nested(message.types, scope)),
    ])
  }

  #byTag(fields: readonly ProtoField[]): readonly ProtoField[] {
    return this.#types === undefined
      ? fields
      : fields.toSorted((left, right) => left.tag - right.tag)
  }

  #field({ label, type, name, tag, options }: ProtoField, scope: string): string {
    const typeText = this.#types === undefined ? type : this.#types.qualified(type, scope)
    const labelText = label === undefined || mapTypes(type) !== undefined ? '' : `${label} `
    return `${labelText}${typeText} ${name} = ${tag}${this.#bracketOptions(options)};\n`
  }

  #oneof({ name, options, fields }: ProtoOneof, scope: string): string {
    return block(`oneof ${name}`, [
      section(this.#options(options)),
      section(this.#byTag(fields).map((field) => this.#field(field, scope))),
    ])
  }

  #enum({ name, options, constants, reserved }: ProtoEnum): string {
    const ordered =
      this.#types === undefined
        ? constants
        : constants.toSorted(
            (left, right) => left.tag - right.tag || compareText(left.name, right.name),
          )
    const lines = ordered.map(
      (constant) =>
        `${constant.name} = ${constant.tag}${this.#bracketOptions(constant.options)};\n`,
    )
    return block(`enum ${name}`, [
      section([...this.#reserved(reserved), ...this.#options(options), ...lines]),
    ])
  }

  #extend({ type, fields }: ProtoExtend, scope: string): string {
    return block(`extend ${type}`, [section(fields.map((field) => this.#field(field, scope)))])
  }

  #service({ name, options, methods }: ProtoService, scope: string): string {
    return block(`service ${name}`, [
      section(this.#options(options)),
      section(methods.map((method) => this.#method(method, scope))),
    ])
  }

  #method({ name, request, response, options }: ProtoMethod, scope: string): string {
    const typeText = ({ type, isStream }: ProtoMethod['request']): string =>
      `(${isStream ? 'stream ' : ''}${this.#types === undefined ? type : this.#types.qualified(type, scope)})`
    const head = `rpc ${name} ${typeText(request)} returns ${typeText(response)}`
    if (options.length === 0) return `${head};\n`
    return `${head} {\n${indented(this.#options(options).join(''))}};\n`
  }

  #reserved(lists: readonly (readonly ReservedRange[])[]): string[] {
    const printed =
      this.#types === undefined
        ? lists
        : lists
            .flat()
            .toSorted(compareRanges)
            .map((range) => [range])
    return printed.map((ranges) => `reserved ${rangesText(ranges)};\n`)
  }

  #options(options: readonly ProtoOption[]): string[] {
    return this.#ordered(options).map((option) => `option ${this.#option(option)};\n`)
  }

  #bracketOptions(options: readonly ProtoOption[]): string {
    const texts = this.#ordered(options).map((option) => this.#option(option))
    if (texts.length === 0) return ''
    return texts.length === 1 ? ` [${texts[0]}]` : ` [\n${indented(`${texts.join(',\n')}\n`)}]`
  }

  #ordered(options: readonly ProtoOption[]): readonly ProtoOption[] {
    if (this.#types === undefined) return options
    return options.toSorted((left, right) => compareText(left.name, right.name))
  }

  #option({ name, value }: ProtoOption): string {
    return `${name} = ${this.#value(value)}`
  }

  #value(value: OptionValue): string {
    switch (value.kind) {
      case 'string':
        return quoted(value.text)
      case 'word':
        return value.text
      case 'list':
        return list(
          '[',
          value.items.map((item) => this.#value(item)),
          ']',
        )
      case 'message': {
        const members =
          this.#types === undefined
            ? value.members
            : value.members.toSorted(([left], [right]) => compareText(left, right))
        return list(
          '{',
          members.map(([name, member]) => `${name}: ${this.#value(member)}`),
          '}',
        )
      }
    }
  }
}

function section(texts: readonly string[]): string {
  return texts.length === 0 ? '' : `\n${texts.join('')}`
}

function block(head: string, sections: readonly string[]): string {
  return `${head} {${indented(sections.join(''))}}\n`
}

function list(open: string, items: readonly string[], close: string): string {
  return items.length === 0
    ? `${open}${close}`
    : `${open}\n${indented(`${items.join(',\n')}\n`)}${close}`
}

function indented(text: string): string {
  return text.replace(/^(?=[^\n])/gm, '  ')
}

function quoted(text: string): string {
  const escaped = text.replace(/["\\\n\r\t\0]/g, (character) => {
    const letter = { '\n': 'n', '\r': 'r', '\t': 't', '\0': '0' }[character] ?? character
    return `\\${letter}`
  })
  return `"${escaped}"`
}

function rangesText(ranges: readonly ReservedRange[]): string {
  return ranges
    .map((range) => {
      if (range.kind === 'name') return `"${range.name}"`
      if (range.from === range.to) return String(range.from)
      return `${range.from} to ${range.to >= TAG_MAX ? 'max' : range.to}`
    })
    .join(', ')
}

function compareRanges(left: ReservedRange, right: ReservedRange): number {
  const start = (range: ReservedRange): number =>
    range.kind === 'tags' ? range.from : Number.MAX_SAFE_INTEGER
  return start(left) - start(right) || compareText(rangesText([left]), rangesText([right]))
}

function lowestTag({ fields }: ProtoOneof): number {
  return Math.min(...fields.map(({ tag }) => tag))
}

import type { JsonObject, JsonValue } from '@fairlead/avro'

const METASCHEMA = /^https?:\/\/json-schema\.org\/(?:draft-0\d|draft\/[\d-]+)\/schema#?$/

/** The text of a schema and the texts to which it may refer, by every URI that leads there. */
export class SchemaDocuments {
  /** URI without fragment → document or embedded schema. */
  readonly #byUri = new Map<string, JsonValue>()
  /** URI with the name of an anchor → schema. */
  readonly #anchors = new Map<string, JsonValue>()
  /** The base URI of every schema object that a `$ref` may stand in. */
  readonly #baseUris = new Map<JsonValue, string>()

  constructor(
    root: JsonValue,
    references: readonly { readonly name: string; readonly json: JsonValue }[],
  ) {
    for (const { name, json } of references) {
      this.#byUri.set(name, json)
      this.#index(json, name)
    }
    this.#byUri.set('', root)
    this.#index(root, '')
    const base = this.#baseUris.get(root) ?? ''
    for (const { name, json } of references) {
      const uri = resolveUri(base, name)
      if (!this.#byUri.has(uri)) this.#byUri.set(uri, json)
    }
  }

  /** What `uri`, found in `from`, leads to; undefined when it is nowhere here. */
  resolve(uri: string, from: JsonObject): JsonValue | 'metaschema' | undefined {
    if (METASCHEMA.test(uri)) return 'metaschema'
    const [path, fragment] = splitAt(uri, '#')
    const base = this.#baseUris.get(from) ?? ''
    const documentUri = path === '' ? base : resolveUri(base, path)
    const document = this.#byUri.get(documentUri) ?? this.#byUri.get(path)
    if (document === undefined) return undefined
    if (fragment === '') return document
    if (fragment.startsWith('/')) return atPointer(document, fragment)
    return this.#anchors.get(`${documentUri}#${fragment}`)
  }

  #index(json: JsonValue, base: string): void {
    if (json.kind === 'array') for (const item of json.items) this.#index(item, base)
    if (json.kind !== 'object') return
    let inner = base
    // Draft 4 writes `id`; in an object of properties it is the name of one.
    const id = json.members.get('$id') ?? json.members.get('id')
    if (id?.kind === 'string') {
      const [path, fragment] = splitAt(id.value, '#')
      if (path !== '') {
        inner = resolveUri(base, path)
        this.#byUri.set(inner, json)
      }
      if (fragment !== '') this.#anchors.set(`${inner}#${fragment}`, json)
    }
    const anchor = json.members.get('$anchor')
    if (anchor?.kind === 'string') this.#anchors.set(`${inner}#${anchor.value}`, json)
    this.#baseUris.set(json, inner)
    for (const member of json.members.values()) this.#index(member, inner)
  }
}

/** RFC 3986, section 5.2, as far as names of schemas need it. */
export function resolveUri(base: string, uri: string): string {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(uri) || base === '') return uri
  const [, authority = ''] = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/[^/]*)/.exec(base) ?? []
  if (uri.startsWith('/')) return `${authority}${uri}`
  const folder = base.slice(0, base.lastIndexOf('/') + 1)
  return folder.length <= authority.length ? `${authority}/${uri}` : `${folder}${uri}`
}

/** RFC 6901, in the form of a URI fragment. */
function atPointer(document: JsonValue, pointer: string): JsonValue | undefined {
  let value: JsonValue | undefined = document
  for (const part of pointer.slice(1).split('/')) {
    const name = decodePercent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    if (value?.kind === 'object') value = value.members.get(name)
    else if (value?.kind === 'array' && /^\d{1,9}$/.test(name)) value = value.items[Number(name)]
    else return undefined
  }
  return value
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function splitAt(text: string, separator: string): readonly [string, string] {
  const index = text.indexOf(separator)
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)]
}

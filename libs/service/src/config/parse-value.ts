import type { RawValue } from './parse-file.ts'
import type { KeySpec } from './spec.ts'

export type ConfigValue = string | number | boolean | readonly string[]

export type ParsedValue =
  | { readonly ok: true; readonly value: ConfigValue }
  | { readonly ok: false; readonly rule: string }

/** Checks one value against its key. A failure names the rule that the value breaks. */
export function parseValue(spec: KeySpec, raw: RawValue): ParsedValue {
  const text = Array.isArray(raw) ? raw.join(',') : String(raw).trim()
  switch (spec.type) {
    case 'int':
      return parseInteger(spec, text)
    case 'boolean':
      if (text === 'true' || text === 'false') return accept(text === 'true')
      return refuse('must be true or false')
    case 'list':
      return accept(splitList(text))
    case 'enum':
      return spec.values.includes(text)
        ? accept(text)
        : refuse(`must be one of ${spec.values.join(', ')}`)
    case 'url':
      return parseUrl(spec, text)
    case 'string':
      if (spec.pattern === undefined || spec.pattern.test(text)) return accept(text)
      return refuse(`must match ${spec.pattern.source}`)
    case 'unsupported':
      return accept(text)
  }
}

function parseInteger(spec: KeySpec & { type: 'int' }, text: string): ParsedValue {
  const value = Number(text)
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) return refuse('must be an integer')
  if (spec.min !== undefined && value < spec.min) return refuse(`must be at least ${spec.min}`)
  if (spec.max !== undefined && value > spec.max) return refuse(`must be at most ${spec.max}`)
  return accept(value)
}

function parseUrl(spec: KeySpec & { type: 'url' }, text: string): ParsedValue {
  const protocol = URL.parse(text)?.protocol
  if (protocol === undefined) return refuse('must be an absolute URL')
  if (spec.protocols !== undefined && !spec.protocols.includes(protocol)) {
    return refuse(`must start with one of ${spec.protocols.join(', ')}`)
  }
  return accept(text)
}

function splitList(text: string): readonly string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function accept(value: ConfigValue): ParsedValue {
  return { ok: true, value }
}

function refuse(rule: string): ParsedValue {
  return { ok: false, rule }
}

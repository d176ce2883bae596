import type { RawValue } from './parse-file.ts'
import type { ConfigFamily, KeySpec } from './spec.ts'

export type ConfigValue = string | number | boolean | readonly string[] | ConfigFamily

export type ParsedValue =
  | { readonly ok: true; readonly value: ConfigValue }
  | { readonly ok: false; readonly rule: string }

/** A value as one line, without blanks around it. */
export function rawText(raw: RawValue): string {
  return Array.isArray(raw) ? raw.join(',') : String(raw).trim()
}

/** Checks one value against its key. A failure names the rule that the value breaks. */
export function parseValue(spec: KeySpec, raw: RawValue): ParsedValue {
  const text = rawText(raw)
  switch (spec.type) {
    case 'int':
      return parseInteger(spec, text)
    case 'number':
      return parseNumber(spec, text)
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
    // Of a member of it: the app checks that.
    case 'family':
      return accept(text)
    case 'string':
      if (spec.pattern === undefined || spec.pattern.test(text)) return accept(text)
      return refuse(`must match ${spec.pattern.source}`)
    case 'unsupported': {
      const problem = spec.check?.(text)
      return problem === undefined ? accept(text) : refuse(problem)
    }
  }
}

function parseInteger(spec: KeySpec & { type: 'int' }, text: string): ParsedValue {
  if (!/^[+-]?\d{1,19}$/.test(text) || !isInt64(BigInt(text))) return refuse('must be an integer')
  const { MIN_SAFE_INTEGER, MAX_SAFE_INTEGER } = Number
  // Java writes "never" as the greatest int64; what is beyond our numbers is never reached, either.
  const value = Math.min(Math.max(Number(text), MIN_SAFE_INTEGER), MAX_SAFE_INTEGER)
  return inRange(spec, value)
}

function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value
}

function parseNumber(spec: KeySpec & { type: 'number' }, text: string): ParsedValue {
  const value = Number(text)
  if (text === '' || Number.isNaN(value)) return refuse('must be a number')
  return inRange(spec, value)
}

function inRange({ min, max }: { min?: number; max?: number }, value: number): ParsedValue {
  if (min !== undefined && value < min) return refuse(`must be at least ${min}`)
  if (max !== undefined && value > max) return refuse(`must be at most ${max}`)
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

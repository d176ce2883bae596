import { createRequire } from 'node:module'
import type * as Yaml from 'yaml'

/** A value as a file has it: text, or already typed by YAML. */
export type RawValue = string | number | boolean | readonly string[]

/**
 * Reads a configuration file: YAML (`.yaml`, `.yml`, `.json`; nesting and dots are the same thing) or
 * Java properties (any other name, such as `server.properties`).
 *
 * @throws {Error} whose message says what is wrong and where.
 */
export function parseConfigFile(path: string, text: string): Map<string, RawValue> {
  return /\.(ya?ml|json)$/.test(path) ? parseYaml(text) : parseProperties(text)
}

const require = createRequire(import.meta.url)

function parseYaml(text: string): Map<string, RawValue> {
  // Loaded by those who have such a file: it is 72 modules, with each start of an app.
  const { parse } = require('yaml') as typeof Yaml
  const document: unknown = parse(text, { intAsBigInt: true })
  const values = new Map<string, RawValue>()
  if (document === null || document === undefined) return values
  if (!isMapping(document)) throw new Error('a configuration file is a mapping of keys to values')
  flatten(document, '', values)
  return values
}

function flatten(
  mapping: Readonly<Record<string, unknown>>,
  prefix: string,
  into: Map<string, RawValue>,
): void {
  for (const [name, value] of Object.entries(mapping)) {
    const key = prefix + name
    if (isMapping(value)) flatten(value, `${key}.`, into)
    else if (Array.isArray(value)) into.set(key, value.map(String))
    else if (typeof value === 'bigint') into.set(key, integerOf(value))
    else if (typeof value === 'number' || typeof value === 'boolean') into.set(key, value)
    else into.set(key, typeof value === 'string' ? value : '')
  }
}

/** One that no number holds stays text, with all of its digits. */
function integerOf(value: bigint): RawValue {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * The lines of `java.util.Properties`: `key=value`, `key: value` or `key value`, comments with `#` or `!`, escapes, and lines that
 * go on behind a backslash at their end. Blanks at the end of a value go, as Kafka has it.
 */
function parseProperties(text: string): Map<string, RawValue> {
  const values = new Map<string, RawValue>()
  for (const { number, content } of logicalLines(text)) {
    const [, key = '', separator = '', value = ''] = ENTRY.exec(content) ?? []
    if (key === '' || separator === '') {
      throw new Error(`line ${number} is not "key=value": ${content.trim()}`)
    }
    values.set(unescaped(key), unescaped(value).trim())
  }
  return values
}

/** A key ends at the first blank, `=` or `:` that is not escaped. */
const ENTRY = /^((?:\\[^]|[^\\=: \t\f])*)([ \t\f]*[=:]?[ \t\f]*)([^]*)$/

type LogicalLine = { readonly number: number; readonly content: string }

/** Without comments and what is blank. Only a line that is no comment goes on. */
function logicalLines(text: string): readonly LogicalLine[] {
  const lines: LogicalLine[] = []
  let begun: LogicalLine | undefined
  for (const [index, line] of text.split(/\r\n|\r|\n/).entries()) {
    const natural = line.replace(/^[ \t\f]+/, '')
    if (begun === undefined && /^(?:[#!]|$)/.test(natural)) continue
    const goesOn = (/\\*$/.exec(natural)?.[0].length ?? 0) % 2 === 1
    const before: LogicalLine = begun ?? { number: index + 1, content: '' }
    const content = before.content + (goesOn ? natural.slice(0, -1) : natural)
    begun = goesOn ? { ...before, content } : undefined
    if (!goesOn) lines.push({ ...before, content })
  }
  if (begun !== undefined) lines.push(begun)
  return lines.filter(({ content }) => content !== '')
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function unescaped(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-fA-F]{4})|([^]))/g,
    (_escape, code: string | undefined, character: string) =>
      code === undefined
        ? (ESCAPES[character] ?? character)
        : String.fromCharCode(Number.parseInt(code, 16)),
  )
}

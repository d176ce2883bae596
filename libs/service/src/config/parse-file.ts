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

/** The lines of `java.util.Properties`: `key=value`, `key: value`, comments with `#` or `!`. */
function parseProperties(text: string): Map<string, RawValue> {
  const values = new Map<string, RawValue>()
  const lines = text.replaceAll(/\\\r?\n[ \t]*/g, '').split(/\r?\n/)
  for (const [index, line] of lines.entries()) {
    const content = line.trim()
    if (content === '' || content.startsWith('#') || content.startsWith('!')) continue
    const separator = content.search(/[=:]/)
    if (separator <= 0) throw new Error(`line ${index + 1} is not "key=value": ${content}`)
    values.set(content.slice(0, separator).trim(), content.slice(separator + 1).trim())
  }
  return values
}

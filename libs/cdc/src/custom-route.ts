import { EVENT_HEADERS } from '@fairlead/base'
import { required } from './connect/connect-schema.ts'
import { type Converted, type Converter, convertPart, isFault } from './connect/converter.ts'
import type { EventHeader } from './record-body.ts'
import type { OutboxRow, Route, RouteFunction } from './route-function.ts'
import { RoutedEvent, type UnroutableCode } from './routed-event.ts'

/** What a function has decided, checked; what is undefined is as the options say. */
export type CustomRoute = {
  readonly topic?: string
  readonly key?: string | Uint8Array | null
  readonly headers?: readonly EventHeader[]
  readonly partition?: number
  readonly timestampMs?: number
}

export type RouteFault = { readonly code: UnroutableCode; readonly fault: string }

/** Of an event that no function routes. */
export const NO_CUSTOM_ROUTE: CustomRoute = {}

const FIELDS: readonly string[] = ['topic', 'key', 'headers', 'partition', 'timestampMs']
const INT32_MAX = 2 ** 31 - 1
const TEXT = new TextEncoder()

/** Asks the function, and checks its answer: whoever wrote it may have done without the compiler. */
export function askRoute(route: RouteFunction, row: OutboxRow): CustomRoute | 'drop' | RouteFault {
  let answer: unknown
  try {
    answer = route(row)
    const decision = answer === 'drop' ? answer : checkedRoute(answer)
    if (typeof decision === 'object' && 'fault' in decision) disown(answer)
    return decision
  } catch (error) {
    // Also what throws when it is looked at: a getter, a proxy.
    disown(answer)
    disown(error)
    return fault('ROUTE_FAILED', `the function threw ${thrownText(error)}`)
  }
}

/** A promise that rejects while nobody waits for it would end the process. */
function disown(value: unknown): void {
  const parts = [value, ...valuesOf(value)]
  for (const part of [...parts, ...parts.flatMap(valuesOf)]) {
    Promise.resolve(part).catch(() => undefined)
  }
}

/** None of what is no plain object: a function may have returned anything. */
function valuesOf(value: unknown): readonly unknown[] {
  try {
    return isPlainObject(value) ? Object.values(value) : []
  } catch {
    return []
  }
}

function checkedRoute(answer: unknown): CustomRoute | RouteFault {
  if (typeof answer === 'object' && answer !== null && 'then' in answer) {
    return fault('ROUTE_FAILED', 'the function returned a promise: it has to answer at once')
  }
  if (!isPlainObject(answer)) {
    return invalid(`the function returned ${kindOf(answer)}, which is neither a route nor 'drop'`)
  }
  const unknown = Object.keys(answer).find((name) => !FIELDS.includes(name))
  if (unknown !== undefined) {
    return invalid(`${unknown} is no field of a route: ${FIELDS.join(', ')}`)
  }
  const { topic, key, headers, partition, timestampMs } = answer as {
    [Field in keyof Route]: unknown
  }
  if (topic !== undefined && typeof topic !== 'string') {
    return invalid(`topic is ${kindOf(topic)}, and not a string`)
  }
  if (key !== undefined && !isText(key)) {
    return invalid(`key is ${kindOf(key)}, and not a string, bytes or null`)
  }
  if (partition !== undefined && !isWithin(partition, INT32_MAX)) {
    return invalid(`partition is ${kindOf(partition)}, and not a partition`)
  }
  if (timestampMs !== undefined && !isWithin(timestampMs, Number.MAX_SAFE_INTEGER)) {
    return invalid(`timestampMs is ${kindOf(timestampMs)}, and not milliseconds since 1970`)
  }
  const added = headers === undefined ? undefined : checkedHeaders(headers)
  if (added !== undefined && 'fault' in added) return added
  return {
    ...(topic !== undefined && { topic }),
    ...(key !== undefined && { key: typeof key === 'string' ? key : ownBytes(key) }),
    ...(added !== undefined && { headers: added }),
    ...(partition !== undefined && { partition }),
    ...(timestampMs !== undefined && { timestampMs }),
  }
}

function checkedHeaders(headers: unknown): readonly EventHeader[] | RouteFault {
  if (!isPlainObject(headers)) {
    return invalid(`headers is ${kindOf(headers)}, and not a plain object`)
  }
  const added: EventHeader[] = []
  for (const [name, value] of Object.entries(headers)) {
    if (name === EVENT_HEADERS.id || name.startsWith('cdc.')) {
      return invalid(`headers.${name} is the relay's own`)
    }
    if (!isText(value)) {
      return invalid(`headers.${name} is ${kindOf(value)}, and not a string, bytes or null`)
    }
    added.push([name, typeof value === 'string' ? TEXT.encode(value) : ownBytes(value)])
  }
  return added
}

/** The event as the function wants it, but for its topic. */
export function withCustomRoute(
  event: RoutedEvent,
  route: CustomRoute,
  keyConverter: Converter,
): RoutedEvent | RouteFault {
  if (route === NO_CUSTOM_ROUTE) return event
  const { headers, partition, timestampMs } = route
  const key = route.key === undefined ? undefined : convertedKey(route.key, keyConverter)
  if (key !== undefined && isFault(key)) {
    return { code: 'INVALID_KEY', fault: `${PREFIX}key: ${key.fault}` }
  }
  const keyed = key === undefined ? event : withKey(event, key)
  return keyed.with({
    ...(partition !== undefined && { partition }),
    ...(timestampMs !== undefined && { timestampMs }),
    ...(headers !== undefined && { headers: replaced(event.headers, headers) }),
  })
}

function convertedKey(key: string | Uint8Array | null, converter: Converter) {
  if (typeof key !== 'string') return { bytes: key }
  return convertPart(converter, { schema: required('string'), value: key })
}

function withKey(event: RoutedEvent, { bytes, avroSchema }: Converted): RoutedEvent {
  const { encoding: former = {}, partitionKey: _, ...rest } = event.parts()
  const { keySchema: __, ...others } = former
  const encoding = { ...others, ...(avroSchema !== undefined && { keySchema: avroSchema }) }
  return RoutedEvent.of({
    ...rest,
    key: bytes,
    ...(Object.keys(encoding).length > 0 && { encoding }),
    ...(bytes === null && { partitionKey: TEXT.encode(event.eventId ?? '') }),
  })
}

function replaced(
  headers: readonly EventHeader[],
  added: readonly EventHeader[],
): readonly EventHeader[] {
  const names = new Set(added.map(([name]) => name))
  return [...headers.filter(([name]) => !names.has(name)), ...added]
}

const PREFIX = 'route.module: '

function invalid(what: string): RouteFault {
  return fault('INVALID_ROUTE', what)
}

/** The reason is kept in a table and in headers: it is cut, whatever the function put into it. */
function fault(code: UnroutableCode, what: string): RouteFault {
  return { code, fault: (PREFIX + what).slice(0, REASON_LENGTH_MAX).toWellFormed() }
}

/** Of whatever was thrown: not every value has a text. */
function thrownText(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : kindOf(error)
  } catch {
    return 'what has no text'
  }
}

const REASON_LENGTH_MAX = 1_000

/** A copy that the function cannot change; of what only poses as bytes there is none. */
function ownBytes(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : new Uint8Array(bytes)
}

/** Not one whose fields are elsewhere: a `Map` would be a route without fields. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function isText(value: unknown): value is string | Uint8Array | null {
  return value === null || typeof value === 'string' || value instanceof Uint8Array
}

function isWithin(value: unknown, max: number): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= max
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) {
    return isPlainObject(value) ? 'an object' : 'an object of a class'
  }
  if (typeof value === 'function') return 'a function'
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

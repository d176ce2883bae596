import type { Projection } from './definition.ts'
import { type LogRecord, headersText } from './log-record.ts'

type Headers = Readonly<Record<string, string>>

/** `util.inspect.custom` of Node, which looks behind a proxy. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/**
 * The headers of an event as text, made when somebody first asks for one of them: most handlers ask for none, and
 * these texts would be a fifth of what an event takes. They are then what {@link headersText} says,
 * and keep nothing of the record.
 *
 * It is an object like any other but for `structuredClone`, which refuses it: for handlers that are pure
 * functions, and nobody who would send them to another thread.
 */
export function headersWhenRead(record: LogRecord): Headers {
  const unread = { [INSPECT]: inspectTexts } as unknown as Record<string, string>
  return new Proxy(unread, new WhenRead(record))
}

/** Whether handlers of a live batch are given {@link headersWhenRead}: those that are pure functions, and see an event once. */
export function readsHeadersLate(projection: Projection): boolean {
  return projection.kind !== 'sql' && !looksTwice(projection)
}

/** At all events of a batch for `enrich`, or for the keys of their rows, and then at each again. */
export function looksTwice(projection: Projection): boolean {
  const { kind, enrich, enrichEach } = projection
  return (
    enrich !== undefined || enrichEach !== undefined || (kind === 'fold' && projection.mayShareRows)
  )
}

function inspectTexts(this: Headers): Headers {
  return { ...this }
}

/** Fills its target before anything is done with it; after that, the target is as it is. */
class WhenRead implements ProxyHandler<Record<string, string>> {
  #record: LogRecord | undefined

  constructor(record: LogRecord) {
    this.#record = record
  }

  get(target: Record<string, string>, name: string | symbol): unknown {
    return Reflect.get(this.#filled(target), name)
  }

  has(target: Record<string, string>, name: string | symbol): boolean {
    return Reflect.has(this.#filled(target), name)
  }

  ownKeys(target: Record<string, string>): (string | symbol)[] {
    return Reflect.ownKeys(this.#filled(target))
  }

  getOwnPropertyDescriptor(
    target: Record<string, string>,
    name: string | symbol,
  ): PropertyDescriptor | undefined {
    return Reflect.getOwnPropertyDescriptor(this.#filled(target), name)
  }

  defineProperty(
    target: Record<string, string>,
    name: string | symbol,
    descriptor: PropertyDescriptor,
  ): boolean {
    return Reflect.defineProperty(this.#filled(target), name, descriptor)
  }

  deleteProperty(target: Record<string, string>, name: string | symbol): boolean {
    return Reflect.deleteProperty(this.#filled(target), name)
  }

  preventExtensions(target: Record<string, string>): boolean {
    return Reflect.preventExtensions(this.#filled(target))
  }

  #filled(target: Record<string, string>): Record<string, string> {
    const record = this.#record
    if (record === undefined) return target
    this.#record = undefined
    Reflect.deleteProperty(target, INSPECT)
    Object.defineProperties(target, Object.getOwnPropertyDescriptors(headersText(record)))
    return target
  }
}

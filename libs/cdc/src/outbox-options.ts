import type { AllowedTopics } from './allowed-topics.ts'
import type { SourceCatalog } from './columns/source-catalog.ts'
import type { ValueOptions } from './columns/value-options.ts'
import type { Converter } from './connect/converter.ts'
import type { ExpandOptions } from './connect/expand-json.ts'
import type { OutboxFields } from './outbox-columns.ts'
import type { RouteFunction } from './route-function.ts'

export type OutboxRouterOptions = {
  /** The outbox tables, as `schema.table`. */
  readonly tables: readonly string[]
  /** Prefixes of messages that are events, see {@link OutboxMessages}. */
  readonly messagePrefixes: readonly string[]
  readonly fields: OutboxFields
  /** `table.fields.additional.placement` */
  readonly placements: readonly FieldPlacement[]
  /** `table.fields.additional.error.on.missing`: a row without such a column is unroutable. */
  readonly isPlacedFieldRequired: boolean
  /** `table.op.invalid.behavior`: what becomes of an update of an outbox row. */
  readonly onInvalidOperation: 'warn' | 'error' | 'fatal'
  /** `table.expand.json.payload`; undefined when it is off. */
  readonly expandJson: ExpandOptions | undefined
  /** Must match the whole value of the route field, or that value is the topic as it is. */
  readonly topicRegex: RegExp
  /** Topic, with `${group}` or `$1` for what `topicRegex` captured. */
  readonly topicReplacement: string
  /** Has the last word on where an event goes; undefined without `route.module`. */
  readonly route: RouteFunction | undefined
  /** `route.topic.include.list` */
  readonly allowedTopics: AllowedTopics
  /** An empty payload becomes a tombstone. */
  readonly tombstoneOnEmptyPayload: boolean
  readonly tenant: TenantRouting | undefined
  /** An event without a trace context begins a trace. */
  readonly tracesAll: boolean
  /** What becomes of an event whose key is null. */
  readonly nullKeys: 'error' | 'allow'
  /** Of a row as it comes from the log. A larger one is unroutable, and not copied. */
  readonly rowBytesMax: number
  readonly converters: Converters
  /**
   * Subject of the schema that payloads are encoded by, with `${topic}` and `${type}`; empty when
   * they are not.
   */
  readonly documentSubject: string
  readonly values: ValueOptions
  readonly catalog: SourceCatalog
  /** `topic.prefix`: begins the names of schemas. */
  readonly topicPrefix: string
  /** Written to every record, first. */
  readonly contextHeaders: ContextHeaders
  /** Written to each record, see {@link SOURCE_HEADER}. */
  readonly source: string
}

/** `key.converter`, `value.converter`, `header.converter` */
export type Converters = {
  readonly key: Converter
  readonly value: Converter
  readonly header: Converter
}

type ContextHeaders = readonly (readonly [name: string, text: string])[]

/** A column that goes into the record beside the payload. */
export type FieldPlacement = {
  readonly field: string
  /** `partition` takes the number of the partition from the column. */
  readonly placement: 'header' | 'envelope' | 'partition'
  /** Name of the header, or of the field in the envelope. */
  readonly alias: string
}

/** Events of several tenants in one outbox. */
export type TenantRouting = {
  /** Topic of an event, with `${tenant}` and `${topic}`, the topic without tenants. */
  readonly topicReplacement: string
  /** Name of the header with the tenant; empty for none. */
  readonly header: string
}

const PLACEMENTS: readonly string[] = ['header', 'envelope', 'partition']

/**
 * `column:placement` or `column:placement:alias`, one each.
 *
 * @throws {Error} that says what is wrong with the first one that is none.
 */
export function parsePlacements(items: readonly string[]): readonly FieldPlacement[] {
  return items.map((item) => {
    const [field = '', placement = '', alias = field, ...rest] = item
      .split(':')
      .map((part) => part.trim())
    const isKnown = PLACEMENTS.includes(placement.toLowerCase())
    if (field === '' || alias === '' || rest.length > 0 || !isKnown) {
      throw new Error(
        `"${item}" is not column:placement[:alias] with placement ${PLACEMENTS.join(', ')}`,
      )
    }
    return { field, placement: placement.toLowerCase() as FieldPlacement['placement'], alias }
  })
}

/** For what has no bytes of its own: without a converter it is JSON. */
export function structured({ key, value, header }: Converters): Converters {
  const json: Converter = { kind: 'json', hasSchemas: false }
  const orJson = (converter: Converter): Converter => (converter.kind === 'raw' ? json : converter)
  return {
    key: orJson(key),
    value: orJson(value),
    header: header.kind === 'raw' ? { kind: 'simple' } : header,
  }
}

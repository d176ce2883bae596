import { EVENT_HEADERS } from '@fairlead/base'
import { type Admitted, type LogRecord, headersText } from '@fairlead/projection'
import type { TraceIds } from '@fairlead/service'
import type { Attributes, Link, Span, SpanContext, SpanKind } from '@opentelemetry/api'
import type { Fetched } from './log/event-log.ts'
import type { ProjectionPartition } from './store/registered-projection.ts'
import { openTelemetry, tracer, withinSpan } from './tracing.ts'

/** As many as the SDKs of OpenTelemetry keep by default. */
const LINKS_MAX = 128
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/

const { context, createTraceState, isSpanContextValid, trace } = openTelemetry

/**
 * Spans of what is done with a partition, by the semantic conventions of OpenTelemetry for messaging. They
 * go nowhere, and cost next to nothing, unless the process was started with an SDK.
 */
export class PartitionSpans {
  readonly #topic: string
  readonly #attributes: Attributes

  constructor(
    { projection, topic, partition }: ProjectionPartition,
    { groupId }: { readonly groupId: string },
  ) {
    this.#topic = topic
    this.#attributes = {
      'messaging.system': 'kafka',
      'messaging.destination.name': topic,
      'messaging.destination.partition.id': String(partition),
      'messaging.consumer.group.name': groupId,
      'projection.name': projection.name,
      'projection.version': projection.version,
    }
  }

  /** `poll <topic>`, for a fetch that began at `startTime` and brought records. */
  polled({ records }: Pick<Fetched, 'records'>, startTime: number): void {
    if (records.length === 0) return
    const span = this.#start('poll', 'receive', openTelemetry.SpanKind.CLIENT, startTime)
    if (span.isRecording()) describe(span, records)
    span.end()
  }

  /**
   * `process <topic>` around a transaction: linked to the traces of its events, and a part of that of
   * its event when it has only one. Statements that handlers make are parts of it. Without an SDK the span of
   * one event is that which wrote it.
   */
  async process<T>(
    admitted: Admitted,
    apply: () => Promise<T>,
  ): Promise<{ readonly applied: T; readonly trace: TraceIds | undefined }> {
    const { records } = admitted
    const [first] = records
    const origin = records.length === 1 && first !== undefined ? originOf(first.record) : undefined
    const parent =
      origin === undefined ? context.active() : trace.setSpanContext(context.active(), origin)
    const span = this.#start(
      'process',
      'process',
      openTelemetry.SpanKind.CONSUMER,
      undefined,
      parent,
    )
    if (span.isRecording()) {
      describe(
        span,
        records.map(({ record }) => record),
      )
    }
    const applied = await withinSpan(span, parent, apply)
    return { applied, trace: idsOf(span) }
  }

  #start(
    name: string,
    type: string,
    kind: SpanKind,
    startTime: number | undefined,
    parent = context.active(),
  ): Span {
    return tracer().startSpan(
      `${name} ${this.#topic}`,
      {
        kind,
        attributes: {
          ...this.#attributes,
          'messaging.operation.name': name,
          'messaging.operation.type': type,
        },
        ...(startTime === undefined ? {} : { startTime }),
      },
      parent,
    )
  }
}

/** Nobody finds a trace that was not sampled. */
function idsOf(span: Span): TraceIds | undefined {
  const spanContext = span.spanContext()
  const isSampled = (spanContext.traceFlags & openTelemetry.TraceFlags.SAMPLED) !== 0
  return isSampled && isSpanContextValid(spanContext)
    ? { trace_id: spanContext.traceId, span_id: spanContext.spanId }
    : undefined
}

function describe(span: Span, records: readonly LogRecord[]): void {
  const [first] = records
  if (first === undefined) return
  span.setAttribute('messaging.batch.message_count', records.length)
  span.setAttribute('messaging.kafka.offset', first.offset)
  span.addLinks(linksTo(records))
}

/** One link to each trace, though many events may be of one transaction. */
function linksTo(records: readonly LogRecord[]): Link[] {
  const links = new Map<string, Link>()
  for (const record of records) {
    const origin = originOf(record)
    if (origin !== undefined) links.set(`${origin.traceId} ${origin.spanId}`, { context: origin })
    if (links.size === LINKS_MAX) break
  }
  return [...links.values()]
}

/** The span that wrote the event, as its headers say (W3C Trace Context); undefined without one. */
function originOf(record: LogRecord): SpanContext | undefined {
  const headers = headersText(record)
  const [, traceId, spanId, flags] =
    TRACEPARENT.exec(headers[EVENT_HEADERS.traceparent] ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  const state = headers[EVENT_HEADERS.tracestate]
  const origin: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(state === undefined ? {} : { traceState: createTraceState(state) }),
  }
  return isSpanContextValid(origin) ? origin : undefined
}

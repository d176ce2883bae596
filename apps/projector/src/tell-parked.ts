import { EVENT_HEADERS, errorMessage } from '@fairlead/base'
import {
  type Letter,
  type Projection,
  type SkippedEvent,
  headersText,
  parkedRetryOf,
} from '@fairlead/projection'
import type { TopicPartition } from './log/event-log.ts'
import { projectionLabel } from './projection-label.ts'
import type { RunnerLogger } from './projection-runner.ts'

/**
 * Tells of each key that is parked why it is, what becomes of it, and which command shows it. The key itself, which
 * may be a person's, is told to those who ask for `debug`.
 */
export function tellParked(
  logger: Pick<RunnerLogger, 'error' | 'debug'>,
  { projection, at }: { readonly projection: Projection; readonly at: TopicPartition },
  letters: readonly Letter[],
): void {
  const fields = { projection: projectionLabel(projection), ...at }
  for (const { key, record, eventType, cause } of letters) {
    if (cause.kind === 'blocked') continue
    const { stage, failureClass, errorClass, errorMessage: reason, fingerprint, mayPass } = cause
    logger.error(
      {
        ...fields,
        offset: record.offset,
        ...traceOf(headersText(record)),
        eventType,
        stage,
        failureClass,
        errorClass,
        reason,
        fingerprint,
        next: nextOf(projection, mayPass),
        look: `fairlead dlq list ${projection.name} --version ${projection.version} --fingerprint ${fingerprint}`,
      },
      'a key is parked: the event failed, and those behind it wait',
    )
    logger.debug({ ...fields, key }, 'parked key')
  }
}

/** Tells of events that are in no row and in no letter, once for all of a batch that failed with one class of error. */
export function tellSkipped(
  logger: Pick<RunnerLogger, 'warn'>,
  { projection, at }: { readonly projection: Projection; readonly at: TopicPartition },
  skipped: readonly SkippedEvent[],
): void {
  const classOf = ({ error }: SkippedEvent) => (error instanceof Error ? error.name : typeof error)
  for (const [errorClass, [first, ...others]] of Map.groupBy(skipped, classOf)) {
    if (first === undefined) continue
    const { record, failureClass, error } = first
    logger.warn(
      {
        projection: projectionLabel(projection),
        ...at,
        offset: record.offset,
        ...traceOf(headersText(record)),
        count: 1 + others.length,
        failureClass,
        errorClass,
        reason: errorMessage(error),
      },
      'events are skipped, as errors.classify says: the first of them is told',
    )
  }
}

/** Who does what, and when. */
function nextOf(projection: Projection, mayPass: boolean): string {
  const { retries, baseMs, maxMs } = parkedRetryOf(projection)
  const somebody = 'somebody replays, edits or discards it'
  if (!mayPass || retries === 0) return `it waits until ${somebody}`
  const firstMs = Math.min(baseMs, maxMs)
  return `it is tried again by itself, within ${firstMs} ms and up to ${retries} times; then it waits until ${somebody}`
}

/** Trace and span of the write that the event is from, by its W3C header. */
function traceOf(headers: Readonly<Record<string, string>>) {
  const [, traceId, spanId] = headers[EVENT_HEADERS.traceparent]?.split('-') ?? []
  return { trace_id: traceId, span_id: spanId }
}

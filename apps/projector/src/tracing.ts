import { createRequire } from 'node:module'
import type * as OpenTelemetry from '@opentelemetry/api'
import type { Span, Tracer } from '@opentelemetry/api'

/** As `prom-client` has loaded it already; imported, it would be loaded again, from as many files. */
export const openTelemetry = createRequire(import.meta.url)(
  '@opentelemetry/api',
) as typeof OpenTelemetry

/** Asked for each time: an SDK that comes later is known to the other copy of the API, and to all by the global. */
export function tracer(): Tracer {
  return openTelemetry.trace.getTracer('@fairlead/projector')
}

/**
 * What `work` does is within the span, which ends with it, and has the class of its error: never the text, which may
 * name values of events.
 */
export async function withinSpan<T>(
  span: Span,
  parent: OpenTelemetry.Context,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await openTelemetry.context.with(openTelemetry.trace.setSpan(parent, span), work)
  } catch (error) {
    const type = error instanceof Error ? error.name : typeof error
    span.setAttribute('error.type', type)
    span.setStatus({ code: openTelemetry.SpanStatusCode.ERROR, message: type })
    throw error
  } finally {
    span.end()
  }
}

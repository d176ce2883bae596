import type { Span } from '@opentelemetry/api'
import type { Job, JobPhase } from '../store/jobs.ts'
import type { RegisteredProjection } from '../store/registered-projection.ts'
import { openTelemetry, tracer, withinSpan } from '../tracing.ts'

/**
 * `<kind> <projection>` around what a job does: a trace of its own, as a rebuild reads years of events, whose traces
 * ended when they happened.
 */
export async function withinJobSpan<T>(
  { kind, id }: Pick<Job, 'kind' | 'id'>,
  { projection }: Pick<RegisteredProjection, 'projection'>,
  work: () => Promise<T>,
): Promise<T> {
  const parent = openTelemetry.context.active()
  const span = tracer().startSpan(
    `${kind} ${projection.name}`,
    {
      root: true,
      attributes: {
        'projection.name': projection.name,
        'projection.version': projection.version,
        'projection.job.id': String(id),
      },
    },
    parent,
  )
  return withinSpan(span, parent, work)
}

/** A span for each phase of the job that is under way here, within its own. */
export class PhaseSpans {
  #current: Span | undefined

  enter(phase: JobPhase): void {
    this.end()
    this.#current = tracer().startSpan(phase)
  }

  end(): void {
    this.#current?.end()
    this.#current = undefined
  }
}

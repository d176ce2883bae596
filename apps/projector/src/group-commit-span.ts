import type { Membership } from './log/event-log.ts'
import type { RegisteredProjection } from './store/registered-projection.ts'
import { openTelemetry, tracer, withinSpan } from './tracing.ts'

type Positions = Parameters<Membership['commit']>[0]

/**
 * `commit <topic>` around a request that tells the group where its partitions are. What counts is committed in the
 * transactions of `process`.
 */
export async function withinCommitSpan(
  positions: Positions,
  of: Pick<RegisteredProjection, 'projection'> & { readonly groupId: string },
  commit: () => Promise<void>,
): Promise<void> {
  const { projection, groupId } = of
  const [first, ...others] = positions
  const topics = new Set(positions.map(({ topic }) => topic))
  const parent = openTelemetry.context.active()
  const span = tracer().startSpan(
    topics.size === 1 ? `commit ${first?.topic}` : 'commit',
    {
      kind: openTelemetry.SpanKind.CLIENT,
      attributes: {
        'messaging.system': 'kafka',
        'messaging.operation.name': 'commit',
        'messaging.operation.type': 'settle',
        'messaging.consumer.group.name': groupId,
        'projection.name': projection.name,
        'projection.version': projection.version,
        ...(topics.size === 1 ? { 'messaging.destination.name': first?.topic } : {}),
        ...(first === undefined || others.length > 0
          ? {}
          : {
              'messaging.destination.partition.id': String(first.partition),
              'messaging.kafka.offset': first.offset,
            }),
      },
    },
    parent,
  )
  await withinSpan(span, parent, commit)
}

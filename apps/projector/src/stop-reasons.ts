import { OperationalError, errorMessage } from '@fairlead/base'
import { type FailureClass, type Projection, classifyFailure } from '@fairlead/projection'
import type { ProjectionPartition } from './store/registered-projection.ts'

/** A reason to give the partition up until somebody acts. */
export class StopRequired extends Error {
  override readonly name = 'StopRequired'
}

/** Skipping it would leave rows that no later release could put right. */
export function explainUnknown(of: {
  readonly eventType: string
  readonly topic: string
  readonly projection: Projection
}): string {
  const { eventType, topic, projection } = of
  return `${topic} has an event of type ${eventType}, which the events of ${projection.name} do not define: a newer release wrote it. Run that release's definitions; a type without a handler is ignored`
}

export function explainNewTopic({ projection, topic }: ProjectionPartition): string {
  return `${topic} was deleted and created anew: the checkpoints of ${projection.name} v${projection.version} are places in the former one. Give the projection a new version to start from what the topic has now.`
}

/** The log does not have what is behind the checkpoint, or lost what was before it. */
const LOST_PLACES: ReadonlySet<string> = new Set(['OFFSET_OUT_OF_RANGE', 'LOG_TRUNCATED'])

/**
 * Failures that waiting does not cure. A version that does not run is none of them: one that is rebuilt may be
 * back before anybody has seen that it was away, and who sees it ends its workers.
 */
const LASTING: ReadonlySet<string> = new Set([...LOST_PLACES, 'RETIRED'])

/** The log and the registry pause a worker whatever they answer, but for a lost place in the log. */
export function classifyRead(error: unknown): FailureClass {
  if (error instanceof OperationalError) {
    return LASTING.has(error.code) ? 'data' : 'infra'
  }
  return classifyFailure(error, 'database')
}

/** Why a read that no waiting cures stops the partition. */
export function explainRead(error: unknown): string {
  const message = errorMessage(error)
  if (!(error instanceof OperationalError) || !LOST_PLACES.has(error.code)) return message
  return `${message}. The log does not have the record at the checkpoint: its retention removed it, or the topic was truncated or created anew. The projection does not skip what it never saw; give it a new version to start from what the log has.`
}

/** Why a batch that nobody can try again stops the partition. */
export function explainBatch(error: unknown, failureClass: FailureClass): string {
  const message = errorMessage(error)
  if (failureClass !== 'schema') return message
  return `${message}. The tables are not what the projection expects, or its role may not use them: run the migration or grant that is missing, then restart the projector.`
}

import { EXCESS } from './close-kind.ts'
import type { Connection } from './connection.ts'
import type { ConnectionSlots } from './connection-slots.ts'

/**
 * Ends connections that `max.connections` has no place for any more: those first that were silent for
 * the longest time, whatever they wait for, as Apache Kafka does once the limit is lowered. It spares
 * the listener of other brokers, which a cluster of one does not have.
 */
export function closeExcess(
  listeners: Iterable<{ readonly connections: Iterable<Connection> }>,
  slots: ConnectionSlots,
): void {
  const { excessCount } = slots
  if (excessCount === 0) return
  const connections = [...listeners].flatMap((listener) => [...listener.connections])
  connections.sort((left, right) => left.lastActivityMs - right.lastActivityMs)
  for (const connection of connections.slice(0, excessCount)) {
    connection.close(EXCESS)
  }
}

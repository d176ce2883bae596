import type { EventPosition } from '@fairlead/cdc'
import { KafkaError } from '@fairlead/kafka'
import { halt } from '../session-failure.ts'
import { sinkFailure } from './sink-failure.ts'
import type { SinkClients } from './sink-clients.ts'

/** Up to where events are published, where the brokers know it. @throws {SessionFailure} */
export async function beginDelivery(sink: SinkClients): Promise<EventPosition | undefined> {
  try {
    return await sink.begin()
  } catch (error) {
    if (error instanceof KafkaError && error.code === 'UNSUPPORTED_VERSION') {
      throw halt(
        'NO_TRANSACTIONS',
        `${error.message}: set delivery to idempotent, which publishes each event once, too, by what the topics hold`,
      )
    }
    throw sinkFailure(error)
  }
}

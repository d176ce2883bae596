import {
  type Admin,
  type IdempotentProducer,
  type KafkaLogger,
  type Reader,
  createAdmin,
  createProducer,
  createReader,
} from '@fairlead/kafka'
import type { RelayOptions } from '../options.ts'

/** What a session needs of the brokers. */
export type SinkClients = {
  readonly producer: IdempotentProducer
  readonly admin: Admin
  readonly reader: Reader
  /**
   * Waits for what was sent and not answered, within the producer's own bound: a later session must
   * not read the tail of a topic while a record of this one is still on its way there.
   */
  close(): Promise<void>
}

/** Nothing is sent, first or again, while `isPermitted` says no. */
export type SinkFactory = (isPermitted: () => boolean) => SinkClients

/** Clients of real brokers; they connect when they are first used. */
export function kafkaSink(options: RelayOptions['sink'], logger: KafkaLogger): SinkFactory {
  return (isPermitted) => {
    const client = {
      bootstrapServers: options.bootstrapServers,
      clientId: options.clientId,
      logger,
    }
    const producer = createProducer({
      ...client,
      deliveryTimeoutMs: options.deliveryTimeoutMs,
      maxRequestSizeBytes: options.recordBytesMax,
      isPermitted,
    })
    const admin = createAdmin(client)
    const reader = createReader(client)
    const close = async () => {
      await Promise.all([producer.close(), admin.close(), reader.close()])
    }
    return { producer, admin, reader, close }
  }
}

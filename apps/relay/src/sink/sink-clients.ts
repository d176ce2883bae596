import type { EventPosition } from '@fairlead/cdc'
import {
  type Admin,
  type KafkaLogger,
  type PlacedRecord,
  type Reader,
  type RejectedKeys,
  createAdmin,
  createProducer,
  createReader,
  createTransactionalProducer,
} from '@fairlead/kafka'
import type { RelayOptions } from '../options.ts'
import { PositionTopic } from './position-topic.ts'
import { TransactionalEvents } from './transactional-events.ts'

/** Where events go. */
export interface EventProducer {
  /** As `IdempotentProducer.send`: what is not rejected is stored. */
  send(records: readonly PlacedRecord[], rejectedKeys?: RejectedKeys): Promise<unknown>
  /**
   * With transactions: a batch of events, and that they are published up to `last`. When it rejects
   * records none is stored.
   */
  commit?(records: readonly PlacedRecord[], last: EventPosition): Promise<void>
  close(): Promise<void>
}

/** What a session needs of the brokers. */
export type SinkClients = {
  readonly producer: EventProducer
  /**
   * Called once the slot is ours, before anything is sent: with transactions it fences every former
   * producer, and gives the position up to which events are published; undefined where that is to be
   * found in the topics.
   */
  begin(): Promise<EventPosition | undefined>
  readonly admin: Admin
  readonly reader: Reader
  /**
   * Waits for what was sent and not answered, within the producer's own bound: a later session must
   * not read the tail of a topic while a record of this one is still on its way there.
   */
  close(): Promise<void>
}

/** Nothing is sent, first or again, while `isPermitted` says no. `source` names the database and the slot. */
export type SinkFactory = (isPermitted: () => boolean, source: string) => SinkClients

/** Clients of real brokers; they connect when they are first used. */
export function kafkaSink(options: RelayOptions['sink'], logger: KafkaLogger): SinkFactory {
  return (isPermitted, source) => {
    const client = {
      bootstrapServers: options.bootstrapServers,
      clientId: options.clientId,
      security: options.security,
      logger,
    }
    const delivery = {
      ...client,
      deliveryTimeoutMs: options.deliveryTimeoutMs,
      maxRequestSizeBytes: options.recordBytesMax,
      isPermitted,
    }
    const admin = createAdmin(client)
    const reader = createReader(client)
    const { transactional } = options
    if (transactional === undefined) {
      const producer = createProducer(delivery)
      const begin = () => Promise.resolve(undefined)
      return { producer, begin, admin, reader, close: () => closed([producer, admin, reader]) }
    }
    const { transactionalId, positionTopic } = transactional
    const transactions = createTransactionalProducer({ ...delivery, transactionalId })
    const positions = new PositionTopic({ topic: positionTopic, source })
    const { replicationFactor } = options.topicCreation.default
    const producer = new TransactionalEvents(transactions, positions)
    const begin = async () => {
      await transactions.begin()
      return positions.read({ admin, reader }, replicationFactor)
    }
    return { producer, begin, admin, reader, close: () => closed([producer, admin, reader]) }
  }
}

async function closed(clients: readonly { close(): Promise<void> }[]): Promise<void> {
  await Promise.all(clients.map((client) => client.close()))
}

import type { BufferPool, Clock } from '@fairlead/base'
import type { BrokerSettings, ClientQuotas, MetadataImage } from '@fairlead/metadata'
import type { ApiName, RequestOf, ResponseBody } from '@fairlead/protocol'
import type { Permits } from '@fairlead/runtime'
import type { Controller } from '../cluster/controller.ts'
import type { NodeIdentity } from '../cluster/node-identity.ts'
import type { ProducerIds } from '../cluster/producer-ids.ts'
import type { BrokerConfig } from '../config.ts'
import type { GroupShell } from '../groups/group-shell.ts'
import type { BrokerMetrics } from '../metrics/broker-metrics.ts'
import type { RequestMetrics } from '../metrics/request-metrics.ts'
import type { Peer, Turn } from '../network/connection.ts'
import type { DelayedFetches } from '../fetching/delayed-fetches.ts'
import type { FetchMemory } from '../fetching/fetch-memory.ts'
import type { FetchSessions } from '../fetching/fetch-sessions.ts'
import type { PartitionTable } from '../partitions/partition-table.ts'
import type { DataDirectories } from '../storage/data-directories.ts'
import type { RequestQuota } from '../quotas/request-quota.ts'
import type { BatchOpener } from '../produce/batch-opener.ts'
import type { PartitionOrder } from '../produce/partition-order.ts'

/** What handlers work with; `broker.ts` builds it. */
export type BrokerParts = {
  readonly config: BrokerConfig
  readonly node: NodeIdentity
  readonly settings: BrokerSettings
  readonly image: MetadataImage
  readonly controller: Controller
  readonly producerIds: ProducerIds
  readonly quotas: ClientQuotas
  readonly partitions: PartitionTable
  readonly directories: DataDirectories
  /** Opens batches that a topic wants to be looked into. */
  readonly batchOpener: BatchOpener
  /** Lookups by time, and deletions of records, go through these. */
  readonly lookups: Permits
  readonly deletions: Permits
  readonly partitionOrder: PartitionOrder
  readonly delayedFetches: DelayedFetches
  readonly fetchMemory: FetchMemory
  readonly fetchSessions: FetchSessions
  /** Where the large buffers of requests, responses and logs come from. */
  readonly buffers: BufferPool
  readonly groups: GroupShell
  readonly metrics: BrokerMetrics
  readonly requestMetrics: RequestMetrics
  readonly clock: Clock
}

export type HandlerContext = BrokerParts & {
  readonly apiVersion: number
  readonly clientId: string
  readonly peer: Peer
  readonly turn: Turn
  readonly quota: RequestQuota
  /** Nothing refers to the bytes of the request any more: their buffer is used for another one. */
  freeFrame(): void
  /** Runs once the response is on the socket, or the connection is gone. */
  onSent(callback: () => void): void
}

/** The request has no response: Produce with acks=0. */
export const NO_RESPONSE = Symbol('no response')

/** Instead of a response: the only way to tell a client that expects none that something failed. */
export class EndConnection {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

type Answer<Name extends ApiName> = ResponseBody<Name> | typeof NO_RESPONSE | EndConnection

/**
 * Answers one API. It runs up to its first `await` in the order in which the connection's requests
 * arrived; what must keep that order (an append, a commit) therefore starts before it waits.
 */
export type Handler<Name extends ApiName> = (
  request: RequestOf<Name>,
  context: HandlerContext,
) => Promise<Answer<Name>> | Answer<Name>

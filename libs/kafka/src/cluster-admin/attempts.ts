import type { BrokerConnection } from '../broker-connection.ts'
import type { Cluster } from '../cluster.ts'
import { errorName, responseError } from '../error-codes.ts'
import { retrying } from '../retrying.ts'
import type { Outcome } from './types.ts'

const NONE = 0

type Call<Response> = (
  connection: BrokerConnection,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
) => Promise<Response>

/** Sends an idempotent request to any broker, again while its failure is one that passes. */
export function toAnyBroker<Response>(
  cluster: Cluster,
  what: string,
  call: Call<Response>,
): Promise<Response> {
  return attempts(cluster, what, async (options) =>
    cluster.withAnyBroker(
      (connection, timeoutMs) => call(connection, { ...options, timeoutMs }),
      options,
    ),
  )
}

/** As {@link toAnyBroker}, to the leader of a partition. */
export function toLeader<Response>(
  cluster: Cluster,
  target: { readonly topic: string; readonly partition: number; readonly what: string },
  call: Call<Response>,
): Promise<Response> {
  return attempts(cluster, target.what, async (options) => {
    const leader = await cluster.findLeader(target.topic, target.partition, options)
    try {
      return await cluster.withBroker(leader, (connection) => call(connection, options), options)
    } catch (error) {
      cluster.forgetLeaders(target.topic)
      throw error
    }
  })
}

/** As {@link toAnyBroker}, to the coordinator of a group; `call` also gets its broker id. */
export function toCoordinator<Response>(
  cluster: Cluster,
  groupId: string,
  what: string,
  call: (
    connection: BrokerConnection,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
    brokerId: number,
  ) => Promise<Response>,
): Promise<Response> {
  return attempts(cluster, what, async (options) => {
    const brokerId = await cluster.findCoordinator({ type: 'group', key: groupId }, options)
    return cluster.withBroker(
      brokerId,
      (connection) => call(connection, options, brokerId),
      options,
    )
  })
}

export function attempts<Result>(
  cluster: Cluster,
  what: string,
  attempt: (options: {
    readonly timeoutMs: number
    readonly signal: AbortSignal
  }) => Promise<Result>,
): Promise<Result> {
  const signal = cluster.closing
  return retrying({ what, timeoutMs: cluster.requestTimeoutMs, signal }, (remaining) =>
    attempt({ timeoutMs: remaining(), signal }),
  )
}

/** The outcome of one item of a response. */
export function outcome<Value>(
  item: {
    readonly name: string
    readonly errorCode: number
    readonly errorMessage?: string | null | undefined
  },
  what: string,
  value: Value,
): Outcome<Value> {
  const { name, errorCode } = item
  if (errorCode === NONE) return { ok: true, name, value }
  // Without a message of the broker, its error name alone says it best.
  const detail = item.errorMessage === errorName(errorCode) ? null : item.errorMessage
  return { ok: false, name, error: responseError(errorCode, what, detail) }
}

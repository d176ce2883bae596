import { invariant } from '@fairlead/base'
import { setMaxListeners } from 'node:events'
import { type BrokerAddress, BrokerConnection, type CallOptions } from './broker-connection.ts'
import type { ClientSecurity } from './client-security.ts'
import type { ClientOptions, KafkaLogger } from './clients.ts'
import {
  closedError,
  errorName,
  expectNoError,
  finalIfRefused,
  isRetryableName,
  responseError,
  toKafkaError,
} from './error-codes.ts'
import { KafkaError } from './kafka-error.ts'
import { type CoordinatorKey, findCoordinatorExchange } from './requests/find-coordinator.ts'
import { metadataExchange } from './requests/metadata.ts'
import { KeyTexts } from './key-texts.ts'
import { jitter } from './retrying.ts'

const REQUEST_TIMEOUT_DEFAULT_MS = 30_000
/** Connections kept open to one broker while nobody uses them. */
const IDLE_CONNECTIONS_MAX = 8
/** Wait of one bootstrap server before the next is tried. */
const METADATA_TIMEOUT_MS = 5_000

/** A broker by id, a bootstrap server or an address from the metadata by `host:port`. */
type Target = BrokerAddress & { readonly name: string }

type TopicMetadata = {
  /** Kafka's error name; `NONE` when the topic is usable. */
  readonly error: string
  readonly topicId: string
  /** By partition; undefined while the partition has no leader. */
  readonly leaders: readonly (number | undefined)[]
  /** By partition; -1 where the broker does not tell. */
  readonly leaderEpochs: readonly number[]
}

/**
 * What the clients know about the brokers: addresses, leaders, coordinators, and open connections.
 * Knowledge is a hint: every use can meet NOT_LEADER or a dead broker, and asks again.
 */
export class Cluster {
  readonly clientId: string
  readonly logger: KafkaLogger | undefined
  readonly requestTimeoutMs: number
  readonly #security: ClientSecurity | undefined
  readonly #isRefusalFinal: boolean
  readonly #bootstrap: readonly Target[]
  #isBootstrapFirst = false
  readonly #brokers = new Map<number, Target>()
  readonly #topics = new Map<string, TopicMetadata>()
  readonly #idle = new Map<string, BrokerConnection[]>()
  readonly #used = new Set<BrokerConnection>()
  /** Of keys that were fetched. */
  readonly keyTexts = new KeyTexts()
  readonly #closing = new AbortController()

  constructor(options: ClientOptions) {
    setMaxListeners(0, this.#closing.signal)
    invariant(options.bootstrapServers.length > 0, 'there is at least one bootstrap server')
    this.clientId = options.clientId
    this.logger = options.logger
    this.#security = options.security
    this.#isRefusalFinal = options.isRefusalFinal ?? false
    this.requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_DEFAULT_MS
    this.#bootstrap = options.bootstrapServers.map(parseAddress)
  }

  /** Fires when the client is closed: every wait ends. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  leaderOf(topic: string, partition: number): number | undefined {
    return this.#topics.get(topic)?.leaders[partition]
  }

  /** Of the leader that {@link leaderOf} names. */
  leaderEpochOf(topic: string, partition: number): number | undefined {
    return this.#topics.get(topic)?.leaderEpochs[partition]
  }

  /** Undefined before the first refresh and for a topic that does not exist. */
  partitionCount(topic: string): number | undefined {
    const metadata = this.#topics.get(topic)
    return metadata === undefined || metadata.leaders.length === 0
      ? undefined
      : metadata.leaders.length
  }

  /** Why a topic has no leaders, as far as the last refresh knows; `NONE` when it has. */
  topicError(topic: string): string {
    return this.#topics.get(topic)?.error ?? 'UNKNOWN_TOPIC_OR_PARTITION'
  }

  /** Of a topic that the last refresh has found. */
  topicId(topic: string): string | undefined {
    return this.#topics.get(topic)?.topicId
  }

  /** Asks for the leaders of `topics`; a topic's own error is kept, see {@link topicError}. */
  async refresh(topics: readonly string[], options: CallOptions): Promise<void> {
    await this.listTopics(topics, options)
  }

  /** As {@link refresh}; null asks for all topics. Answers the names of those that exist. */
  async listTopics(topics: readonly string[] | null, options: CallOptions): Promise<string[]> {
    const exchange = metadataExchange({ topics, mayCreate: false })
    const response = await this.withAnyBroker(
      (connection, timeoutMs) => connection.exchange(exchange, { ...options, timeoutMs }),
      options,
    )
    // Only what is listed now: an address that is gone would cost its connect timeout each time.
    this.#brokers.clear()
    for (const broker of response.brokers) {
      this.#brokers.set(broker.nodeId, { ...broker, name: `broker ${broker.nodeId}` })
    }
    this.#isBootstrapFirst = false
    const names: string[] = []
    for (const topic of response.topics) {
      const leaders: (number | undefined)[] = []
      const leaderEpochs: number[] = []
      for (const partition of topic.partitions) {
        // A leader that is named is tried even when the partition also carries an error.
        leaders[partition.partitionIndex] = partition.leaderId < 0 ? undefined : partition.leaderId
        leaderEpochs[partition.partitionIndex] = partition.leaderEpoch
      }
      const { name, topicId } = topic
      const error = errorName(topic.errorCode)
      this.#topics.set(name, { error, topicId, leaders, leaderEpochs })
      if (topic.errorCode === 0) names.push(name)
    }
    return names
  }

  /**
   * The leader of a partition, asked for when it is not known.
   *
   * @throws {KafkaError} UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE (both retryable), others.
   */
  async findLeader(topic: string, partition: number, options: CallOptions): Promise<number> {
    const known = this.leaderOf(topic, partition)
    if (known !== undefined) return known
    await this.refresh([topic], options)
    const found = this.leaderOf(topic, partition)
    if (found !== undefined) return found
    const error = this.topicError(topic)
    const partitions = this.partitionCount(topic) ?? 0
    const isMissing = error === 'NONE' && partition >= partitions
    const code = isMissing
      ? 'UNKNOWN_TOPIC_OR_PARTITION'
      : error === 'NONE'
        ? 'LEADER_NOT_AVAILABLE'
        : error
    throw new KafkaError(`partition ${topic}-${partition} has no known leader: ${code}`, {
      code,
      retryable: isRetryableName(code),
    })
  }

  forgetLeaders(topic: string): void {
    this.#topics.delete(topic)
  }

  /** Broker id of the coordinator of a group or a transactional id. */
  async findCoordinator(of: CoordinatorKey, options: CallOptions): Promise<number> {
    const what = `FindCoordinator of ${of.key}`
    const exchange = findCoordinatorExchange(of)
    const coordinator = await this.withAnyBroker(
      (connection, timeoutMs) => connection.exchange(exchange, { ...options, timeoutMs }),
      options,
    )
    if (coordinator === undefined) throw responseError(15, what)
    expectNoError(coordinator.errorCode, what, coordinator.errorMessage)
    this.#brokers.set(coordinator.nodeId, {
      ...coordinator,
      name: `broker ${coordinator.nodeId}`,
    })
    return coordinator.nodeId
  }

  /** Runs one request on a connection to the broker with this id. */
  withBroker<Result>(
    brokerId: number,
    use: (connection: BrokerConnection) => Promise<Result>,
    options: CallOptions,
  ): Promise<Result> {
    const target = this.#brokers.get(brokerId)
    if (target === undefined) {
      return Promise.reject(
        new KafkaError(`broker ${brokerId} has no known address`, {
          code: 'BROKER_NOT_AVAILABLE',
          retryable: true,
        }),
      )
    }
    return this.#withTarget(target, use, options)
  }

  /**
   * Runs one request on the first broker that answers: those known from metadata, then the
   * bootstrap servers, both in random order. After none has, the other way round: where all brokers have other
   * addresses by now, the known ones may take all of the time (KIP-899).
   */
  async withAnyBroker<Result>(
    use: (connection: BrokerConnection, timeoutMs: number) => Promise<Result>,
    options: CallOptions,
  ): Promise<Result> {
    const deadlineMs = performance.now() + options.timeoutMs
    const known = shuffled([...this.#brokers.values()])
    const bootstrap = shuffled(this.#bootstrap)
    const isBootstrapFirst = this.#isBootstrapFirst
    const targets = isBootstrapFirst ? [...bootstrap, ...known] : [...known, ...bootstrap]
    let lastError = new KafkaError('no broker was tried', { code: 'NETWORK', retryable: true })
    for (const target of targets) {
      const timeoutMs = Math.min(METADATA_TIMEOUT_MS, deadlineMs - performance.now())
      if (timeoutMs <= 0) break
      try {
        const call = { ...options, timeoutMs }
        return await this.#withTarget(target, (connection) => use(connection, timeoutMs), call)
      } catch (thrown) {
        lastError = toKafkaError(thrown, `a request to ${target.name}`)
        if (!lastError.retryable || options.signal?.aborted === true) throw lastError
      }
    }
    // Calls that fail together turn the order once, and not back again.
    this.#isBootstrapFirst = !isBootstrapFirst
    throw lastError
  }

  /** Destroys every connection; requests in flight fail. */
  close(): void {
    this.#closing.abort()
    for (const connection of [...this.#used, ...[...this.#idle.values()].flat()]) {
      connection.destroy()
    }
    this.#idle.clear()
  }

  async #withTarget<Result>(
    target: Target,
    use: (connection: BrokerConnection) => Promise<Result>,
    options: CallOptions,
  ): Promise<Result> {
    if (this.closing.aborted) throw closedError()
    const key = `${target.host}:${target.port}`
    const connection = this.#takeIdle(key) ?? (await this.#open(target, options))
    if (this.closing.aborted) {
      connection.destroy()
      throw closedError()
    }
    this.#used.add(connection)
    try {
      return await use(connection)
    } catch (error) {
      // A peer or a path that is gone without a word is gone for the others, too: each would cost a timeout.
      if (error instanceof KafkaError && error.code === 'TIMEOUT') this.#destroyIdle(key)
      throw error
    } finally {
      this.#used.delete(connection)
      this.#giveBack(key, connection)
    }
  }

  async #open(target: Target, options: CallOptions): Promise<BrokerConnection> {
    const signal =
      options.signal === undefined ? this.closing : AbortSignal.any([options.signal, this.closing])
    try {
      return await BrokerConnection.open(target, {
        clientId: this.clientId,
        security: this.#security,
        timeoutMs: options.timeoutMs,
        signal,
      })
    } catch (thrown) {
      const error = toKafkaError(thrown, `a connection to ${target.name}`)
      throw this.#isRefusalFinal ? finalIfRefused(error) : error
    }
  }

  #takeIdle(key: string): BrokerConnection | undefined {
    const idle = this.#idle.get(key) ?? []
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.isOpen) return connection
      connection.destroy()
    }
    return undefined
  }

  #destroyIdle(key: string): void {
    for (const connection of this.#idle.get(key) ?? []) connection.destroy()
    this.#idle.delete(key)
  }

  #giveBack(key: string, connection: BrokerConnection): void {
    const idle = this.#idle.get(key) ?? []
    if (!connection.isOpen || this.closing.aborted || idle.length >= IDLE_CONNECTIONS_MAX) {
      connection.destroy()
      return
    }
    idle.push(connection)
    this.#idle.set(key, idle)
  }
}

function parseAddress(server: string): Target {
  const separator = server.lastIndexOf(':')
  const port = Number(server.slice(separator + 1))
  const host = server.slice(0, separator).replace(/^\[(.*)\]$/, '$1')
  const isPort = Number.isInteger(port) && port > 0 && port < 65_536
  if (separator <= 0 || !isPort) {
    throw new KafkaError(`bootstrap server "${server}" is not host:port`, {
      code: 'INVALID_CONFIG',
      retryable: false,
    })
  }
  return { host, port, name: server }
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  const rest = [...items]
  const result: Item[] = []
  while (rest.length > 0) result.push(...rest.splice(jitter.int(rest.length), 1))
  return result
}

import { BufferPool } from '@fairlead/base'
import type { RequestContext } from '@fairlead/coordinator'
import {
  UNLIMITED_MUTATIONS,
  allocateProducerIds,
  createTopic,
  createTopics,
} from '@fairlead/metadata'
import {
  type ApiName,
  type RequestOf,
  type ResponseBody,
  apiByKey,
  decodeRequest,
  decodeRequestHeader,
  encodeResponse,
} from '@fairlead/protocol'
import {
  type ConnectionEvents,
  type Kernel,
  type SeededRandom,
  type SimulatedConnection,
  type SimulatedDisk,
  type SimulatedLife,
  type SimulatedNetwork,
} from '@fairlead/simulation'
import { FrameAssembler } from '../../../apps/broker/src/network/frame-assembler.ts'
import { require } from '../finding.ts'
import { GroupShell, OFFSETS_PARTITIONS, OFFSETS_TOPIC } from './group-shell.ts'
import { LogStore } from './log-store.ts'
import { MetadataShell } from './metadata-shell.ts'
import { SMALL_BUFFERS } from '../small-buffers.ts'

export const BROKER_HOST = 'broker'
const BROKER_ID = 1
const FRAME_BYTES_MAX = 1_000_000

export type SimulatedBrokerOptions = {
  readonly kernel: Kernel
  readonly network: SimulatedNetwork
  readonly disk: SimulatedDisk
  readonly life: SimulatedLife
  readonly random: SeededRandom
  readonly segmentBytes: number
  /** A disk failed: the process ends. */
  readonly onFailure: () => void
}

type Handlers = {
  readonly [Name in ApiName]?: (
    request: RequestOf<Name>,
    context: RequestContext,
    answer: (response: ResponseBody<Name>) => void,
  ) => void
}

/**
 * One start of a broker: the cores as they are (partition logs, metadata, groups) behind the real
 * frames and codecs, and shells in callbacks in place of the broker's own, which need promises.
 */
export class SimulatedBroker {
  readonly store: LogStore
  readonly metadata: MetadataShell
  readonly groups: GroupShell
  readonly #options: SimulatedBrokerOptions
  readonly #handlers: Handlers
  #producerIds = { next: 0, end: 0 }
  #isServing = false
  #seen = new Map<string, { readonly logStartOffset: number; readonly highWatermark: number }>()

  constructor(options: SimulatedBrokerOptions) {
    const { disk, life, random, segmentBytes, onFailure } = options
    this.#options = options
    this.store = new LogStore({ disk, life, segmentBytes, onFailure })
    this.metadata = new MetadataShell(this.store, random)
    this.groups = new GroupShell({ store: this.store, life, random, image: this.metadata.image })
    this.#handlers = this.#createHandlers()
  }

  get isServing(): boolean {
    return this.#isServing
  }

  /** Recovers everything, then listens. */
  start(): void {
    const { network, life } = this.#options
    this.metadata.load(() =>
      this.#createOffsetsTopic(() => {
        this.groups.load(() => {
          if (life.hasEnded) return
          this.#isServing = true
          network.listen(BROKER_HOST, (connection) => this.#accept(connection))
        })
      }),
    )
  }

  /** L8, of every log: logStart ≤ LSO ≤ HW ≤ LEO, and none of the first three goes back. */
  requireOrder(): void {
    for (const [name, log] of this.store.all()) {
      const { logStartOffset, lastStableOffset, highWatermark, logEndOffset } = log
      const seen = this.#seen.get(name)
      if (seen?.highWatermark === highWatermark && seen.logStartOffset === logStartOffset) continue
      require(logStartOffset <= lastStableOffset &&
        lastStableOffset <= highWatermark &&
        highWatermark <= logEndOffset &&
        logStartOffset >= (seen?.logStartOffset ?? 0) &&
        highWatermark >= (seen?.highWatermark ?? 0), () =>
        `${name}: ${logStartOffset} ${lastStableOffset} ${highWatermark} ${logEndOffset}`)
      this.#seen.set(name, { logStartOffset, highWatermark })
    }
  }

  #createOffsetsTopic(done: () => void): void {
    const { image, random } = this.metadata
    if (image.topic(OFFSETS_TOPIC) !== undefined) {
      done()
      return
    }
    const topic = { name: OFFSETS_TOPIC, numPartitions: OFFSETS_PARTITIONS, configs: [] }
    const context = { brokerId: BROKER_ID, random, broker: [] }
    this.metadata.change(() => {
      const created = createTopic(image, { ...topic, replicationFactor: -1 }, context)
      require(created.ok, () => 'the offsets topic can be created')
      return { records: created.records, response: undefined }
    }, done)
  }

  /** Requests start in the order in which they arrive; answers leave in that order. */
  #accept(connection: SimulatedConnection): ConnectionEvents {
    const answers: { chunks: readonly Uint8Array[] | undefined }[] = []
    let isClosed = false
    const sendReady = (): void => {
      if (isClosed) return
      while (answers[0]?.chunks !== undefined) {
        for (const chunk of answers.shift()?.chunks ?? []) connection.send(chunk)
      }
    }
    const assembler = new FrameAssembler({
      frameBytesMax: FRAME_BYTES_MAX,
      mayBegin: () => true,
      reserve: () => true,
      buffers: new BufferPool(SMALL_BUFFERS),
      onFrame: (frame) => {
        const slot: (typeof answers)[number] = { chunks: undefined }
        answers.push(slot)
        this.#handle(frame, (chunks) => {
          require(slot.chunks === undefined, () => 'a request is answered once')
          slot.chunks = chunks
          sendReady()
        })
      },
    })
    return {
      onBytes: (bytes) => assembler.push(bytes),
      onClosed: () => {
        isClosed = true
      },
    }
  }

  #handle(frame: Uint8Array, reply: (chunks: readonly Uint8Array[]) => void): void {
    const { apiKey, apiVersion, correlationId, clientId, bodyPosition } = decodeRequestHeader(frame)
    const api = apiByKey(apiKey)
    require(api !== undefined, () => `the clients use known APIs, not ${apiKey}`)
    this.#dispatch(
      api.name,
      frame,
      bodyPosition,
      {
        ...this.groups.now,
        apiVersion,
        clientId: clientId ?? '',
        clientHost: '/simulated',
      },
      (response) => reply(encodeResponse(api.name, apiVersion, correlationId, response)),
    )
  }

  #dispatch<Name extends ApiName>(
    name: Name,
    frame: Uint8Array,
    bodyPosition: number,
    context: RequestContext,
    answer: (response: ResponseBody<Name>) => void,
  ): void {
    const handle = this.#handlers[name]
    require(handle !== undefined, () => `${name} is simulated`)
    const request = decodeRequest(name, context.apiVersion, frame, bodyPosition)
    handle(request, context, answer)
  }

  #createHandlers(): Handlers {
    const { image, random } = this.metadata
    const { coordinator } = this.groups
    return {
      CreateTopics: (request, _context, answer) => {
        const quota = UNLIMITED_MUTATIONS
        const context = { brokerId: BROKER_ID, random, broker: [], quota }
        this.metadata.change(() => createTopics(image, request, context), answer)
      },
      InitProducerId: (_request, _context, answer) =>
        this.#nextProducerId((producerId) =>
          answer({ errorCode: 'NONE', producerId, producerEpoch: 0 }),
        ),
      Produce: (request, context, answer) => this.#produce(request, context, answer),
      Fetch: (request, _context, answer) => this.#fetch(request, answer),
      JoinGroup: (request, context, answer) =>
        this.groups.park((token) => coordinator.joinGroup(request, { ...context, token }), answer),
      SyncGroup: (request, context, answer) =>
        this.groups.park((token) => coordinator.syncGroup(request, { ...context, token }), answer),
      Heartbeat: (request, context, answer) => {
        const decision = coordinator.heartbeat(request, context)
        this.groups.carryOut(decision, () => answer(decision.response))
      },
      OffsetCommit: (request, context, answer) => {
        const decision = coordinator.commitOffsets(request, context)
        this.groups.carryOut(decision, () => answer(decision.response))
      },
      OffsetFetch: (request, context, answer) => {
        const { partitions, response } = coordinator.fetchOffsets(request, context)
        const [partition = 0] = partitions
        this.groups.afterDurable(partition, () => answer(response))
      },
    }
  }

  /** Blocks of a thousand, as the broker takes them: no id is given out twice. */
  #nextProducerId(done: (producerId: number) => void): void {
    if (this.#producerIds.next < this.#producerIds.end) {
      const { next, end } = this.#producerIds
      this.#producerIds = { next: next + 1, end }
      done(next)
      return
    }
    const decide = () => allocateProducerIds(this.metadata.image, { brokerId: BROKER_ID })
    this.metadata.change(decide, ({ firstProducerId, count }) => {
      this.#producerIds = { next: firstProducerId, end: firstProducerId + count }
      this.#nextProducerId(done)
    })
  }

  #produce(
    { topicData }: RequestOf<'Produce'>,
    { wallNowMs }: RequestContext,
    answer: (response: ResponseBody<'Produce'>) => void,
  ): void {
    const { name = '', partitionData } = topicData[0] ?? {}
    const { index = -1, records } = partitionData?.[0] ?? {}
    const log = this.store.get(name, index)
    const respond = (
      errorCode: 'NONE' | 'UNKNOWN_TOPIC_OR_PARTITION' | 'KAFKA_STORAGE_ERROR',
      baseOffset: number,
    ) =>
      answer({
        responses: [{ name, partitionResponses: [{ index, errorCode, baseOffset }] }],
      })
    if (log === undefined || records === undefined || records === null) {
      respond('UNKNOWN_TOPIC_OR_PARTITION', -1)
      return
    }
    log.append(records, { leaderEpoch: 0, nowMs: wallNowMs, origin: 'client' }, (result) => {
      if (result.ok) respond('NONE', result.baseOffset)
      else {
        const isFailure = result.errorCode === 'KAFKA_STORAGE_ERROR'
        require(isFailure, () => `a batch was refused: ${result.errorCode} ${result.message}`)
        respond('KAFKA_STORAGE_ERROR', -1)
      }
    })
  }

  #fetch({ topics }: RequestOf<'Fetch'>, answer: (response: ResponseBody<'Fetch'>) => void): void {
    const { topic = '', partitions } = topics[0] ?? {}
    const { partition = -1, fetchOffset = 0, partitionMaxBytes = 0 } = partitions?.[0] ?? {}
    const log = this.store.get(topic, partition)
    require(log !== undefined, () => `${topic}-${partition} was committed and exists`)
    log.read({ fetchOffset, maxBytes: partitionMaxBytes }, (result) => {
      const records = result.ok ? joined(result.chunks) : null
      const errorCode = result.ok ? 'NONE' : result.errorCode
      const { highWatermark } = log
      answer({
        errorCode: 'NONE',
        sessionId: 0,
        responses: [
          {
            topic,
            partitions: [
              {
                partitionIndex: partition,
                errorCode,
                highWatermark,
                abortedTransactions: null,
                records,
              },
            ],
          },
        ],
      })
    })
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let position = 0
  for (const chunk of chunks) {
    bytes.set(chunk, position)
    position += chunk.length
  }
  return bytes
}

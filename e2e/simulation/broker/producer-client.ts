import { crc32c, encodeBatch } from '@fairlead/protocol'
import type { SeededRandom, SimulatedLife, SimulatedNetwork } from '@fairlead/simulation'
import { ClientConnection } from './client-connection.ts'
import type { History } from './history.ts'

const IN_FLIGHT_MAX = 5
const RECONNECT_MS = 30

export type ProducerClientOptions = {
  readonly network: SimulatedNetwork
  readonly life: SimulatedLife
  readonly random: SeededRandom
  readonly history: History
  readonly clientId: string
  readonly topic: string
  readonly partitionCount: number
}

type SentBatch = {
  readonly partition: number
  readonly baseSequence: number
  readonly values: readonly string[]
}

/** An idempotent producer: five batches in flight, and after a failure all of them again, in order. */
export class ProducerClient {
  readonly #options: ProducerClientOptions
  readonly #sequences = new Map<number, number>()
  #connection: ClientConnection | undefined
  #producerId: number | undefined
  #inFlight: SentBatch[] = []
  #nextValue = 0
  #isEnding = false

  constructor(options: ProducerClientOptions) {
    this.#options = options
  }

  get isDone(): boolean {
    return this.#isEnding && this.#inFlight.length === 0
  }

  start(): void {
    this.#connect()
    this.#planBatch()
  }

  /** Sends nothing new. */
  end(): void {
    this.#isEnding = true
  }

  #connect(): void {
    const { network, life, clientId } = this.#options
    const connection = new ClientConnection({
      network,
      life,
      clientId,
      onLost: () => {
        this.#connection = undefined
        life.after(RECONNECT_MS, () => this.#connect(), 'reconnect')
      },
    })
    if (this.#producerId !== undefined) {
      this.#resume(connection)
      return
    }
    const body = { transactionalId: null, transactionTimeoutMs: 0 }
    connection.call('InitProducerId', body, ({ producerId }) => {
      this.#producerId = producerId
      this.#resume(connection)
    })
  }

  #resume(connection: ClientConnection): void {
    this.#connection = connection
    for (const batch of this.#inFlight) this.#send(connection, batch)
  }

  #planBatch(): void {
    const { life, random } = this.#options
    life.after(
      random.int(20),
      () => {
        if (this.#isEnding) return
        this.#produce()
        this.#planBatch()
      },
      'produce',
    )
  }

  #produce(): void {
    const { random, history, clientId, partitionCount } = this.#options
    if (this.#connection === undefined || this.#inFlight.length >= IN_FLIGHT_MAX) return
    const partition = random.int(partitionCount)
    const values = Array.from({ length: random.between(1, 3) }, () => {
      this.#nextValue += 1
      return `${clientId} ${this.#nextValue} ${'.'.repeat(random.int(40))}`
    })
    const baseSequence = this.#sequences.get(partition) ?? 0
    this.#sequences.set(partition, baseSequence + values.length)
    const key = `${clientId}/${partition}`
    history.sent.set(key, [...(history.sent.get(key) ?? []), ...values])
    const batch = { partition, baseSequence, values }
    this.#inFlight.push(batch)
    this.#send(this.#connection, batch)
  }

  #send(connection: ClientConnection, batch: SentBatch): void {
    const { life, topic } = this.#options
    const { partition, baseSequence, values } = batch
    const timestampMs = life.wallNowMs()
    const records = values.map((value) => ({
      key: null,
      value: new TextEncoder().encode(value),
      headers: [],
      timestampMs,
    }))
    const producerId = this.#producerId ?? -1
    const bytes = encodeBatch({ records, producerId, producerEpoch: 0, baseSequence }, crc32c)
    const partitionData = [{ index: partition, records: bytes }]
    const body = { acks: -1, timeoutMs: 1000, topicData: [{ name: topic, partitionData }] }
    connection.call('Produce', { ...body, transactionalId: null }, ({ responses }) => {
      const [answer] = responses[0]?.partitionResponses ?? []
      if (answer?.errorCode === 'NONE') this.#acked(batch, answer.baseOffset)
      else connection.giveUp()
    })
  }

  #acked(batch: SentBatch, baseOffset: number): void {
    const { partition, values } = batch
    this.#inFlight = this.#inFlight.filter((sent) => sent !== batch)
    for (const [index, value] of values.entries()) {
      this.#options.history.acked(value, { partition, offset: baseOffset + index })
    }
  }
}

import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { crc32c, encodeBatch, encodeRequest } from '@fairlead/protocol'
import { FrameCounter } from './frame-counter.ts'

/** How often requests that are due are sent. */
const TICK_MS = 5
/** Requests that are not answered: a broker that does not keep up is not buried. */
const IN_FLIGHT_MAX = 64
const BATCH_BYTES = 64 * 1024

export type PacedLoad = {
  readonly port: number
  readonly topic: string
  readonly partitions: number
  readonly recordBytes: number
  /** Keys are drawn from so many; 0 for records without a key. */
  readonly keys: number
  readonly bytesPerSecond: number
}

/** Produces at acks=all at a steady rate, with batches that were encoded before. */
export class PacedProducer {
  readonly #load: PacedLoad
  readonly #socket: Socket
  readonly #frames: readonly Buffer[]
  readonly #counter = new FrameCounter()
  #sentCount = 0
  #answeredCount = 0
  #producedBytes = 0
  #timer: NodeJS.Timeout | undefined

  private constructor(load: PacedLoad, socket: Socket) {
    this.#load = load
    this.#socket = socket
    this.#frames = framesOf(load)
    socket.on('data', (chunk: Buffer) => {
      const answered = this.#counter.add(chunk)
      this.#answeredCount += answered
      this.#producedBytes += answered * BATCH_BYTES
    })
  }

  static async start(load: PacedLoad): Promise<PacedProducer> {
    const socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    const producer = new PacedProducer(load, socket)
    producer.#begin()
    return producer
  }

  /** Acknowledged so far. */
  get producedBytes(): number {
    return this.#producedBytes
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#socket.destroy()
  }

  #begin(): void {
    const startedMs = performance.now()
    this.#timer = setInterval(() => {
      const dueBytes = ((performance.now() - startedMs) / 1000) * this.#load.bytesPerSecond
      while (
        this.#sentCount * BATCH_BYTES < dueBytes &&
        this.#sentCount - this.#answeredCount < IN_FLIGHT_MAX
      ) {
        this.#socket.write(this.#frames[this.#sentCount % this.#frames.length] ?? Buffer.alloc(0))
        this.#sentCount += 1
      }
    }, TICK_MS)
  }
}

/** Batches for every partition; with keys, as many different ones as make compaction work. */
function framesOf({ topic, partitions, recordBytes, keys }: PacedLoad): Buffer[] {
  const variants = keys === 0 ? 1 : 64
  const value = Buffer.alloc(recordBytes, 'x')
  const recordCount = Math.floor(BATCH_BYTES / recordBytes)
  let state = 1
  const draw = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return state
  }
  return Array.from({ length: variants * partitions }, (_, index) => {
    const records = Array.from({ length: recordCount }, () => ({
      key: keys === 0 ? null : Buffer.from(`key-${draw() % keys}`),
      value,
      timestampMs: Date.now(),
    }))
    const batch = encodeBatch({ records }, crc32c)
    return Buffer.concat(
      encodeRequest({
        name: 'Produce',
        version: 9,
        correlationId: 1,
        clientId: 'bench',
        body: {
          acks: -1,
          timeoutMs: 30_000,
          topicData: [
            { name: topic, partitionData: [{ index: index % partitions, records: batch }] },
          ],
        },
      }),
    )
  })
}

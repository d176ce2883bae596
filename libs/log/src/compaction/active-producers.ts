import type { ProducerStates } from '../producer-state.ts'

/** What the log knows of a producer that is not forgotten: its last batch has to stay. */
export type ActiveProducer = {
  readonly producerEpoch: number
  /** -1 when only markers of it are in the log. */
  readonly lastDataOffset: number
}

const NUMBERS_PER_PRODUCER = 3

/** Id, epoch and last offset side by side: a hundred thousand go to another thread in one copy. */
export function encodeActiveProducers(states: ProducerStates): Float64Array {
  const numbers = new Float64Array(states.size * NUMBERS_PER_PRODUCER)
  let position = 0
  for (const [producerId, { producerEpoch, batches }] of states.entries()) {
    numbers[position] = producerId
    numbers[position + 1] = producerEpoch
    numbers[position + 2] = batches.at(-1)?.lastOffset ?? -1
    position += NUMBERS_PER_PRODUCER
  }
  return numbers
}

export function decodeActiveProducers(numbers: Float64Array): ReadonlyMap<number, ActiveProducer> {
  const producers = new Map<number, ActiveProducer>()
  for (let position = 0; position < numbers.length; position += NUMBERS_PER_PRODUCER) {
    producers.set(numbers[position] ?? -1, {
      producerEpoch: numbers[position + 1] ?? -1,
      lastDataOffset: numbers[position + 2] ?? -1,
    })
  }
  return producers
}

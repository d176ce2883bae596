import { invariant } from '@fairlead/base'
import type { Controller } from './controller.ts'

type Block = { next: number; readonly end: number }

/**
 * Hands out producer ids, each once for the life of the cluster: a block is recorded in the
 * metadata before the first id of it leaves. What a crash leaves of a block is lost, not reused.
 */
export class ProducerIds {
  readonly #controller: Pick<Controller, 'allocateProducerIds'>
  #block: Block = { next: 0, end: 0 }
  #refill: Promise<void> | undefined

  constructor(controller: Pick<Controller, 'allocateProducerIds'>) {
    this.#controller = controller
  }

  async next(): Promise<number> {
    while (this.#block.next === this.#block.end) {
      this.#refill ??= this.#takeBlock()
      await this.#refill
    }
    const producerId = this.#block.next
    this.#block.next += 1
    invariant(producerId < this.#block.end, 'an id is taken from the block that holds it')
    return producerId
  }

  async #takeBlock(): Promise<void> {
    try {
      const { firstProducerId, count } = await this.#controller.allocateProducerIds()
      this.#block = { next: firstProducerId, end: firstProducerId + count }
    } finally {
      this.#refill = undefined
    }
  }
}

import type { EventPosition } from '@fairlead/cdc'
import type pg from 'pg'
import { halt } from '../session-failure.ts'
import type { Signals } from '../signals/signals.ts'

/**
 * Whether the topic of positions may be believed. `relay.slot.position_topic` names the topic that has
 * the position of a slot since the first transaction of `delivery=transactional`, so that a position that
 * is gone is told from one that never was. With another delivery it names none: a position from before
 * that says nothing of what was published since.
 *
 * A position that is gone halts the relay. The topics of events could tell as well what is published, but
 * for records that retention or compaction has removed; and something has gone wrong with the brokers.
 * That the topics are to tell is an order of an operator.
 */
export class KeptPosition {
  readonly #control: pg.Client
  readonly #signals: Signals
  readonly #slotName: string
  /** Undefined without transactions. */
  readonly #topic: string | undefined
  #isNoted = false

  constructor(options: {
    readonly control: pg.Client
    readonly signals: Signals
    readonly slotName: string
    readonly topic: string | undefined
  }) {
    this.#control = options.control
    this.#signals = options.signals
    this.#slotName = options.slotName
    this.#topic = options.topic
  }

  /**
   * Up to where events are published; undefined where the topics of events are to be asked. `found` is what
   * the topic of positions says. Called once the slot is ours.
   *
   * @throws {SessionFailure} `POSITION_LOST`
   */
  async begin(found: EventPosition | undefined): Promise<EventPosition | undefined> {
    const noted = await this.#noted()
    if (this.#topic === undefined || noted === null) {
      if (noted !== null) await this.#note(null)
      return undefined
    }
    if (noted === this.#topic && found !== undefined) {
      this.#isNoted = true
      await this.refuseOrders()
      return found
    }
    const order = await this.#signals.next(['reset-position'])
    if (order === undefined) throw halt('POSITION_LOST', this.#lostReason(noted))
    await this.#note(null)
    await this.#signals.finish(order.signalId, {})
    return undefined
  }

  /** A batch was committed, with its position. */
  async committed(): Promise<void> {
    if (this.#isNoted || this.#topic === undefined) return
    this.#isNoted = true
    await this.#note(this.#topic)
  }

  /** While the position is there: an order that waits would be carried out when one is lost for the first time. */
  async refuseOrders(): Promise<void> {
    for (;;) {
      const order = await this.#signals.next(['reset-position'])
      if (order === undefined) return
      await this.#signals.finish(order.signalId, {}, 'the position is not lost')
    }
  }

  async #noted(): Promise<string | null> {
    const { rows } = await this.#control.query<{ position_topic: string | null }>(
      'select position_topic from relay.slot where slot_name = $1',
      [this.#slotName],
    )
    return rows[0]?.position_topic ?? null
  }

  async #note(topic: string | null): Promise<void> {
    await this.#control.query('update relay.slot set position_topic = $2 where slot_name = $1', [
      this.#slotName,
      topic,
    ])
  }

  #lostReason(noted: string): string {
    const orders =
      '"fairlead relay reset-position --accept-duplicates" lets the topics of events tell what is published, as far as they still have the records'
    return noted === this.#topic
      ? `topic ${noted} does not have the position of slot ${this.#slotName} any more: it was deleted, or others write there. ${orders}`
      : `the position of slot ${this.#slotName} is in topic ${noted}, and offset.storage.topic says ${this.#topic}: set it back. Or ${orders}`
  }
}

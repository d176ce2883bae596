import type { ExposedMetric, ExposedSample, Metrics } from '@fairlead/service'

type Count = { value: number }

/**
 * A counter that exists once without a topic (the total) and once per topic, as prom-client's with the
 * label `topic` is exported. That one makes an object and a text of its labels for each addition, and there
 * are several with every request.
 */
export class TopicCounter implements ExposedMetric {
  readonly name: string
  readonly help: string
  readonly type = 'counter'
  readonly #total: Count = { value: 0 }
  readonly #byTopic = new Map<string, Count>()

  constructor(options: {
    readonly name: string
    readonly help: string
    readonly metrics: Metrics
  }) {
    this.name = options.name
    this.help = options.help
    options.metrics.expose(this)
  }

  /** To the total alone, unless the topic is said. */
  add(amount: number, topic?: string): void {
    this.#total.value += amount
    if (topic === undefined) return
    const count = this.#byTopic.get(topic)
    if (count === undefined) this.#byTopic.set(topic, { value: amount })
    else count.value += amount
  }

  remove(topic: string): void {
    this.#byTopic.delete(topic)
  }

  samples(): readonly ExposedSample[] {
    const topics = Array.from(this.#byTopic, ([topic, { value }]) => ({ labels: { topic }, value }))
    return [{ labels: {}, value: this.#total.value }, ...topics]
  }
}

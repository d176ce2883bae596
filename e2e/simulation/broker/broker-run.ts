import {
  type Kernel,
  type SeededRandom,
  SimulatedDisk,
  type SimulatedLife,
  SimulatedNetwork,
  randomCrash,
} from '@fairlead/simulation'
import { require } from '../finding.ts'
import { delayed, failOnce, lieAboutSyncs } from '../log/disk-faults.ts'
import { ClientConnection } from './client-connection.ts'
import { GROUP, GroupMember } from './group-member.ts'
import { History } from './history.ts'
import { ProducerClient } from './producer-client.ts'
import { BROKER_HOST, SimulatedBroker } from './simulated-broker.ts'

export type BrokerRunOptions = {
  readonly kernel: Kernel
  /** How long clients work and faults come, in simulated time. */
  readonly durationMs: number
  readonly hasCanary: boolean
}

const TOPIC = 'orders'
const PATIENCE_MS = 600_000

/** How one seed treats its broker. */
type BrokerSwarm = {
  readonly partitionCount: number
  readonly producerCount: number
  readonly memberCount: number
  readonly segmentBytes: number
  readonly diskDelayMaxMs: number
  readonly networkDelayMaxMs: number
  readonly resetChance: number
  readonly splitChance: number
  /** Mean time between faults of each kind; 0 for none. */
  readonly crashMs: number
  readonly cutMs: number
  readonly sleepMs: number
  /** Chance that a life of the broker is one in which its disk fails. */
  readonly diskFailureChance: number
}

function drawSwarm(random: SeededRandom): BrokerSwarm {
  return {
    partitionCount: random.between(1, 3),
    producerCount: random.between(1, 3),
    memberCount: random.between(1, 3),
    segmentBytes: random.pick([700, 5000, 100_000]),
    diskDelayMaxMs: random.pick([0.1, 2, 10]),
    networkDelayMaxMs: random.pick([0.2, 5, 50]),
    resetChance: random.pick([0, 0, 0.002]),
    splitChance: random.pick([0, 0.2, 0.7]),
    crashMs: random.pick([0, 1000, 4000]),
    cutMs: random.pick([0, 0, 3000]),
    sleepMs: random.pick([0, 0, 2000]),
    diskFailureChance: random.pick([0, 0, 0.3]),
  }
}

/**
 * A broker and its clients: idempotent producers and a consumer group, over connections that are
 * delayed, split, reset and cut, while the broker is killed, loses its power and its disk. In the end
 * every acknowledged record is in its log once, in order, and the group has read and committed all.
 */
export class BrokerRun {
  readonly #kernel: Kernel
  readonly #options: BrokerRunOptions
  readonly #random: SeededRandom
  readonly #swarm: BrokerSwarm
  readonly #network: SimulatedNetwork
  readonly #history = new History()
  readonly #clients: SimulatedLife
  readonly #producers: readonly ProducerClient[]
  readonly #members: readonly GroupMember[]
  #disk = new SimulatedDisk()
  #life: SimulatedLife
  #broker: SimulatedBroker | undefined
  #isCalm = false
  #starts = 0

  constructor(options: BrokerRunOptions) {
    const { kernel } = options
    this.#options = options
    this.#kernel = kernel
    this.#random = kernel.random
    this.#swarm = drawSwarm(this.#random)
    this.#network = new SimulatedNetwork(kernel)
    this.#clients = kernel.life()
    this.#life = kernel.life()
    this.#producers = this.#createClients('producer', this.#swarm.producerCount).map(
      (client) => new ProducerClient(client),
    )
    this.#members = this.#createClients('member', this.#swarm.memberCount).map(
      (client) => new GroupMember(client),
    )
  }

  /** @throws {Finding} or whatever the broker throws. */
  run() {
    this.#kernel.afterEach = () => this.#broker?.requireOrder()
    this.#setNetwork()
    this.#start()
    this.#createTopic(() => {
      for (const client of [...this.#producers, ...this.#members]) client.start()
      this.#planFaults()
    })
    this.#kernel.run({ untilMs: this.#kernel.nowMs + this.#options.durationMs })
    this.#calmDown()
    this.#requireEverythingDone()
    this.#requireLogs()
    return {
      operations: this.#history.ackedCount,
      starts: this.#starts,
      partitions: this.#swarm.partitionCount,
    }
  }

  // The broker's lives

  #start(): void {
    this.#starts += 1
    this.#life = this.#kernel.life()
    const { diskDelayMaxMs, segmentBytes, diskFailureChance } = this.#swarm
    this.#disk = this.#disk.afterKill(delayed(this.#life, this.#random, diskDelayMaxMs))
    if (this.#options.hasCanary) lieAboutSyncs(this.#disk)
    if (!this.#isCalm && this.#random.chance(diskFailureChance)) {
      failOnce(this.#disk, this.#random, { withinOperations: 500, code: 'EIO' })
    }
    const life = this.#life
    this.#broker = new SimulatedBroker({
      kernel: this.#kernel,
      network: this.#network,
      disk: this.#disk,
      life,
      random: this.#random.fork(),
      segmentBytes,
      onFailure: () => {
        // The process exits, and is started again.
        if (!life.hasEnded) this.#kernel.after(0, 'exit', () => this.#restart(life, 'kill'))
      },
    })
    this.#kernel.note('start')
    this.#broker.start()
    this.#planCheckpoint(life, this.#broker)
  }

  #restart(life: SimulatedLife, how: 'kill' | 'powerLoss'): void {
    if (life.hasEnded) return
    this.#kernel.note(how)
    life.end()
    this.#broker = undefined
    this.#network.crash(BROKER_HOST)
    if (how === 'powerLoss') {
      this.#disk.crash()
      this.#disk = this.#disk.survivor(randomCrash(this.#random))
    }
    this.#kernel.after(this.#random.int(200), 'restart', () => this.#start())
  }

  #planCheckpoint(life: SimulatedLife, broker: SimulatedBroker): void {
    const checkpoint = (): void => {
      for (const [, log] of broker.store.all()) log.checkpoint(() => {})
      this.#planCheckpoint(life, broker)
    }
    life.after(this.#random.between(100, 1000), checkpoint, 'checkpoint')
  }

  // Faults

  #setNetwork(): void {
    const { networkDelayMaxMs: delayMaxMs, resetChance, splitChance } = this.#swarm
    const conditions = this.#isCalm
      ? { delayMaxMs: 1, resetChance: 0 }
      : { delayMaxMs, resetChance }
    this.#network.setConditions({ delayMinMs: 0.05, splitChance, ...conditions })
  }

  #planFaults(): void {
    const { crashMs, cutMs, sleepMs } = this.#swarm
    this.#repeat(crashMs, () => {
      this.#restart(this.#life, this.#random.pick(['kill', 'powerLoss']))
    })
    this.#repeat(cutMs, () => this.#cutForAWhile())
    this.#repeat(sleepMs, () => {
      this.#members[this.#random.int(this.#members.length)]?.fallAsleep()
    })
  }

  #repeat(meanMs: number, fault: () => void): void {
    if (meanMs === 0) return
    this.#kernel.after(this.#random.int(2 * meanMs), 'fault', () => {
      if (this.#isCalm) return
      fault()
      this.#repeat(meanMs, fault)
    })
  }

  #cutForAWhile(): void {
    const clients = [
      ...this.#producers.map((_, index) => `producer-${index}`),
      ...this.#members.map((_, index) => `member-${index}`),
    ]
    const client = clients[this.#random.int(clients.length)] ?? ''
    if (this.#random.chance(0.7)) this.#network.cut(client, BROKER_HOST)
    if (this.#random.chance(0.7)) this.#network.cut(BROKER_HOST, client)
    this.#kernel.after(this.#random.int(5000), 'heal', () => this.#network.heal())
  }

  #calmDown(): void {
    this.#kernel.note('calm')
    this.#isCalm = true
    this.#disk.hook = () => ({ kind: 'proceed' })
    this.#network.heal()
    this.#setNetwork()
    for (const producer of this.#producers) producer.end()
  }

  // Clients

  #createClients(kind: string, count: number) {
    return Array.from({ length: count }, (_, index) => ({
      network: this.#network,
      life: this.#clients,
      random: this.#random.fork(),
      history: this.#history,
      clientId: `${kind}-${index}`,
      topic: TOPIC,
      partitionCount: this.#swarm.partitionCount,
    }))
  }

  /** Again until it exists: an answer that was lost does not say whether it does. */
  #createTopic(done: () => void): void {
    let isDone = false
    const connection = new ClientConnection({
      network: this.#network,
      life: this.#clients,
      clientId: 'admin',
      onLost: () => {
        if (!isDone) this.#clients.after(50, () => this.#createTopic(done), 'reconnect')
      },
    })
    const { partitionCount: numPartitions } = this.#swarm
    const topic = { name: TOPIC, numPartitions, replicationFactor: 1, assignments: [], configs: [] }
    const body = { topics: [topic], timeoutMs: 1000 }
    connection.call('CreateTopics', body, ({ topics }) => {
      const errorCode = topics[0]?.errorCode ?? ''
      require(/^(NONE|TOPIC_ALREADY_EXISTS)$/.test(errorCode), () => `topic: ${errorCode}`)
      isDone = true
      connection.giveUp()
      done()
    })
  }

  // The end

  /** Without faults everything gets done: all is acknowledged, read and committed. */
  #requireEverythingDone(): void {
    const isDone = (): boolean =>
      this.#broker?.isServing === true &&
      this.#producers.every((producer) => producer.isDone) &&
      this.#partitions().every((partition) => {
        const { highWatermark } = this.#log(partition)
        return this.#members.some((member) => member.positions.get(partition) === highWatermark)
      })
    const untilMs = this.#kernel.nowMs + PATIENCE_MS
    const limits = { untilMs, eventsMax: 3_000_000 }
    require(this.#kernel.runUntil(isDone, limits), () => 'everything gets done without faults')
  }

  /** After one more loss of power every acknowledged record is in its log, once and in order. */
  #requireLogs(): void {
    this.#clients.end()
    this.#restart(this.#life, 'powerLoss')
    const isServing = (): boolean => this.#broker?.isServing === true
    const untilMs = this.#kernel.nowMs + PATIENCE_MS
    require(this.#kernel.runUntil(isServing, { untilMs }), () => 'the broker starts again')
    for (const partition of this.#partitions()) {
      const values: string[] = []
      let isRead = false
      const log = this.#log(partition)
      this.#broker?.store.replay(
        log,
        ({ value }) => values.push(new TextDecoder().decode(value ?? undefined)),
        () => {
          isRead = true
        },
      )
      require(this.#kernel.runUntil(() => isRead, { untilMs }), () => 'a log is read in time')
      this.#history.requireLog(partition, values)
      this.#history.requireCommitted(partition, this.#committed(partition))
    }
  }

  #committed(partition: number): number {
    const topics = [{ name: TOPIC, topicId: '', partitionIndexes: [partition] }]
    const groups = [{ groupId: GROUP, memberId: null, memberEpoch: -1, topics }]
    const request = { groupId: '', topics: [], groups, requireStable: true }
    const answer = this.#broker?.groups.coordinator.fetchOffsets(request, { apiVersion: 8 })
    return answer?.response.groups?.[0]?.topics[0]?.partitions[0]?.committedOffset ?? -1
  }

  #partitions(): readonly number[] {
    return Array.from({ length: this.#swarm.partitionCount }, (_, partition) => partition)
  }

  #log(partition: number) {
    const log = this.#broker?.store.get(TOPIC, partition)
    require(log !== undefined, () => `${TOPIC}-${partition} is open`)
    return log
  }
}

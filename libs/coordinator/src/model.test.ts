import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GROUP, Harness, text } from './testing/harness.ts'

/**
 * Any clients, any order of requests, any pauses, crashes at any point: what must hold throughout.
 * The harness checks the invariants of the state after each event, and that no request is answered
 * twice.
 */

type Client = {
  readonly instanceId: string | null
  memberId: string
  generationId: number
  joinToken: number | undefined
}

const CLIENTS = 4
const PARTITIONS = 3
const RUNS = Number(process.env['COORDINATOR_MODEL_RUNS'] ?? 200)

const client = fc.nat(CLIENTS - 1)
const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('join' as const),
      client,
      version: fc.constantFrom(3, 5, 9),
      sticky: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('sync' as const), client }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('heartbeat' as const), client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), client }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      client,
      partition: fc.nat(PARTITIONS - 1),
      offset: fc.nat(1000),
      isMember: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('advance' as const),
      durationMs: fc.constantFrom(1, 500, 3_000, 9_000, 20_000, 70_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteGroup' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('deleteOffset' as const),
      partition: fc.nat(PARTITIONS - 1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('rally' as const), version: fc.constantFrom(5, 9) }),
  },
)
/** Long enough to go through several generations. */
const EVENTS = fc.array(event, { minLength: 20, maxLength: 80, size: 'max' })
type Event = typeof event extends fc.Arbitrary<infer Value> ? Value : never

function mustHold(condition: boolean, fact: string): void {
  if (!condition) throw new Error(`does not hold: ${fact}`)
}

class World {
  readonly harness = new Harness()
  readonly clients: readonly Client[] = Array.from({ length: CLIENTS }, (_, index) => ({
    instanceId: index < 2 ? null : `node-${index}`,
    memberId: '',
    generationId: -1,
    joinToken: undefined,
  }))
  /** What was committed last, by partition. */
  readonly committed = new Map<number, number>()

  run(step: Event): void {
    switch (step.kind) {
      case 'join':
        return this.#join(this.#client(step.client), step)
      case 'sync':
        return this.#sync(this.#client(step.client))
      case 'heartbeat': {
        const { memberId, generationId, instanceId } = this.#client(step.client)
        this.harness.heartbeat(memberId, generationId, instanceId)
        return
      }
      case 'leave': {
        const { memberId, instanceId } = this.#client(step.client)
        this.harness.leave([{ memberId, ...(instanceId === null ? {} : { instanceId }) }])
        return
      }
      case 'forget':
        this.#client(step.client).memberId = ''
        return
      case 'commit':
        return this.#commit(step)
      case 'advance':
        return this.harness.advance(step.durationMs)
      case 'rally':
        return this.#rally(step.version)
      case 'deleteGroup': {
        const { state } = this.harness.describe()
        const [errorCode] = this.harness.deleteGroups(GROUP)
        mustHold((errorCode === 'NONE') === (state === 'Empty'), 'only an empty group is deleted')
        if (errorCode === 'NONE') this.committed.clear()
        return
      }
      case 'deleteOffset': {
        const [errorCode] = this.harness.deleteOffsets([step.partition])
        if (errorCode === 'NONE') this.committed.delete(step.partition)
        return
      }
      case 'crash':
        this.harness.crash()
        for (const each of this.clients) each.joinToken = undefined
        return
    }
  }

  /** Clients read the answers that have arrived. */
  readAnswers(): void {
    for (const each of this.clients) {
      const answer = each.joinToken === undefined ? undefined : this.harness.joined(each.joinToken)
      if (answer === undefined) continue
      each.joinToken = undefined
      if (answer.errorCode === 'NONE' || answer.errorCode === 'MEMBER_ID_REQUIRED') {
        each.memberId = answer.memberId
        each.generationId = answer.generationId ?? -1
      } else if (answer.errorCode !== 'REBALANCE_IN_PROGRESS') {
        each.memberId = ''
      }
    }
  }

  /** Everybody does what a well-behaved client does: random events seldom get that far alone. */
  #rally(version: number): void {
    for (const attempt of ['get an id', 'join', 'join afresh', 'join afresh']) {
      for (const each of this.clients) {
        if (each.joinToken === undefined) this.#join(each, { version, sticky: attempt === 'join' })
      }
      this.readAnswers()
    }
    this.harness.advance(3_000)
    this.readAnswers()
    for (const each of this.clients) this.#sync(each)
  }

  #join(
    each: Client,
    { version, sticky }: { readonly version: number; readonly sticky: boolean },
  ): void {
    const protocols = sticky
      ? ([
          ['sticky', 's'],
          ['range', 'r'],
        ] as const)
      : ([['range', 'r']] as const)
    const { instanceId, memberId } = each
    each.joinToken = this.harness.join({
      memberId,
      // Static members exist since version 5.
      instanceId: version >= 5 ? instanceId : null,
      protocols,
      apiVersion: version,
    }).token
  }

  #sync({ memberId, generationId, instanceId }: Client): void {
    const { members } = this.harness.describe()
    const assignments = Object.fromEntries(members.map((id) => [id, `${generationId}:${id}`]))
    const { token } = this.harness.sync({ memberId, generationId, instanceId, assignments })
    const answer = this.harness.synced(token)
    if (answer?.errorCode !== 'NONE') return
    // A static member that was exchanged keeps what its former self was assigned.
    if (instanceId !== null) return
    mustHold(text(answer.assignment) === `${generationId}:${memberId}`, 'everybody gets their own')
  }

  #commit(step: Event & { readonly kind: 'commit' }): void {
    const { memberId, generationId, instanceId } = this.#client(step.client)
    const { partition, offset } = step
    const committer = step.isMember ? { memberId, generationId, instanceId } : {}
    const before = this.harness.describe()
    const errorCode = this.harness.commit({ partition, offset, ...committer })
    if (errorCode !== 'NONE') return
    this.committed.set(partition, offset)
    mustHold(before.state !== 'Stable' || before.members.includes(memberId), 'only members commit')
  }

  #client(index: number): Client {
    const each = this.clients[index]
    if (each === undefined) throw new Error('there is such a client')
    return each
  }
}

test('no order of requests, pauses and crashes breaks a group or loses a committed offset', () => {
  fc.assert(
    fc.property(EVENTS, (events) => {
      const world = new World()
      for (const step of events) {
        world.run(step)
        world.readAnswers()
        for (let partition = 0; partition < PARTITIONS; partition += 1) {
          const expected = world.committed.get(partition) ?? -1
          expect(world.harness.fetch(partition).offset).toBe(expected)
        }
      }
    }),
    { numRuns: RUNS },
  )
})

test('a stable group is the same after a crash', () => {
  fc.assert(
    fc.property(EVENTS, (events) => {
      const world = new World()
      for (const step of events) {
        world.run(step)
        world.readAnswers()
      }
      const before = world.harness.describe()
      world.harness.crash()
      const after = world.harness.describe()
      expect(['Stable', 'Empty', 'Dead']).toContain(after.state)
      expect(after).toEqual(before.state === 'Stable' ? before : after)
    }),
    { numRuns: RUNS },
  )
})

test('a group that nobody is heard of any more becomes empty, and nobody waits for ever', () => {
  fc.assert(
    fc.property(EVENTS, (events) => {
      const world = new World()
      const tokens: number[] = []
      for (const step of events) {
        world.run(step)
        if (step.kind === 'crash') tokens.length = 0
        for (const { joinToken } of world.clients)
          if (joinToken !== undefined) tokens.push(joinToken)
        world.readAnswers()
      }
      world.harness.advance(3_600_000)
      expect(['Empty', 'Dead']).toContain(world.harness.describe().state)
      for (const token of tokens) expect(world.harness.joined(token)).toBeDefined()
    }),
    { numRuns: RUNS },
  )
})

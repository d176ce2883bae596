import type { ResponseOf } from '@fairlead/protocol'
import type { SeededRandom, SimulatedLife, SimulatedNetwork } from '@fairlead/simulation'
import { ClientConnection } from './client-connection.ts'
import type { History } from './history.ts'
import { recordsOf } from './log-store.ts'

export const GROUP = 'readers'
const SESSION_TIMEOUT_MS = 1500
const REBALANCE_TIMEOUT_MS = 2000
const HEARTBEAT_MS = 300
const RETRY_MS = 50

export type GroupMemberOptions = {
  readonly network: SimulatedNetwork
  readonly life: SimulatedLife
  readonly random: SeededRandom
  readonly history: History
  readonly clientId: string
  readonly topic: string
  readonly partitionCount: number
}

type Membership = { readonly memberId: string; readonly generationId: number }

/**
 * A consumer of the group: joins, is assigned partitions, goes on where the group has committed, reads
 * and commits. When its connection is lost it joins as somebody new: commits of its former self, which
 * may still be on their way, are then fenced by the generation.
 */
export class GroupMember {
  readonly #options: GroupMemberOptions
  readonly #positions = new Map<number, number>()
  #connection: ClientConnection | undefined
  #membership: Membership | undefined
  /** Grows with every join: what an earlier one has planned is void. */
  #round = 0

  constructor(options: GroupMemberOptions) {
    this.#options = options
  }

  /** Where it reads on, of the partitions that are its own now. */
  get positions(): ReadonlyMap<number, number> {
    return this.#positions
  }

  start(): void {
    const { network, life, clientId } = this.#options
    this.#connection = new ClientConnection({
      network,
      life,
      clientId,
      onLost: () => {
        this.#leaveRound()
        life.after(RETRY_MS, () => this.start(), 'reconnect')
      },
    })
    this.#join('')
  }

  /** The process stops for a moment, long enough to lose the session. */
  fallAsleep(): void {
    this.#connection?.giveUp()
  }

  #leaveRound(): void {
    this.#round += 1
    this.#membership = undefined
    this.#positions.clear()
  }

  #join(memberId: string): void {
    this.#leaveRound()
    const round = this.#round
    const body = {
      groupId: GROUP,
      memberId,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array([1]) }],
    }
    this.#connection?.call('JoinGroup', body, (joined) => {
      if (round !== this.#round) return
      if (joined.errorCode === 'NONE') this.#sync(joined)
      else if (joined.errorCode === 'MEMBER_ID_REQUIRED') this.#join(joined.memberId)
      else this.#retry(joined.errorCode === 'UNKNOWN_MEMBER_ID' ? '' : memberId)
    })
  }

  #retry(memberId: string): void {
    const round = this.#round
    const { life } = this.#options
    life.after(RETRY_MS, () => round === this.#round && this.#join(memberId), 'retry')
  }

  #sync({ memberId, generationId, leader, members }: ResponseOf<'JoinGroup'>): void {
    const round = this.#round
    const membership = { memberId, generationId }
    const body = {
      groupId: GROUP,
      ...membership,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: leader === memberId ? this.#assign(members) : [],
    }
    this.#connection?.call('SyncGroup', body, ({ errorCode, assignment }) => {
      if (round !== this.#round) return
      if (errorCode !== 'NONE') {
        this.#retry(errorCode === 'UNKNOWN_MEMBER_ID' ? '' : memberId)
        return
      }
      this.#membership = membership
      this.#planHeartbeat(membership)
      for (const partition of assignment) this.#fetchCommitted(partition, membership)
    })
  }

  #assign(members: ResponseOf<'JoinGroup'>['members']) {
    const { partitionCount } = this.#options
    const partitions = Array.from({ length: partitionCount }, (_, partition) => partition)
    return members.map(({ memberId }, index) => ({
      memberId,
      assignment: Uint8Array.from(partitions.filter((one) => one % members.length === index)),
    }))
  }

  #planHeartbeat(membership: Membership): void {
    const beat = (): void => {
      if (membership !== this.#membership) return
      this.#connection?.call('Heartbeat', { groupId: GROUP, ...membership }, ({ errorCode }) => {
        if (membership !== this.#membership) return
        if (errorCode === 'NONE') this.#planHeartbeat(membership)
        else this.#rejoin(errorCode, membership)
      })
    }
    this.#options.life.after(HEARTBEAT_MS, beat, 'heartbeat')
  }

  #rejoin(errorCode: string, { memberId }: Membership): void {
    this.#join(errorCode === 'UNKNOWN_MEMBER_ID' ? '' : memberId)
  }

  #fetchCommitted(partition: number, membership: Membership): void {
    const { topic, history } = this.#options
    const topics = [{ name: topic, partitionIndexes: [partition] }]
    const groups = [{ groupId: GROUP, memberId: null, memberEpoch: -1, topics }]
    this.#connection?.call('OffsetFetch', { groups, requireStable: true }, (response) => {
      if (membership !== this.#membership) return
      const [group] = response.groups
      const [found] = group?.topics[0]?.partitions ?? []
      if (group?.errorCode !== 'NONE' || found?.errorCode !== 'NONE') {
        this.#rejoin('', membership)
        return
      }
      const committed = Math.max(0, found.committedOffset)
      history.requireCommitted(partition, committed)
      this.#positions.set(partition, committed)
      this.#planFetch(partition, membership)
    })
  }

  #planFetch(partition: number, membership: Membership): void {
    const { life, random } = this.#options
    const next = (): void => {
      if (membership === this.#membership) this.#fetch(partition, membership)
    }
    life.after(random.between(5, 60), next, 'fetch')
  }

  #fetch(partition: number, membership: Membership): void {
    const { topic, history, random } = this.#options
    const fetchOffset = this.#positions.get(partition) ?? 0
    const partitionMaxBytes = random.pick([1, 200, 5000])
    const partitions = [{ partition, fetchOffset, partitionMaxBytes, logStartOffset: -1 }]
    const body = { maxWaitMs: 0, minBytes: 0, topics: [{ topic, partitions }] }
    this.#connection?.call('Fetch', { ...body, forgottenTopicsData: [] }, ({ responses }) => {
      if (membership !== this.#membership) return
      const [answer] = responses[0]?.partitions ?? []
      if (answer?.errorCode !== 'NONE') {
        this.#connection?.giveUp()
        return
      }
      let nextOffset = fetchOffset
      for (const { offset, value } of recordsOf(answer.records ?? new Uint8Array())) {
        history.read(new TextDecoder().decode(value ?? undefined), { partition, offset })
        nextOffset = Math.max(nextOffset, offset + 1)
      }
      this.#positions.set(partition, nextOffset)
      if (nextOffset > fetchOffset) this.#commit(partition, nextOffset, membership)
      else this.#planFetch(partition, membership)
    })
  }

  #commit(partition: number, committedOffset: number, membership: Membership): void {
    const { topic, history } = this.#options
    const { memberId, generationId } = membership
    const offsets = { committedOffset, committedLeaderEpoch: -1, committedMetadata: null }
    const partitions = [{ partitionIndex: partition, ...offsets }]
    const body = {
      groupId: GROUP,
      generationIdOrMemberEpoch: generationId,
      memberId,
      topics: [{ name: topic, partitions }],
    }
    this.#connection?.call('OffsetCommit', body, ({ topics }) => {
      const errorCode = topics[0]?.partitions[0]?.errorCode ?? 'UNKNOWN_SERVER_ERROR'
      if (errorCode === 'NONE') history.committed(partition, committedOffset)
      if (membership !== this.#membership) return
      if (errorCode === 'NONE') this.#planFetch(partition, membership)
      else this.#rejoin(errorCode, membership)
    })
  }
}

import { invariant } from '@fairlead/base'
import type { Group, Member, Protocol } from './group.ts'

const NO_METADATA = new Uint8Array(0)

/**
 * Which protocol (assignor, for consumers) the next generation uses: of those that every member
 * supports, each member votes for the one it prefers; the most votes win, the first vote decides a
 * tie.
 */
export function selectProtocol(group: Group): string {
  const candidates = commonProtocols(group)
  const votes = new Map<string, number>()
  for (const member of group.members.values()) {
    const vote = member.protocols.find(({ name }) => candidates.has(name))
    invariant(vote !== undefined, 'members without a common protocol are not admitted')
    votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1)
  }
  let winner: string | undefined
  for (const [name, count] of votes) {
    if (winner === undefined || count > (votes.get(winner) ?? 0)) winner = name
  }
  invariant(winner !== undefined, 'a group that selects a protocol has members')
  return winner
}

function commonProtocols(group: Group): Set<string> {
  const [first, ...others] = group.members.values()
  return new Set(
    (first?.protocols ?? [])
      .map(({ name }) => name)
      .filter((name) => others.every((member) => member.protocols.some((p) => p.name === name))),
  )
}

/**
 * Whether a member with these protocols can be in the group: same type, and one protocol that all
 * members have now. A member that rejoins is one of them; so it never drops the last common one.
 */
export function supportsProtocols(
  group: Group,
  protocolType: string,
  protocols: readonly Protocol[],
): boolean {
  if (group.members.size === 0) return protocolType !== '' && protocols.length > 0
  if (group.protocolType !== protocolType) return false
  const common = commonProtocols(group)
  return protocols.some(({ name }) => common.has(name))
}

export function metadataFor(member: Member, protocolName: string | null): Uint8Array {
  return member.protocols.find(({ name }) => name === protocolName)?.metadata ?? NO_METADATA
}

/** Whether the member's protocols are these, in the same order and with the same metadata. */
export function hasSameProtocols(member: Member, protocols: readonly Protocol[]): boolean {
  return (
    member.protocols.length === protocols.length &&
    member.protocols.every(({ name, metadata }, index) => {
      const other = protocols[index]
      return other?.name === name && haveSameBytes(metadata, other.metadata)
    })
  )
}

function haveSameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index])
}

/** Copies what outlives the request: the metadata is a view into its frame. */
export function ownProtocols(protocols: readonly Protocol[]): readonly Protocol[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: metadata.slice() }))
}

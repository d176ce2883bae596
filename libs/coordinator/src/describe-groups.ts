import { truncated } from '@fairlead/base'
import type { Group } from './group.ts'
import type { DescribeGroupsResponse, ListGroupsRequest, ListGroupsResponse } from './messages.ts'
import { metadataFor } from './protocols.ts'
import { EMPTY_BYTES } from './rebalance.ts'
import type { CommittedPosition, GroupSummary } from './types.ts'

type DescribedGroup = DescribeGroupsResponse['groups'][number]
type ListedGroup = ListGroupsResponse['groups'][number]

/** From this version on a group that does not exist is an error; before it, it is "Dead". */
const GROUP_ID_NOT_FOUND_SINCE_VERSION = 6

/** Of a group id in a message. */
const QUOTED_LENGTH_MAX = 255

/** "Not asked for" (KIP-430). */
const AUTHORIZED_OPERATIONS_OMITTED = -(2 ** 31)

/**
 * Everything that can be allowed on a group, a bit for the code of each operation: read 3, delete 6,
 * describe 8, describe configs 10, alter configs 11. Nobody is denied anything here.
 */
const AUTHORIZED_OPERATIONS_ALL = [3, 6, 8, 10, 11].reduce((bits, code) => bits | (1 << code), 0)

/**
 * DescribeGroups (key 15), one group.
 *
 * v4  static members
 * v5  flexible
 * v6  GROUP_ID_NOT_FOUND (KIP-1043)
 *
 * Protocol and metadata are shown of a stable group only: before, they are in motion. A member keeps
 * what it was assigned last until the next assignment is there.
 */
export function describeGroup(
  groupId: string,
  group: Group | undefined,
  request: { readonly apiVersion: number; readonly includeAuthorizedOperations: boolean },
): DescribedGroup {
  const authorizedOperations = request.includeAuthorizedOperations
    ? AUTHORIZED_OPERATIONS_ALL
    : AUTHORIZED_OPERATIONS_OMITTED
  const described = group === undefined ? unknownGroup(groupId, request) : known(group)
  return { ...described, authorizedOperations }
}

function known(group: Group): DescribedGroup {
  const isStable = group.state === 'Stable'
  const assignments = new Map(
    group.replicated.metadata?.members.map((member) => [member.memberId, member.assignment]),
  )
  return {
    ...undescribed(group.groupId),
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? (group.protocolName ?? '') : '',
    members: Array.from(group.members.values(), (member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? metadataFor(member, group.protocolName) : EMPTY_BYTES,
      memberAssignment: assignments.get(member.memberId) ?? EMPTY_BYTES,
    })),
  }
}

/** An answer for a group that this broker cannot serve. */
export function refusedDescription(
  groupId: string,
  errorCode: DescribedGroup['errorCode'],
): DescribedGroup {
  return { ...undescribed(groupId), errorCode }
}

function unknownGroup(
  groupId: string,
  { apiVersion }: { readonly apiVersion: number },
): DescribedGroup {
  const dead = { ...undescribed(groupId), groupState: 'Dead' }
  if (apiVersion < GROUP_ID_NOT_FOUND_SINCE_VERSION) return dead
  return {
    ...dead,
    errorCode: 'GROUP_ID_NOT_FOUND',
    errorMessage: `Group ${truncated(groupId, QUOTED_LENGTH_MAX)} not found.`,
  }
}

function undescribed(groupId: string): DescribedGroup {
  return {
    errorCode: 'NONE',
    errorMessage: null,
    groupId,
    groupState: '',
    protocolType: '',
    protocolData: '',
    members: [],
    authorizedOperations: AUTHORIZED_OPERATIONS_OMITTED,
  }
}

const GROUP_TYPE = 'classic'

/**
 * ListGroups (key 16), whether a group is wanted.
 *
 * v3  flexible
 * v4  filter by state (KIP-518)
 * v5  filter by type (KIP-848)
 *
 * Names are compared without regard to case, as in Kafka; an empty filter wants everything.
 */
export function isListed(group: Group, request: ListGroupsRequest): boolean {
  const includes = (filter: readonly string[], name: string): boolean =>
    filter.length === 0 || filter.some((wanted) => wanted.toLowerCase() === name.toLowerCase())
  return includes(request.statesFilter, group.state) && includes(request.typesFilter, GROUP_TYPE)
}

export function listedGroup(group: Group): ListedGroup {
  return {
    groupId: group.groupId,
    protocolType: group.protocolType ?? '',
    groupState: group.state,
    groupType: GROUP_TYPE,
  }
}

export function summaryOf(group: Group): GroupSummary {
  const { groupId, state, protocolType, members, replicated } = group
  return {
    groupId,
    state,
    protocolType: protocolType ?? '',
    memberCount: members.size,
    offsetCount: replicated.offsetCount,
    offsets: offsetsOf(group),
  }
}

function* offsetsOf({ replicated }: Group): Generator<CommittedPosition> {
  for (const { topic, partition, committed } of replicated.offsets()) {
    yield { topic, partition, committedOffset: committed.committedOffset }
  }
}

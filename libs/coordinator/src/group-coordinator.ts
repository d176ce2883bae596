import type { Random } from '@fairlead/base'
import type {
  DescribeGroupsRequest,
  DescribeGroupsResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupRequest,
  LeaveGroupResponse,
  ListGroupsRequest,
  ListGroupsResponse,
  OffsetCommitRequest,
  OffsetCommitResponse,
  OffsetFetchRequest,
  OffsetFetchResponse,
  SyncGroupRequest,
  SyncGroupResponse,
} from './messages.ts'
import type {
  CoordinatorRecord,
  Decision,
  GroupConfig,
  Instant,
  ParkToken,
  ReadDecision,
  RequestContext,
  Step,
  TopicDirectory,
} from './types.ts'

export interface GroupCoordinatorApi {
  partitionFor(groupId: string): number
  startLoading(partition: number): void
  replay(partition: number, record: CoordinatorRecord): void
  finishLoading(partition: number, now: Instant): Step
  unload(partition: number): Step
  joinGroup(
    request: JoinGroupRequest,
    context: RequestContext & { readonly token: ParkToken },
  ): Decision<JoinGroupResponse | 'parked'>
  syncGroup(
    request: SyncGroupRequest,
    context: RequestContext & { readonly token: ParkToken },
  ): Decision<SyncGroupResponse | 'parked'>
  heartbeat(request: HeartbeatRequest, now: Instant): Decision<HeartbeatResponse>
  leaveGroup(request: LeaveGroupRequest, context: RequestContext): Decision<LeaveGroupResponse>
  commitOffsets(
    request: OffsetCommitRequest,
    context: RequestContext,
  ): Decision<OffsetCommitResponse>
  fetchOffsets(
    request: OffsetFetchRequest,
    context: RequestContext,
  ): ReadDecision<OffsetFetchResponse>
  describeGroups(request: DescribeGroupsRequest, context: RequestContext): DescribeGroupsResponse
  listGroups(request: ListGroupsRequest): ListGroupsResponse
  topicsDeleted(topics: readonly string[], now: Instant): readonly Step[]
  nextDeadlineMs(): number | undefined
  tick(now: Instant): readonly Step[]
}

export type GroupCoordinatorOptions = {
  readonly config: GroupConfig
  readonly random: Random
  readonly topics: TopicDirectory
}

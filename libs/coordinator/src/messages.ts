import type { RequestOf, ResponseBody } from '@fairlead/protocol'

/** The messages of the classic group protocol, under the names that this library uses for them. */
export type JoinGroupRequest = RequestOf<'JoinGroup'>
export type JoinGroupResponse = ResponseBody<'JoinGroup'>
export type SyncGroupRequest = RequestOf<'SyncGroup'>
export type SyncGroupResponse = ResponseBody<'SyncGroup'>
export type HeartbeatRequest = RequestOf<'Heartbeat'>
export type HeartbeatResponse = ResponseBody<'Heartbeat'>
export type LeaveGroupRequest = RequestOf<'LeaveGroup'>
export type LeaveGroupResponse = ResponseBody<'LeaveGroup'>
export type OffsetCommitRequest = RequestOf<'OffsetCommit'>
export type OffsetCommitResponse = ResponseBody<'OffsetCommit'>
export type OffsetFetchRequest = RequestOf<'OffsetFetch'>
export type OffsetFetchResponse = ResponseBody<'OffsetFetch'>
export type DescribeGroupsRequest = RequestOf<'DescribeGroups'>
export type DescribeGroupsResponse = ResponseBody<'DescribeGroups'>
export type ListGroupsRequest = RequestOf<'ListGroups'>
export type ListGroupsResponse = ResponseBody<'ListGroups'>
export type DeleteGroupsRequest = RequestOf<'DeleteGroups'>
export type DeleteGroupsResponse = ResponseBody<'DeleteGroups'>
export type OffsetDeleteRequest = RequestOf<'OffsetDelete'>
export type OffsetDeleteResponse = ResponseBody<'OffsetDelete'>

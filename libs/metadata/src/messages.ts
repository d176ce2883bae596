import type { RequestOf, ResponseBody } from '@fairlead/protocol'

/** Messages quote names and values of the client, which may be as long as the wire allows. */
export const ERROR_MESSAGE_LENGTH_MAX = 1000

export type AlterClientQuotasRequest = RequestOf<'AlterClientQuotas'>
export type AlterClientQuotasResponse = ResponseBody<'AlterClientQuotas'>
export type AlterConfigsRequest = RequestOf<'AlterConfigs'>
export type AlterConfigsResponse = ResponseBody<'AlterConfigs'>
export type AlterPartitionReassignmentsRequest = RequestOf<'AlterPartitionReassignments'>
export type AlterPartitionReassignmentsResponse = ResponseBody<'AlterPartitionReassignments'>
export type CreatePartitionsRequest = RequestOf<'CreatePartitions'>
export type CreatePartitionsResponse = ResponseBody<'CreatePartitions'>
export type CreateTopicsRequest = RequestOf<'CreateTopics'>
export type CreateTopicsResponse = ResponseBody<'CreateTopics'>
export type DeleteTopicsRequest = RequestOf<'DeleteTopics'>
export type DeleteTopicsResponse = ResponseBody<'DeleteTopics'>
export type DescribeClientQuotasRequest = RequestOf<'DescribeClientQuotas'>
export type DescribeClientQuotasResponse = ResponseBody<'DescribeClientQuotas'>
export type DescribeConfigsRequest = RequestOf<'DescribeConfigs'>
export type DescribeConfigsResponse = ResponseBody<'DescribeConfigs'>
export type DescribeTopicPartitionsRequest = RequestOf<'DescribeTopicPartitions'>
export type DescribeTopicPartitionsResponse = ResponseBody<'DescribeTopicPartitions'>
export type ElectLeadersRequest = RequestOf<'ElectLeaders'>
export type ElectLeadersResponse = ResponseBody<'ElectLeaders'>
export type IncrementalAlterConfigsRequest = RequestOf<'IncrementalAlterConfigs'>
export type IncrementalAlterConfigsResponse = ResponseBody<'IncrementalAlterConfigs'>
export type ListConfigResourcesRequest = RequestOf<'ListConfigResources'>
export type ListConfigResourcesResponse = ResponseBody<'ListConfigResources'>

import type { RequestOf, ResponseBody } from '@fairlead/protocol'

export type CreateTopicsRequest = RequestOf<'CreateTopics'>
export type CreateTopicsResponse = ResponseBody<'CreateTopics'>
export type DeleteTopicsRequest = RequestOf<'DeleteTopics'>
export type DeleteTopicsResponse = ResponseBody<'DeleteTopics'>
export type DescribeConfigsRequest = RequestOf<'DescribeConfigs'>
export type DescribeConfigsResponse = ResponseBody<'DescribeConfigs'>

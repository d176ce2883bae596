import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import type * as Package from '@platformatic/kafka'

/**
 * What we use of @platformatic/kafka. Its index loads clients, and a client of a registry with all its formats,
 * too: 5 to 12 MB of every process, which nothing of ours asks for.
 */
const INDEX = pathToFileURL(createRequire(import.meta.url).resolve('@platformatic/kafka'))

async function load(path: string): Promise<typeof Package> {
  return (await import(new URL(path, INDEX).href)) as typeof Package
}

const apis = await load('apis/index.js')
const consumerProtocol = await load('clients/consumer/consumer-protocol.js')
const errors = await load('errors.js')
const network = await load('network/connection.js')
const protocol = await load('protocol/index.js')

export const addPartitionsToTxnV3: typeof Package.addPartitionsToTxnV3 = apis.addPartitionsToTxnV3
export const alterClientQuotasV1: typeof Package.alterClientQuotasV1 = apis.alterClientQuotasV1
export const apiVersionsV3: typeof Package.apiVersionsV3 = apis.apiVersionsV3
export const createPartitionsV3: typeof Package.createPartitionsV3 = apis.createPartitionsV3
export const createTopicsV7: typeof Package.createTopicsV7 = apis.createTopicsV7
export const deleteGroupsV2: typeof Package.deleteGroupsV2 = apis.deleteGroupsV2
export const deleteRecordsV2: typeof Package.deleteRecordsV2 = apis.deleteRecordsV2
export const deleteTopicsV6: typeof Package.deleteTopicsV6 = apis.deleteTopicsV6
export const describeClientQuotasV0: typeof Package.describeClientQuotasV0 =
  apis.describeClientQuotasV0
export const describeConfigsV4: typeof Package.describeConfigsV4 = apis.describeConfigsV4
export const describeGroupsV5: typeof Package.describeGroupsV5 = apis.describeGroupsV5
export const endTxnV3: typeof Package.endTxnV3 = apis.endTxnV3
export const findCoordinatorV4: typeof Package.findCoordinatorV4 = apis.findCoordinatorV4
export const heartbeatV4: typeof Package.heartbeatV4 = apis.heartbeatV4
export const incrementalAlterConfigsV1: typeof Package.incrementalAlterConfigsV1 =
  apis.incrementalAlterConfigsV1
export const initProducerIdV4: typeof Package.initProducerIdV4 = apis.initProducerIdV4
export const joinGroupV9: typeof Package.joinGroupV9 = apis.joinGroupV9
export const leaveGroupV4: typeof Package.leaveGroupV4 = apis.leaveGroupV4
export const listGroupsV4: typeof Package.listGroupsV4 = apis.listGroupsV4
export const listOffsetsV7: typeof Package.listOffsetsV7 = apis.listOffsetsV7
export const metadataV11: typeof Package.metadataV11 = apis.metadataV11
export const offsetCommitV8: typeof Package.offsetCommitV8 = apis.offsetCommitV8
export const offsetDeleteV0: typeof Package.offsetDeleteV0 = apis.offsetDeleteV0
export const offsetFetchV8: typeof Package.offsetFetchV8 = apis.offsetFetchV8
export const syncGroupV5: typeof Package.syncGroupV5 = apis.syncGroupV5

export const decodeConsumerProtocolAssignment: typeof Package.decodeConsumerProtocolAssignment =
  consumerProtocol.decodeConsumerProtocolAssignment
export const decodeConsumerProtocolSubscription: typeof Package.decodeConsumerProtocolSubscription =
  consumerProtocol.decodeConsumerProtocolSubscription
export const encodeConsumerProtocolAssignment: typeof Package.encodeConsumerProtocolAssignment =
  consumerProtocol.encodeConsumerProtocolAssignment
export const encodeConsumerProtocolSubscription: typeof Package.encodeConsumerProtocolSubscription =
  consumerProtocol.encodeConsumerProtocolSubscription

export const AuthenticationError: typeof Package.AuthenticationError = errors.AuthenticationError
export const NetworkError: typeof Package.NetworkError = errors.NetworkError
export const ResponseError: typeof Package.ResponseError = errors.ResponseError
export const TimeoutError: typeof Package.TimeoutError = errors.TimeoutError

export const Connection: typeof Package.Connection = network.Connection

export const Writer: typeof Package.Writer = protocol.Writer
export const compressionsAlgorithms: typeof Package.compressionsAlgorithms =
  protocol.compressionsAlgorithms
export const compressionsAlgorithmsByBitmask: typeof Package.compressionsAlgorithmsByBitmask =
  protocol.compressionsAlgorithmsByBitmask
export const crc32c: typeof Package.crc32c = protocol.crc32c
export const protocolAPIsById: typeof Package.protocolAPIsById = protocol.protocolAPIsById
export const protocolErrors: typeof Package.protocolErrors = protocol.protocolErrors
export const protocolErrorsCodesById: typeof Package.protocolErrorsCodesById =
  protocol.protocolErrorsCodesById

export type Connection = Package.Connection
export type Writer = Package.Writer
export type { API, Callback, ClientQuotaEntityType, ClientQuotaKey } from '@platformatic/kafka'
export type AlterClientQuotasRequestOp = Package.alterClientQuotasV1.AlterClientQuotasRequestOp
export type IncrementalAlterConfigsRequestConfig =
  Package.incrementalAlterConfigsV1.IncrementalAlterConfigsRequestConfig

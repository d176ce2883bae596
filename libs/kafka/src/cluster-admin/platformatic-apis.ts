import type * as Package from '@platformatic/kafka'
import type { API, Callback } from '@platformatic/kafka'
import { type Exchange, exchangeOf } from '../requests/exchange.ts'
import { loadOfPackage } from '../platformatic.ts'

const apis = await loadOfPackage('apis/index.js')
const { ResponseError } = await loadOfPackage('errors.js')
const { Reader } = await loadOfPackage('protocol/reader.js')

export const alterClientQuotasV1: typeof Package.alterClientQuotasV1 = apis.alterClientQuotasV1
export const createPartitionsV3: typeof Package.createPartitionsV3 = apis.createPartitionsV3
export const deleteRecordsV2: typeof Package.deleteRecordsV2 = apis.deleteRecordsV2
export const describeClientQuotasV0: typeof Package.describeClientQuotasV0 =
  apis.describeClientQuotasV0
export const describeGroupsV5: typeof Package.describeGroupsV5 = apis.describeGroupsV5
export const incrementalAlterConfigsV1: typeof Package.incrementalAlterConfigsV1 =
  apis.incrementalAlterConfigsV1
export const listGroupsV4: typeof Package.listGroupsV4 = apis.listGroupsV4
export const offsetDeleteV0: typeof Package.offsetDeleteV0 = apis.offsetDeleteV0

export type { ClientQuotaKey } from '@platformatic/kafka'
export type AlterClientQuotasRequestOp = Package.alterClientQuotasV1.AlterClientQuotasRequestOp
export type IncrementalAlterConfigsRequestConfig =
  Package.incrementalAlterConfigsV1.IncrementalAlterConfigsRequestConfig

/** What the package's function for a request would send on a connection of the package. */
type Sent<Response> = {
  readonly createPayload: () => Package.Writer
  readonly parser: (
    correlationId: number,
    apiKey: number,
    apiVersion: number,
    reader: Package.Reader,
  ) => Response
  readonly taggedHeaders: { readonly request: boolean; readonly response: boolean }
}

/** A request in the package's codec. An error code in the response is part of the answer. */
export function packageExchange<Arguments extends unknown[], Response>(
  api: API<Arguments, Response>,
  requestArguments: Arguments,
): Exchange<Response> {
  const { key, version } = api
  const { createPayload, parser, taggedHeaders } = sentBy(api, requestArguments)
  return exchangeOf(
    { key, version },
    {
      taggedHeaders,
      encode: (writer) => {
        writer.raw(createPayload().buffer)
      },
      decode: (reader) => {
        const body = Buffer.from(reader.view(reader.remaining))
        try {
          return parser(0, key, version, Reader.from(body))
        } catch (error) {
          // The package throws for error codes in a response.
          if (!(error instanceof ResponseError)) throw error
          return (error as unknown as { readonly response: Response }).response
        }
      },
    },
  )
}

function sentBy<Arguments extends unknown[], Response>(
  api: API<Arguments, Response>,
  requestArguments: Arguments,
): Sent<Response> {
  let sent: Sent<Response> | undefined
  const connection: Pick<Package.Connection, 'send'> = {
    send: (_key, _version, createPayload, parser, request, response) => {
      sent = {
        createPayload: createPayload as Sent<Response>['createPayload'],
        parser: parser as unknown as Sent<Response>['parser'],
        taggedHeaders: { request, response },
      }
    },
  }
  const send = api as unknown as (...values: unknown[]) => void
  const callback: Callback<Response> = () => undefined
  send(connection, ...requestArguments, callback)
  if (sent === undefined) throw new TypeError('a function of the package sends one request')
  return sent
}

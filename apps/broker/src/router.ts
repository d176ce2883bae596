import { errorMessage, invariant } from '@fairlead/base'
import {
  type ApiName,
  type RequestHeader,
  apiByKey,
  decodeRequest,
  decodeRequestHeader,
  encodeResponse,
} from '@fairlead/protocol'
import { unsupportedApiVersions } from './handlers/api-versions.ts'
import { type BrokerParts, EndConnection, type Handler, NO_RESPONSE } from './handlers/handler.ts'
import { HANDLERS } from './handlers/index.ts'
import type { Peer, Reply, RequestHandler } from './network/connection.ts'

const UNSUPPORTED_VERSION = 35
const NOTHING: Reply = { chunks: [] }

/**
 * From a frame to its reply: header, version check, body, handler, response.
 *
 * An unknown version of ApiVersions is answered in version 0 with error 35 and the table of keys,
 * and the connection goes on: the client asks again (KIP-511). After any other unknown key or
 * version the two sides do not agree on what the bytes mean, so that the connection ends, as in
 * Kafka; before that the client is told why, in the form that every version-0 response with a
 * top-level error begins with: correlation id, error code 35.
 */
export function createRouter(parts: BrokerParts): RequestHandler {
  return async (frame, peer) => {
    const { apiKey, apiVersion, correlationId } = peekHeader(frame)
    const api = apiByKey(apiKey)
    if (api === undefined) return unsupported(correlationId, `unknown API key ${apiKey}`)
    const { name, firstVersion, lastVersion } = api
    if (apiVersion >= firstVersion && apiVersion <= lastVersion) {
      return answer(name, frame, { header: decodeRequestHeader(frame), peer, parts })
    }
    if (name === 'ApiVersions') {
      return { chunks: encodeResponse(name, 0, correlationId, unsupportedApiVersions()) }
    }
    const range = `${firstVersion} to ${lastVersion}`
    return unsupported(correlationId, `${name} version ${apiVersion}; supported are ${range}`)
  }
}

/** What every header begins with. The rest of an unknown version may have any form. */
function peekHeader(frame: Uint8Array): {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
} {
  invariant(frame.length >= 8, 'the assembler lets no shorter frame through')
  const view = new DataView(frame.buffer, frame.byteOffset)
  return {
    apiKey: view.getInt16(0),
    apiVersion: view.getInt16(2),
    correlationId: view.getInt32(4),
  }
}

async function answer(
  name: ApiName,
  frame: Uint8Array,
  context: {
    readonly header: RequestHeader
    readonly peer: Peer
    readonly parts: BrokerParts
  },
): Promise<Reply> {
  const { header, peer, parts } = context
  const { apiVersion, correlationId, clientId } = header
  const startMs = parts.clock.nowMs()
  const releases: (() => void)[] = []
  const release = (): void => {
    for (const callback of releases.splice(0)) callback()
  }
  try {
    const request = decodeRequest(name, apiVersion, frame, header.bodyPosition)
    const handle = HANDLERS[name] as Handler<ApiName>
    const response = await handle(request, {
      ...parts,
      apiVersion,
      clientId: clientId ?? '',
      peer,
      freeFrame: () => parts.buffers.giveBack(frame),
      onSent: (callback) => releases.push(callback),
    })
    parts.metrics.answered(name, apiVersion, parts.clock.nowMs() - startMs)
    if (response === NO_RESPONSE) return NOTHING
    if (response instanceof EndConnection) return { chunks: [], closeReason: response.reason }
    return { chunks: encodeResponse(name, apiVersion, correlationId, response), release }
  } catch (error) {
    release()
    parts.metrics.failed(name, error instanceof Error ? error.name : errorMessage(error))
    throw error
  }
}

function unsupported(correlationId: number, closeReason: string): Reply {
  const response = new DataView(new ArrayBuffer(10))
  response.setInt32(0, 6)
  response.setInt32(4, correlationId)
  response.setInt16(8, UNSUPPORTED_VERSION)
  return { chunks: [new Uint8Array(response.buffer)], closeReason }
}

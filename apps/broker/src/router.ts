import { errorMessage, invariant } from '@fairlead/base'
import {
  type ApiName,
  type RequestHeader,
  apiByKey,
  decodeCountedRequest,
  decodeRequestHeader,
  encodeResponse,
} from '@fairlead/protocol'
import { unsupportedApiVersions } from './handlers/api-versions.ts'
import { type BrokerParts, EndConnection, type Handler, NO_RESPONSE } from './handlers/handler.ts'
import { HANDLERS } from './handlers/index.ts'
import { requestQuota } from './quotas/request-quota.ts'
import { ELEMENTS_UNDER_WAY_MAX } from './limits.ts'
import {
  type Peer,
  type Reply,
  type RequestHandler,
  RequestRefused,
  type Turn,
} from './network/connection.ts'

const UNSUPPORTED_VERSION = 35
/** Of a request without a response. */
const NO_ERRORS = {}
/** A request of so many elements is never refused: its peer has one of them when load is high. */
const FEW_ELEMENTS = 200

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
  const elements = new ElementBudget()
  return async (frame, peer, turn) => {
    const { apiKey, apiVersion, correlationId } = peekHeader(frame)
    const api = apiByKey(apiKey)
    if (api === undefined) return unsupported(correlationId, `unknown API key ${apiKey}`)
    const { name, firstVersion, lastVersion } = api
    if (apiVersion >= firstVersion && apiVersion <= lastVersion) {
      const header = decodeRequestHeader(frame)
      return answer(name, frame, { header, peer, turn, parts, elements })
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
    readonly turn: Turn
    readonly parts: BrokerParts
    readonly elements: ElementBudget
  },
): Promise<Reply> {
  const { header, peer, turn, parts, elements } = context
  const { apiVersion, correlationId, clientId } = header
  const { clock, requestMetrics } = parts
  const startMs = clock.nowMs()
  const quota = requestQuota(parts.quotas, { clientId: clientId ?? '', clock })
  const sizeBytes = frame.length
  const releases: (() => void)[] = []
  const release = (): void => {
    for (const callback of releases.splice(0)) callback()
  }
  try {
    const position = header.bodyPosition
    const { request, elementCount } = quota.timed(() =>
      decodeCountedRequest(name, apiVersion, frame, position),
    )
    if (elementCount > 0) releases.push(elements.take(elementCount))
    const handle = HANDLERS[name] as Handler<ApiName>
    const handlerContext = {
      ...parts,
      quota,
      apiVersion,
      clientId: clientId ?? '',
      peer,
      turn,
      freeFrame: () => parts.buffers.giveBack(frame),
      onSent: (callback: () => void) => releases.push(callback),
    }
    const answering = quota.timed(() => handle(request, handlerContext))
    const waitsSinceMs = clock.nowMs()
    const response = await answering
    const resumedMs = clock.nowMs()
    const answered = (body: object): number => {
      const nowMs = clock.nowMs()
      const remoteMs = resumedMs - waitsSinceMs
      const times = { localMs: nowMs - startMs - remoteMs, remoteMs }
      requestMetrics.answered(name, { version: apiVersion, sizeBytes, response: body }, times)
      return nowMs
    }
    if (response === NO_RESPONSE) {
      answered(NO_ERRORS)
      release()
      return { chunks: [], throttleMs: quota.settle(name, { sizeBytes, hasResponse: false }) }
    }
    if (response instanceof EndConnection) {
      answered(NO_ERRORS)
      release()
      return { chunks: [], closeReason: { kind: 'unanswered_failure', reason: response.reason } }
    }
    const throttleMs = quota.settle(name, { sizeBytes, hasResponse: true })
    const body = throttleMs > 0 ? { ...response, throttleTimeMs: throttleMs } : response
    const chunks = quota.timed(() => encodeResponse(name, apiVersion, correlationId, body))
    quota.close()
    return { chunks, release, throttleMs, sent: { api: name, readyMs: answered(body) } }
  } catch (error) {
    release()
    requestMetrics.failed(name, error instanceof Error ? error.name : errorMessage(error))
    throw error
  }
}

/** The array elements of all requests under way: `ELEMENTS_UNDER_WAY_MAX`. */
class ElementBudget {
  #used = 0

  /** Returns how to give them back. @throws {RequestRefused} when there are too many. */
  take(count: number): () => void {
    const isLarge = count > FEW_ELEMENTS && this.#used > 0
    if (isLarge && this.#used + count > ELEMENTS_UNDER_WAY_MAX) {
      const reason = `a request of ${count} elements, while others have ${this.#used} under way`
      throw new RequestRefused({ kind: 'memory', reason })
    }
    this.#used += count
    return () => {
      this.#used -= count
    }
  }
}

function unsupported(correlationId: number, reason: string): Reply {
  const response = new DataView(new ArrayBuffer(10))
  response.setInt32(0, 6)
  response.setInt32(4, correlationId)
  response.setInt16(8, UNSUPPORTED_VERSION)
  const closeReason = { kind: 'unsupported', reason } as const
  return { chunks: [new Uint8Array(response.buffer)], closeReason }
}

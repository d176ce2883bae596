import { errorMessage } from '@fairlead/base'
import {
  type ApiName,
  apiByKey,
  encodeResponse,
  openRequest,
  readBody,
  readClientId,
  refersToFrame,
} from '@fairlead/protocol'
import { unsupportedApiVersions } from './handlers/api-versions.ts'
import {
  type BrokerParts,
  EndConnection,
  type Handler,
  type HandlerContext,
  NO_RESPONSE,
} from './handlers/handler.ts'
import { HANDLERS } from './handlers/index.ts'
import { type RequestQuota, requestQuota } from './quotas/request-quota.ts'
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
  const Context = contextWith(parts)
  return (frame, peer, turn) => answer(frame, { peer, turn, parts, elements, Context })
}

type Routing = {
  readonly peer: Peer
  readonly turn: Turn
  readonly parts: BrokerParts
  readonly elements: ElementBudget
  readonly Context: ReturnType<typeof contextWith>
}

async function answer(frame: Uint8Array, routing: Routing): Promise<Reply> {
  const start = openRequest(frame)
  const { apiKey, apiVersion, correlationId } = start
  const api = apiByKey(apiKey)
  if (api === undefined) return unsupported(correlationId, `unknown API key ${apiKey}`)
  const { name, firstVersion, lastVersion } = api
  if (apiVersion < firstVersion || apiVersion > lastVersion) {
    if (name === 'ApiVersions') {
      return { chunks: encodeResponse(name, 0, correlationId, unsupportedApiVersions()) }
    }
    const range = `${firstVersion} to ${lastVersion}`
    return unsupported(correlationId, `${name} version ${apiVersion}; supported are ${range}`)
  }
  const { parts } = routing
  const { clock, requestMetrics } = parts
  const clientId = readClientId(start) ?? ''
  const startMs = clock.nowMs()
  const quota = requestQuota(parts.quotas, { clientId, clock })
  const context = new routing.Context(frame, { apiVersion, clientId, quota }, routing)
  const sizeBytes = frame.length
  try {
    quota.startTimer()
    const request = readBody(name, apiVersion, start.rest)
    context.takeElements(start.rest.elementCount)
    if (!refersToFrame(name, apiVersion)) context.freeFrame()
    const handle = HANDLERS[name] as Handler<ApiName>
    const handling = handle(request, context as unknown as HandlerContext)
    quota.stopTimer()
    const waitsSinceMs = clock.nowMs()
    const response = await handling
    const remoteMs = clock.nowMs() - waitsSinceMs
    const answered = (body: object): number => {
      const nowMs = clock.nowMs()
      const times = { localMs: nowMs - startMs - remoteMs, remoteMs }
      requestMetrics.answered(name, { version: apiVersion, sizeBytes, response: body }, times)
      return nowMs
    }
    if (response === NO_RESPONSE) {
      answered(NO_ERRORS)
      context.release()
      return { chunks: [], throttleMs: quota.settle(name, { sizeBytes, hasResponse: false }) }
    }
    if (response instanceof EndConnection) {
      answered(NO_ERRORS)
      context.release()
      return { chunks: [], closeReason: { kind: 'unanswered_failure', reason: response.reason } }
    }
    const throttleMs = quota.settle(name, { sizeBytes, hasResponse: true })
    const body = throttleMs > 0 ? { ...response, throttleTimeMs: throttleMs } : response
    quota.startTimer()
    const chunks = encodeResponse(name, apiVersion, correlationId, body)
    quota.stopTimer()
    quota.close()
    const sent = { api: name, readyMs: answered(body) }
    return { chunks, release: context.release, throttleMs, sent }
  } catch (error) {
    context.release()
    requestMetrics.failed(name, error instanceof Error ? error.name : errorMessage(error))
    throw error
  }
}

/**
 * The contexts of requests. They have the parts of the broker through their prototype: a copy of all of
 * them would be the largest object that a request makes.
 */
function contextWith(parts: BrokerParts) {
  class RequestContext implements Omit<HandlerContext, keyof BrokerParts> {
    readonly apiVersion: number
    readonly clientId: string
    readonly quota: RequestQuota
    readonly peer: Peer
    readonly turn: Turn
    #frame: Uint8Array | undefined
    readonly #elements: ElementBudget
    #elementCount = 0
    #onSent: readonly (() => void)[] = []

    constructor(
      frame: Uint8Array,
      request: Pick<HandlerContext, 'apiVersion' | 'clientId' | 'quota'>,
      { peer, turn, elements }: Routing,
    ) {
      this.apiVersion = request.apiVersion
      this.clientId = request.clientId
      this.quota = request.quota
      this.peer = peer
      this.turn = turn
      this.#frame = frame
      this.#elements = elements
    }

    freeFrame(): void {
      const frame = this.#frame
      this.#frame = undefined
      if (frame !== undefined) parts.buffers.giveBack(frame)
    }

    onSent(callback: () => void): void {
      this.#onSent = [...this.#onSent, callback]
    }

    takeElements(count: number): void {
      this.#elements.take(count)
      this.#elementCount = count
    }

    /** Called again, it does nothing. */
    readonly release = (): void => {
      this.#elements.giveBack(this.#elementCount)
      this.#elementCount = 0
      const due = this.#onSent
      this.#onSent = []
      for (const callback of due) callback()
    }
  }
  Object.setPrototypeOf(RequestContext.prototype, parts)
  return RequestContext
}

/** The array elements of all requests under way: `ELEMENTS_UNDER_WAY_MAX`. */
class ElementBudget {
  #used = 0

  /** @throws {RequestRefused} when there are too many; then nothing is taken. */
  take(count: number): void {
    const isLarge = count > FEW_ELEMENTS && this.#used > 0
    if (isLarge && this.#used + count > ELEMENTS_UNDER_WAY_MAX) {
      const reason = `a request of ${count} elements, while others have ${this.#used} under way`
      throw new RequestRefused({ kind: 'memory', reason })
    }
    this.#used += count
  }

  giveBack(count: number): void {
    this.#used -= count
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

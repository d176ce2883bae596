import type { Readable } from 'node:stream'
import { HttpFailure } from './errors.ts'

type ReceivedBody = {
  readonly chunks: Buffer[]
  receivedBytes: number
  readonly refuse: (failure: HttpFailure) => void
}

export type RequestBodiesOptions = {
  /** Of one body. */
  readonly bodyBytesMax: number
  /** Of all bodies that are not complete yet, together. */
  readonly receivingBytesMax: number
}

/**
 * Receives the bodies of requests within one budget. What counts is what has come, not what a client
 * declares; when the budget is spent, the largest body goes, so that many slow ones that are never
 * finished cannot keep out small ones.
 */
export class RequestBodies {
  readonly #options: RequestBodiesOptions
  readonly #receiving = new Set<ReceivedBody>()
  #receivingBytes = 0

  constructor(options: RequestBodiesOptions) {
    this.#options = options
  }

  /** @throws {HttpFailure} 413, 429, or 400 for a body that ends before its end. */
  receive(stream: Readable): Promise<string> {
    return new Promise((resolve, reject) => {
      const body: ReceivedBody = { chunks: [], receivedBytes: 0, refuse: (failure) => end(failure) }
      const onData = (chunk: Buffer): void => this.#add(body, chunk)
      const onEnd = (): void => end(undefined)
      const onAbort = (): void =>
        end(new HttpFailure({ errorCode: 400, message: 'The body of the request is not complete' }))
      const end = (failure: HttpFailure | undefined): void => {
        stream.off('data', onData).off('end', onEnd).off('error', onAbort).off('close', onAbort)
        this.#receiving.delete(body)
        this.#receivingBytes -= body.receivedBytes
        if (failure === undefined) resolve(textOf(Buffer.concat(body.chunks)))
        else reject(failure)
      }
      this.#receiving.add(body)
      stream.on('data', onData).on('end', onEnd).on('error', onAbort).on('close', onAbort)
    })
  }

  #add(body: ReceivedBody, chunk: Buffer): void {
    body.chunks.push(chunk)
    body.receivedBytes += chunk.length
    this.#receivingBytes += chunk.length
    const { bodyBytesMax, receivingBytesMax } = this.#options
    if (body.receivedBytes > bodyBytesMax) {
      const message = `The body of a request has at most ${bodyBytesMax} bytes`
      body.refuse(new HttpFailure({ errorCode: 413, message }))
    }
    if (this.#receivingBytes <= receivingBytesMax) return
    const largest = [...this.#receiving].reduce((one, other) =>
      other.receivedBytes > one.receivedBytes ? other : one,
    )
    const message = 'Too many bodies of requests are being received: try again later'
    largest.refuse(new HttpFailure({ errorCode: 429, message, retryAfterSeconds: 1 }))
  }
}

/**
 * JSON begins with a character of ASCII: where its zero byte is, or the byte order mark, tells UTF-16,
 * whatever the header says. A mark is no part of the text.
 */
function textOf(bytes: Buffer): string {
  const [first, second] = bytes
  const isLittleEndian = second === 0 || (first === 0xff && second === 0xfe)
  const isBigEndian = first === 0 || (first === 0xfe && second === 0xff)
  if (isLittleEndian) return new TextDecoder('utf-16le').decode(bytes)
  if (isBigEndian) return new TextDecoder('utf-16be').decode(bytes)
  return first === 0xef ? new TextDecoder().decode(bytes) : bytes.toString('utf8')
}

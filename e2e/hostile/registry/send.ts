import { connect } from 'node:net'
import type { HostileRequest } from './hostile-request.ts'

export type Answer = {
  /** Undefined when the connection ended without one. */
  readonly status: number | undefined
  readonly body: string
}

const PATIENCE_MS = 240_000

/** Sends bytes on a connection of their own, and reads until the server ends it. */
export function send(
  port: number,
  { bytes, isHalfClosed }: Pick<HostileRequest, 'bytes' | 'isHalfClosed'>,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect({ host: '127.0.0.1', port })
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no end after ${PATIENCE_MS} ms: ${bytes.toString('latin1', 0, 200)}`))
    }, PATIENCE_MS)
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    // A reset, as when it answers before it has read all: what came until then counts.
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(firstAnswer(Buffer.concat(chunks)))
    })
    socket.write(bytes)
    if (isHalfClosed === true) socket.end()
  })
}

/** What was meant as one request may have become two, with an answer each. */
function firstAnswer(bytes: Buffer): Answer {
  const headEnd = bytes.indexOf('\r\n\r\n')
  const head = bytes.toString('latin1', 0, Math.max(0, headEnd))
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(head) ?? []
  const [, length] = /^content-length: (\d+)$/im.exec(head) ?? []
  const body = bytes.subarray(headEnd + 4)
  return {
    status: status === undefined ? undefined : Number(status),
    body: body.subarray(0, length === undefined ? body.length : Number(length)).toString('utf8'),
  }
}

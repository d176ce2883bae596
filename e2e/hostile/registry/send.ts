import { connect } from 'node:net'
import type { HostileRequest } from './hostile-request.ts'

export type Answer = {
  /** Undefined when the connection ended without one. */
  readonly status: number | undefined
  readonly body: string
}

const PATIENCE_MS = 60_000

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
      const text = Buffer.concat(chunks).toString('utf8')
      const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(text) ?? []
      const body = text.slice(text.indexOf('\r\n\r\n') + 4)
      resolve({ status: status === undefined ? undefined : Number(status), body })
    })
    socket.write(bytes)
    if (isHalfClosed === true) socket.end()
  })
}

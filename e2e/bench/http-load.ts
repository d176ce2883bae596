import { once } from 'node:events'
import { type Socket, connect } from 'node:net'

const CONNECTIONS = 32

export type HttpLoad = {
  /** Answers. */
  readonly count: number
  readonly perSecond: number
  readonly p99Ms: number
}

/**
 * Asks for one path over and over on some connections, one request at a time on each, for a while.
 * Raw sockets, so that the client takes little of the processor that the server needs.
 */
export async function httpLoad(url: string, path: string, durationMs: number): Promise<HttpLoad> {
  const { hostname, port } = new URL(url)
  const request = `GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\naccept: */*\r\n\r\n`
  const latenciesMs: number[] = []
  const startedMs = performance.now()
  const workers = Array.from({ length: CONNECTIONS }, async () => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    await once(socket, 'connect')
    try {
      while (performance.now() - startedMs < durationMs) {
        const sentMs = performance.now()
        socket.write(request)
        await answer(socket)
        latenciesMs.push(performance.now() - sentMs)
      }
    } finally {
      socket.destroy()
    }
  })
  await Promise.all(workers)
  const seconds = (performance.now() - startedMs) / 1_000
  const sorted = latenciesMs.sort((left, right) => left - right)
  return {
    count: sorted.length,
    perSecond: sorted.length / seconds,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
  }
}

/** Waits for one whole answer of status 200. */
function answer(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    const onData = (bytes: Buffer): void => {
      text += bytes.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1])
      if (text.length < end + 4 + length) return
      socket.off('data', onData)
      socket.off('close', onClose)
      if (text.startsWith('HTTP/1.1 200')) resolve()
      else reject(new Error(text.slice(0, 200)))
    }
    const onClose = (): void => reject(new Error('the server closed the connection'))
    socket.on('data', onData)
    socket.once('close', onClose)
  })
}

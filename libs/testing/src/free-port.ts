import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Above the ports that programs have by default, and below those that systems give to connections. */
const LOWEST = 10_240
const HIGHEST = 32_767
const ATTEMPTS_MAX = 100

const given = new Set<number>()

/**
 * A port that nobody listens on, for a server that may go away and come back. It is not one that the
 * system gives to outgoing connections: while the server is away, somebody's connection would take it, or
 * a client that tries to reach the server would be connected to itself.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const port = randomInt(LOWEST, HIGHEST + 1)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
  throw new Error(`none of ${ATTEMPTS_MAX} ports was free`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)))
  })
}

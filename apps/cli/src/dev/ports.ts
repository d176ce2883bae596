import { createServer } from 'node:net'

const PORT_MAX = 65_535
/** Further away from its default, a port would surprise more than a clear error does. */
const PORTS_TRIED_MAX = 100

/** Where each part listens when the port is free. */
const DEFAULT_PORTS = {
  kafka: 9092,
  broker: 9644,
  registry: 8081,
  relay: 8083,
  projector: 8084,
  shop: 8085,
  postgres: 5432,
} as const

export type Ports = Readonly<Record<keyof typeof DEFAULT_PORTS, number>>

/** A free port for each part that starts here; reports each that is not the default. */
export async function choosePorts(options: {
  readonly startsPostgres: boolean
  readonly report: (line: string) => void
}): Promise<Ports> {
  const taken = new Set<number>()
  const choose = async ([name, preferred]: readonly [string, number]) => {
    const port = await findFreePort(preferred, taken)
    if (port !== preferred) options.report(`Port ${preferred} is taken: ${name} uses ${port}.`)
    taken.add(port)
    return [name, port] as const
  }
  const chosen: (readonly [string, number])[] = []
  for (const entry of Object.entries(DEFAULT_PORTS)) {
    const isElsewhere = entry[0] === 'postgres' && !options.startsPostgres
    chosen.push(isElsewhere ? entry : await choose(entry))
  }
  return Object.fromEntries(chosen) as Ports
}

/**
 * The first free port from `preferred` on, none of `taken`. Between this look and the bind of the
 * process that gets it another process may take it: that process then fails, and says so.
 *
 * @throws {Error} when none of the next 100 ports is free.
 */
async function findFreePort(preferred: number, taken: ReadonlySet<number>): Promise<number> {
  const last = Math.min(preferred + PORTS_TRIED_MAX, PORT_MAX)
  for (let port = preferred; port <= last; port += 1) {
    if (!taken.has(port) && (await isFree(port))) return port
  }
  throw new Error(`no port from ${preferred} to ${last} is free`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      server.close(() => resolve(true))
    })
  })
}

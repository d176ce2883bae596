import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { encodeRequest } from '@fairlead/protocol'
import type { BenchRow } from '../report.ts'
import { usageBetween, usageOf } from '../usage.ts'
import { type Figures, type Setting, compared, inTurns } from './rounds.ts'
import type { BenchServer } from './servers.ts'

const CONNECTIONS = 1_000
const IDLE_SECONDS = 5

/** A thousand clients that have said hello and then say nothing. */
export async function benchConnections(setting: Setting): Promise<readonly BenchRow[]> {
  const measured = await inTurns(setting, (server) => idle(server, IDLE_SECONDS * setting.scale))
  const what = `${CONNECTIONS} idle connections`
  return [
    ...compared(`${what}, memory of each`, measured, { figure: 'kibibytes', unit: 'KiB' }),
    ...compared(`${what}, processor`, measured, { figure: 'cpuShare', unit: '% of a core' }),
  ]
}

async function idle(server: BenchServer, seconds: number): Promise<Figures> {
  const before = usageOf(server.pid)
  const sockets: Socket[] = []
  // Apache Kafka's backlog is 50, and what finds no room there is reset.
  while (sockets.length < CONNECTIONS) sockets.push(await greet(server.port))
  const connected = usageOf(server.pid)
  await delay(seconds * 1_000)
  const after = usageOf(server.pid)
  for (const socket of sockets) socket.destroy()
  return {
    kibibytes: (after.residentBytes - before.residentBytes) / CONNECTIONS / 1024,
    cpuShare: (100 * usageBetween(connected, after).cpuSeconds) / seconds,
  }
}

async function greet(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const header = { correlationId: 1, clientId: 'bench' }
  for (const chunk of encodeRequest({ name: 'ApiVersions', version: 0, body: {}, ...header })) {
    socket.write(chunk)
  }
  await once(socket, 'data')
  socket.on('error', () => {})
  return socket
}

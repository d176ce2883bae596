import type { AddressInfo } from 'node:net'
import { Server as HttpsServer } from 'node:https'
import Fastify, { type FastifyInstance } from 'fastify'
import type { TlsMaterial } from '../security/tls.ts'
import { SERVER_OPTIONS } from './server-options.ts'

export type Listener = {
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly port: number
}

const LISTENER = /^(https?):\/\/(\[[0-9a-fA-F:.]+\]|[^:/[\]]+):(\d{1,5})$/

/** `scheme://host:port`, as in Confluent's `listeners`; undefined for other text. */
export function parseListener(text: string): Listener | undefined {
  const [, scheme, host = '', port] = LISTENER.exec(text) ?? []
  if ((scheme !== 'http' && scheme !== 'https') || Number(port) > 65_535) return undefined
  return { scheme, host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

export type ListenersOptions = {
  readonly listeners: readonly Listener[]
  /** Of every https listener. */
  readonly tls: TlsMaterial | undefined
  readonly addRoutes: (server: FastifyInstance) => void
}

/** Servers for the addresses that the configuration lists, with the same routes on each. */
export class Listeners {
  readonly #servers: readonly (readonly [Listener, FastifyInstance])[]

  constructor({ listeners, tls, addRoutes }: ListenersOptions) {
    this.#servers = listeners.map((listener) => {
      const server = serverOf(listener, tls)
      addRoutes(server)
      return [listener, server] as const
    })
  }

  /** Opens the ports; answers where, with the real port for 0. */
  async listen(): Promise<readonly string[]> {
    const urls: string[] = []
    for (const [{ scheme, host, port }, server] of this.#servers) {
      await server.listen({ host, port })
      const { address, family, port: bound } = server.server.address() as AddressInfo
      urls.push(`${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${bound}`)
    }
    return urls
  }

  /** For connections from now on; those that are open keep what they began with. */
  useTls({ options }: TlsMaterial): void {
    for (const [, { server }] of this.#servers) {
      if (server instanceof HttpsServer) server.setSecureContext(options)
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map(([, server]) => server.close()))
  }
}

function serverOf({ scheme }: Listener, tls: TlsMaterial | undefined): FastifyInstance {
  const options = { ...SERVER_OPTIONS, forceCloseConnections: true }
  if (scheme === 'http') return Fastify(options)
  const { http, ...others } = options
  const secure = { ...others, https: { ...http, ...tls?.options } }
  // Routes are the same whichever server they are on; Fastify's types tell the two apart.
  return Fastify(secure as object) as FastifyInstance
}

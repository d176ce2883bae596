import { type AddressInfo, type Socket, connect } from 'node:net'
import { type Server, type TlsOptions, createServer } from 'node:tls'

/** TLS in front of a server that has none, as a load balancer does it. */
export class TlsProxy {
  /** The server behind it, on this machine. */
  targetPort = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async start(options: TlsOptions): Promise<TlsProxy> {
    const proxy = new TlsProxy(options)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  private constructor(options: TlsOptions) {
    this.#server = createServer(options, (inbound) => this.#join(inbound))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Connections that there are end; those that follow meet the new certificate. */
  show(options: TlsOptions): void {
    this.#server.setSecureContext(options)
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(inbound: Socket): void {
    const outbound = connect({ host: '127.0.0.1', port: this.targetPort })
    for (const [socket, other] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
    inbound.pipe(outbound).pipe(inbound)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

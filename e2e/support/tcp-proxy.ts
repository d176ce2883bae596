import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'

type Target = { readonly host: string; readonly port: number }

/** A way to a server that can break as networks do. */
export class TcpProxy {
  readonly #server: Server
  #target: Target
  readonly #sockets = new Set<Socket>()
  #isBlackHole = false
  #bytesLeft = Number.POSITIVE_INFINITY

  static async start(target: Target): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  private constructor(target: Target) {
    this.#target = target
    this.#server = createServer((inbound) => this.#join(inbound))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Connections stay, new ones are taken, and nothing goes through in either direction. */
  blackHole(): void {
    this.#isBlackHole = true
    for (const socket of this.#sockets) {
      socket.unpipe()
      socket.pause()
    }
  }

  /** A black hole once the target has sent so much more, however soon that is. */
  blackHoleAfter(bytes: number): void {
    this.#bytesLeft = bytes
  }

  /** Connections that were swallowed are reset, as by a router that has forgotten them. */
  heal(): void {
    this.#isBlackHole = false
    this.#bytesLeft = Number.POSITIVE_INFINITY
    this.reset()
  }

  /** As an address that moves to another server. */
  retarget(target: Target): void {
    this.#target = target
    this.reset()
  }

  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  #join(inbound: Socket): void {
    this.#keep(inbound)
    if (this.#isBlackHole) {
      inbound.pause()
      return
    }
    const outbound = connect(this.#target)
    this.#keep(outbound)
    inbound.pipe(outbound).pipe(inbound)
    outbound.on('data', ({ length }: Buffer) => {
      this.#bytesLeft -= length
      if (this.#bytesLeft < 0) this.blackHole()
    })
    inbound.once('close', () => outbound.destroy())
    outbound.once('close', () => inbound.destroy())
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reset()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'

/**
 * What happens to a `commit` on its way: `lost` before it reaches the server, or `unanswered`, done by
 * the server, whose answer is lost: the connection is gone in both cases. `withheld`: done, and the
 * answer does not come as long as the connection lasts.
 */
export type CommitFate = 'delivered' | 'lost' | 'unanswered' | 'withheld'

/** A TCP proxy in front of Postgres that cuts connections, or holds what they say, on demand. */
export class CutOffProxy {
  readonly #server: Server
  readonly #target: URL
  readonly #sockets = new Set<Socket>()
  /** Asked for each commit that passes. */
  fateOfCommit: () => CommitFate = () => 'delivered'
  /** Asked for all else that a client sends. */
  fateOfRequest: (request: { readonly isBegin: boolean }) => CommitFate = () => 'delivered'
  /** What begins a replication stream is kept until it is so much, and then comes at once. */
  streamStartBytes = 0
  #isDown = false
  #isHolding = false
  readonly #held: { readonly bytes: Buffer; readonly send: () => void }[] = []

  private constructor(target: URL) {
    this.#target = target
    this.#server = createServer((client) => this.#accept(client))
  }

  static async inFrontOf(databaseUrl: string): Promise<CutOffProxy> {
    const proxy = new CutOffProxy(new URL(databaseUrl))
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get url(): string {
    const url = new URL(this.#target)
    url.hostname = '127.0.0.1'
    url.port = String((this.#server.address() as AddressInfo).port)
    return url.href
  }

  /** Cuts every connection and refuses new ones, until `up`. */
  down(): void {
    this.#isDown = true
    for (const socket of this.#sockets) socket.destroy()
  }

  up(): void {
    this.#isDown = false
  }

  /** Keeps what clients send from now on, until `release`. */
  hold(): void {
    this.#isHolding = true
  }

  /** Whether something waits for `release`. */
  get isHoldingAny(): boolean {
    return this.#held.length > 0
  }

  /** Whether a transaction waits for its begin. */
  get isHoldingBegin(): boolean {
    return this.#held.some(({ bytes }) => isQuery(bytes, 'begin'))
  }

  release(): void {
    this.#isHolding = false
    for (const { send } of this.#held.splice(0)) send()
  }

  async close(): Promise<void> {
    this.down()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(client: Socket): void {
    if (this.#isDown) {
      client.destroy()
      return
    }
    const server = connect(Number(this.#target.port), this.#target.hostname)
    let fate: CommitFate = 'delivered'
    let gathered: Buffer | undefined
    const cut = (): void => {
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', cut)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        cut()
      })
    }
    client.on('data', (bytes: Buffer) => {
      fate = isQuery(bytes, 'commit')
        ? this.fateOfCommit()
        : this.fateOfRequest({ isBegin: isQuery(bytes, 'begin') })
      if (isStartOfStream(bytes)) gathered = Buffer.alloc(0)
      if (fate === 'lost') cut()
      else if (this.#isHolding) this.#held.push({ bytes, send: () => server.write(bytes) })
      else server.write(bytes)
    })
    server.on('data', (bytes: Buffer) => {
      if (fate === 'unanswered') cut()
      else if (gathered !== undefined) {
        gathered = Buffer.concat([gathered, bytes])
        if (gathered.length < this.streamStartBytes) return
        client.write(gathered)
        gathered = undefined
      } else if (fate !== 'withheld') client.write(bytes)
    })
  }
}

/** A Query or Parse message (PostgreSQL, "Message Formats") with nothing but `statement` in it. */
function isQuery(bytes: Buffer, statement: 'begin' | 'commit'): boolean {
  const text = bytes.toString('latin1')
  return new RegExp(`^[QP][\\0-\\xff]{4}\\0?${statement}\\0`).test(text)
}

/** A Query message of the replication protocol. */
function isStartOfStream(bytes: Buffer): boolean {
  return /^Q[\0-\xff]{4}START_REPLICATION/.test(bytes.toString('latin1'))
}

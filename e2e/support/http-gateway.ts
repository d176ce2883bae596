import { once } from 'node:events'
import { type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

type Answer = { readonly status: number; readonly body: string }

/** Passes GET requests on to a server, or answers in its place. */
export class HttpGateway {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  /** `ownAnswer` is asked for each request; undefined: the server behind it answers. */
  static async inFrontOf(
    target: string,
    ownAnswer: () => Answer | undefined,
  ): Promise<HttpGateway> {
    const server = createServer((request, response) => {
      void pass(new URL(request.url ?? '/', target), ownAnswer(), response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new HttpGateway(server)
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

async function pass(url: URL, own: Answer | undefined, response: ServerResponse): Promise<void> {
  const { status, body } = own ?? (await answerOf(url))
  response.writeHead(status).end(body)
}

async function answerOf(url: URL): Promise<Answer> {
  const response = await fetch(url)
  return { status: response.status, body: await response.text() }
}

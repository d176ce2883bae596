import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'

const INTERVAL_MS = 20

/** What the neighbours saw. */
export type RegistryNeighboursReport = {
  readonly answeredCount: number
  /** Answers that were not what they should be. */
  readonly wrong: readonly string[]
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

const FIELDS = Array.from({ length: 20 }, (_, index) => ({ name: `f${index}`, type: 'long' }))
const SCHEMA = JSON.stringify({ type: 'record', name: 'Neighbour', fields: FIELDS })
const BODY = JSON.stringify({ schema: SCHEMA })
const SUBJECT = '/subjects/neighbour'

/** Well-formed clients of the registry: one request after the other, of every usual kind. */
class RegistryNeighbours {
  readonly #url: string
  readonly #agent = new Agent({ keepAlive: true })
  readonly #latenciesMs: number[] = []
  readonly #wrong: string[] = []
  readonly #work: Promise<void>
  #isStopping = false

  static async start(url: string): Promise<RegistryNeighbours> {
    const agent = new Agent()
    const { text } = await exchange({ agent, url, method: 'POST', path: `${SUBJECT}/versions` })
    const { id } = JSON.parse(text) as { readonly id: number }
    return new RegistryNeighbours(url, id)
  }

  private constructor(url: string, id: number) {
    this.#url = url
    this.#work = this.#ask(id)
  }

  async stop(): Promise<RegistryNeighboursReport> {
    this.#isStopping = true
    await this.#work
    this.#agent.destroy()
    const sorted = this.#latenciesMs.toSorted((left, right) => left - right)
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
    return {
      answeredCount: sorted.length,
      wrong: this.#wrong,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: sorted.at(-1) ?? Number.NaN,
    }
  }

  async #ask(id: number): Promise<void> {
    const usual = [
      ['GET', `/schemas/ids/${id}`],
      ['GET', `${SUBJECT}/versions/latest`],
      ['POST', SUBJECT],
      ['POST', `/compatibility${SUBJECT}/versions/latest`],
      ['POST', `${SUBJECT}/versions`],
    ] as const
    for (let count = 0; !this.#isStopping; count += 1) {
      const [method, path] = usual[count % usual.length] ?? usual[0]
      const startMs = performance.now()
      const { status, text } = await exchange({ agent: this.#agent, url: this.#url, method, path })
      this.#latenciesMs.push(performance.now() - startMs)
      const isRight =
        status === 200 &&
        (text.includes(`"id":${id}`) || text.includes('Neighbour') || text.includes('true'))
      if (!isRight) this.#wrong.push(`${method} ${path}: ${status} ${text.slice(0, 200)}`)
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS))
    }
  }
}

async function exchange({
  agent,
  url,
  method,
  path,
}: {
  readonly agent: Agent
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly path: string
}): Promise<{ readonly status: number; readonly text: string }> {
  const outgoing = request(`${url}${path}`, {
    agent,
    method,
    headers: method === 'POST' ? { 'content-type': 'application/json' } : {},
  })
  outgoing.end(method === 'POST' ? BODY : undefined)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  let text = ''
  incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  await once(incoming, 'end')
  return { status: incoming.statusCode ?? 0, text }
}

// A process of its own: what it measures is the registry, not the load of the one that attacks.
const neighbours = await RegistryNeighbours.start(process.argv[2] ?? '')
process.stdout.write('{}\n')
process.stdin.resume()
await once(process.stdin, 'end')
process.stdout.write(`${JSON.stringify(await neighbours.stop())}\n`)
process.exit()

import { type Socket, connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { RegistryProcess } from '../support/registry-process.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { usageOf } from '../bench/usage.ts'
import { waitFor } from '../support/wait-for.ts'
import { type HostileRequest, hostileRequest } from './registry/hostile-request.ts'
import { type Answer, send } from './registry/send.ts'
import { startRegistryNeighbours } from './start-neighbours.ts'

/** Set REGISTRY_HOSTILE_REQUESTS and REGISTRY_HOSTILE_SEED to search longer, or to repeat what failed. */
const REQUESTS = Number(process.env['REGISTRY_HOSTILE_REQUESTS'] ?? 10_000)
const SEED = Number(process.env['REGISTRY_HOSTILE_SEED'] ?? Date.now() % 1_000_000)
const CONNECTIONS = 8
const SLOW_CONNECTIONS = 100
/** Far longer than the 30 s for which the registry waits for a request. */
const SLOW_END_MS = 180_000
const UNDISTURBED_MS = 3_000
const MIB = 1024 * 1024
/** 128 MiB of it are for the thread that checks large schemas. */
const RESIDENT_BYTES_MAX = 550 * MIB
const WRONG_SHOWN = 10

let broker: BrokerProcess
let registry: RegistryProcess

beforeAll(async () => {
  broker = await BrokerProcess.start()
  registry = await RegistryProcess.start(broker.address)
})
afterAll(async () => {
  await registry.stop()
  await broker.stop()
})

test(`${REQUESTS} hostile requests (REGISTRY_HOSTILE_SEED=${SEED}) harm neither registry nor neighbours`, {
  timeout: 300_000 + REQUESTS * 50,
}, async () => {
  const port = Number(new URL(registry.url).port)
  const alone = await neighboursDuring(() => delay(UNDISTURBED_MS))
  const slow = Array.from({ length: SLOW_CONNECTIONS }, () => new SlowConnection(port))
  const attack = new Attack(port)
  const beside = await neighboursDuring(() => attack.run())
  await waitFor('slow connections to be ended', SLOW_END_MS, () => slow.every((one) => one.isEnded))
  const { peakBytes } = usageOf(registry.pid)

  process.stdout.write(
    `${JSON.stringify({
      seed: SEED,
      requests: REQUESTS,
      answers: Object.fromEntries(attack.answerCounts),
      slowest: attack.slowest,
      peakMib: Math.round(peakBytes / MIB),
      limitMib: RESIDENT_BYTES_MAX / MIB,
      p50Ratio: beside.p50Ms / alone.p50Ms,
      p99Ratio: beside.p99Ms / alone.p99Ms,
      alone,
      beside,
    })}\n`,
  )
  expect(attack.wrong.slice(0, WRONG_SHOWN)).toEqual([])
  expect([...alone.wrong, ...beside.wrong].slice(0, WRONG_SHOWN)).toEqual([])
  expect(beside.answeredCount).toBeGreaterThan(50)
  expect(peakBytes).toBeLessThan(RESIDENT_BYTES_MAX)
  expect(slow.map(({ answer }) => answer.slice(0, 12))).toEqual(
    Array.from({ length: SLOW_CONNECTIONS }, () => 'HTTP/1.1 408'),
  )
  expect(registry.logLines.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([])
})

async function neighboursDuring(work: () => Promise<void>) {
  const neighbours = await startRegistryNeighbours(registry.url)
  await work()
  return neighbours.stop()
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

/** Hostile requests on some connections at once, each judged by its answer. */
class Attack {
  readonly answerCounts = new Map<string, number>()
  readonly wrong: string[] = []
  slowest: { readonly kind: string; readonly ms: number } = { kind: 'none', ms: 0 }
  readonly #port: number
  readonly #random = seededRandom(SEED)
  #sentCount = 0

  constructor(port: number) {
    this.#port = port
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: CONNECTIONS }, () => this.#sendAll()))
  }

  async #sendAll(): Promise<void> {
    while (this.#sentCount < REQUESTS) {
      const request = hostileRequest(this.#random, (this.#sentCount += 1))
      const startMs = performance.now()
      const answer = await send(this.#port, request)
      const ms = Math.round(performance.now() - startMs)
      if (ms > this.slowest.ms) this.slowest = { kind: request.kind, ms }
      this.#judge(request, answer)
    }
  }

  #judge({ kind, answers }: HostileRequest, { status, body }: Answer): void {
    const outcome = status ?? 'closed'
    this.answerCounts.set(String(outcome), (this.answerCounts.get(String(outcome)) ?? 0) + 1)
    if (!answers.includes(outcome)) {
      this.wrong.push(
        `${kind}: ${outcome} instead of ${answers.join(' or ')}: ${body.slice(0, 200)}`,
      )
    }
    if (status === undefined || status < 400) return
    if (!isErrorBody(body, status)) this.wrong.push(`${kind}: ${status} with ${body.slice(0, 200)}`)
  }
}

/** Exactly two members, and a code that says the same as the status: old clients break on more. */
function isErrorBody(text: string, status: number): boolean {
  try {
    const body = JSON.parse(text) as Readonly<Record<string, unknown>>
    return (
      Object.keys(body).join() === 'error_code,message' &&
      String(body['error_code']).startsWith(String(status)) &&
      typeof body['message'] === 'string'
    )
  } catch {
    return false
  }
}

/** Begins a request, and goes on with a byte every second. */
class SlowConnection {
  answer = ''
  isEnded = false
  readonly #socket: Socket

  constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port })
    this.#socket.write(
      'POST /subjects/slow/versions HTTP/1.1\r\nhost: r\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n{',
    )
    this.#socket.write(' '.repeat(500_000))
    const timer = setInterval(() => this.#socket.write(' '), 1_000)
    this.#socket.setEncoding('utf8').on('data', (text: string) => (this.answer += text))
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      clearInterval(timer)
      this.isEnded = true
    })
  }
}

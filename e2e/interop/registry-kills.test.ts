import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { RegistryProcess } from '../support/registry-process.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { waitFor } from '../support/wait-for.ts'

/** `REGISTRY_KILLS=50` for a long run. */
const KILLS = Number(process.env['REGISTRY_KILLS'] ?? 3)
const SEED = Number(process.env['REGISTRY_KILLS_SEED'] ?? 1)
const WRITERS = 6
const SUBJECTS = 4
const REGISTRATIONS_BETWEEN_KILLS = 10
/** Against what hangs: the next URL is asked then. */
const ANSWER_TIMEOUT_MS = 60_000

let broker: BrokerProcess
let registries: readonly RegistryProcess[]

beforeAll(async () => {
  broker = await BrokerProcess.start()
  registries = await Promise.all(
    Array.from({ length: 3 }, () => RegistryProcess.start(broker.address)),
  )
})
afterAll(async () => {
  await Promise.all(registries.map((registry) => registry.stop()))
  await broker.stop()
})

type Registered = { readonly id: number; readonly version: number }

/** One attempt; undefined when it is not known whether it took effect. */
const register = async (url: string, subject: string, schema: string) => {
  const response = await fetch(`${url}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema }),
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  }).catch(() => undefined)
  if (response === undefined || response.status >= 500) return undefined
  const body = await response.json().catch(() => undefined)
  if (body === undefined) return undefined
  expect(response.status, JSON.stringify(body)).toBe(200)
  return body as Registered
}

test(
  `${KILLS} times kill -9 of one of three under registrations: no id twice, none lost, no gap`,
  async () => {
    const random = seededRandom(SEED)
    /** Every answer, by the schema's text. */
    const answered = new Map<string, Registered & { readonly subject: string }>()
    let [next, longestMs] = [0, 0]
    const over = new AbortController()
    const write = async (): Promise<void> => {
      while (!over.signal.aborted) {
        next += 1
        const subject = `kills-${next % SUBJECTS}`
        const field = { name: `f${next}`, type: ['null', 'int'], default: null }
        const schema = JSON.stringify({ type: 'record', name: 'Kills', fields: [field] })
        const startedMs = performance.now()
        let answer: Registered | undefined
        // As clients do: the next URL when one does not answer. Asking again is safe.
        for (let attempt = next; answer === undefined; attempt += 1) {
          const { url } = registries[attempt % registries.length] as RegistryProcess
          answer = await register(url, subject, schema)
        }
        longestMs = Math.max(longestMs, performance.now() - startedMs)
        answered.set(schema, { ...answer, subject })
      }
    }
    const writing = Promise.all(Array.from({ length: WRITERS }, write))
    for (let kill = 0; kill < KILLS; kill += 1) {
      const goal = answered.size + REGISTRATIONS_BETWEEN_KILLS
      await waitFor('registrations', 120_000, () => answered.size >= goal)
      const victim = random.pick(registries)
      await victim.kill()
      victim.restart()
      await victim.ready()
    }
    over.abort()
    await writing

    process.stdout.write(`${KILLS} kills: a registration took ${longestMs.toFixed()} ms at most\n`)
    const ids = [...answered.values()].map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    await Promise.all(registries.map((registry) => registry.ready()))
    for (const { url } of registries) {
      const stored = new Map<string, number[]>()
      for (const [schema, { subject, version, id }] of answered) {
        const response = await fetch(`${url}/subjects/${subject}/versions/${version}`)
        expect(await response.json()).toMatchObject({ schema, id, version })
        stored.set(subject, [...(stored.get(subject) ?? []), version])
      }
      for (const [subject, versions] of stored) {
        const all = (await (await fetch(`${url}/subjects/${subject}/versions`)).json()) as number[]
        expect(all).toEqual(all.map((_, index) => index + 1))
        expect(all.length).toBeGreaterThanOrEqual(versions.length)
      }
    }
  },
  300_000 + KILLS * 20_000,
)

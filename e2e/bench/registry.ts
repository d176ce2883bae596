import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { invariant } from '@fairlead/base'
import { createProducer } from '@fairlead/kafka'
import { encodeRecord } from '@fairlead/schemas'
import { ROOT } from '../support/platform.ts'
import { RunningApp } from '../support/running-app.ts'
import { httpLoad } from './http-load.ts'
import { type BenchRow, median } from './report.ts'
import { startBroker, temporaryDirectory } from './services.ts'
import { usageBetween, usageOf } from './usage.ts'

/** `BENCH_REGISTRY_SCHEMAS` says how many schemas are in the topic at start. */
const SCHEMAS = Number(process.env['BENCH_REGISTRY_SCHEMAS'] ?? 100_000)
const ROUNDS = 3
const ROUND_MS = 3_000
const REGISTRATIONS = 400
const WRITERS = 8
const FIELDS = 1_000
const CHECKS = 30
const RECORDS_PER_SEND = 2_000
const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'

/** The registry: reads by id, registrations, checks of large records, and a start with many schemas. */
export async function benchRegistry(): Promise<readonly BenchRow[]> {
  using directory = await temporaryDirectory()
  await using broker = await startBroker(join(directory.path, 'log'), 'group')
  const config = { 'kafkastore.bootstrap.servers': broker.address }
  const app = await RunningApp.start('apps/registry/src/main.ts', config)
  const rows: BenchRow[] = []
  try {
    rows.push(...(await reads(app)), await registrations(app), ...(await checks(app)))
  } finally {
    await app.stop()
  }
  return [...rows, ...(await starts(broker.address))]
}

async function reads(app: RunningApp): Promise<BenchRow[]> {
  const schema = recordOf('Read', 20)
  const { id } = await post<{ readonly id: number }>(app, '/subjects/read/versions', { schema })
  const path = `/schemas/ids/${id}`
  const response = await fetch(`${app.url}${path}`)
  const bare = await startBare(await response.text(), response.headers.get('content-type') ?? '')
  const measured: Record<'registry' | 'bare', Round[]> = { registry: [], bare: [] }
  const before = usageOf(app.pid)
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      measured.bare.push(await readRound(bare, path))
      measured.registry.push(await readRound(app, path))
    }
  } finally {
    bare.stop()
  }
  const usage = usageBetween(before, usageOf(app.pid))
  const medianOf = (name: 'registry' | 'bare', what: keyof Round): number =>
    median(measured[name].map((round) => round[what]))
  const baseline = 'bare Fastify route'
  return [
    { name: baseline, rate: medianOf('bare', 'perSecond'), unit: 'requests/s' },
    {
      name: 'GET by id',
      rate: medianOf('registry', 'perSecond'),
      unit: 'requests/s',
      baseline,
      bar: { atLeast: 0.8 },
      usage,
    },
    { name: `${baseline}, p99`, rate: medianOf('bare', 'p99Ms'), unit: 'ms' },
    {
      name: 'GET by id, p99',
      rate: medianOf('registry', 'p99Ms'),
      unit: 'ms',
      baseline: `${baseline}, p99`,
    },
    { name: `${baseline}, processor`, rate: medianOf('bare', 'cpuMicros'), unit: 'µs a request' },
    {
      name: 'GET by id, processor',
      rate: medianOf('registry', 'cpuMicros'),
      unit: 'µs a request',
      baseline: `${baseline}, processor`,
    },
  ]
}

/** What other processes take of the machine changes the first two, and hardly the third. */
type Round = { readonly perSecond: number; readonly p99Ms: number; readonly cpuMicros: number }

async function readRound(
  { url, pid }: { readonly url: string; readonly pid: number },
  path: string,
): Promise<Round> {
  const before = usageOf(pid)
  const { count, perSecond, p99Ms } = await httpLoad(url, path, ROUND_MS)
  const { cpuSeconds } = usageBetween(before, usageOf(pid))
  return { perSecond, p99Ms, cpuMicros: (cpuSeconds / count) * 1e6 }
}

async function startBare(body: string, contentType: string) {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'bare-fastify.ts'), body, contentType],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: ROOT,
    },
  )
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const { httpPort } = JSON.parse(line) as { readonly httpPort: number }
  const { pid } = child
  invariant(pid !== undefined, 'a process that told its port was started')
  return { url: `http://127.0.0.1:${httpPort}`, pid, stop: kill }
}

async function registrations(app: RunningApp): Promise<BenchRow> {
  const before = usageOf(app.pid)
  const startedMs = performance.now()
  let next = 0
  const write = async (): Promise<void> => {
    while (next < REGISTRATIONS) {
      next += 1
      await post(app, `/subjects/new-${next}/versions`, { schema: recordOf(`New${next}`, 20) })
    }
  }
  await Promise.all(Array.from({ length: WRITERS }, write))
  const seconds = (performance.now() - startedMs) / 1_000
  const usage = usageBetween(before, usageOf(app.pid))
  return { name: 'registrations of new schemas', rate: REGISTRATIONS / seconds, unit: '/s', usage }
}

async function checks(app: RunningApp): Promise<BenchRow[]> {
  await post(app, '/subjects/wide/versions', { schema: recordOf('Wide', FIELDS) })
  const before = usageOf(app.pid)
  const latenciesMs: number[] = []
  for (let index = 0; index < CHECKS; index += 1) {
    const schema = recordOf('Wide', FIELDS, index + 1)
    const startedMs = performance.now()
    await post(app, '/compatibility/subjects/wide/versions/latest', { schema })
    latenciesMs.push(performance.now() - startedMs)
  }
  const usage = usageBetween(before, usageOf(app.pid))
  const name = `compatibility of a record of ${FIELDS} fields`
  return [{ name, rate: median(latenciesMs), unit: 'ms', usage }]
}

/** From the start of the process until it is ready, with many schemas in the topic. */
async function starts(bootstrapServer: string): Promise<BenchRow[]> {
  const topic = '_many_schemas'
  const config = { 'kafkastore.bootstrap.servers': bootstrapServer, 'kafkastore.topic': topic }
  // It makes the topic.
  const first = await RunningApp.start('apps/registry/src/main.ts', config)
  await first.stop()
  await fill(bootstrapServer, topic)
  const startedMs = performance.now()
  const app = await RunningApp.start('apps/registry/src/main.ts', config)
  const seconds = (performance.now() - startedMs) / 1_000
  const usage = usageOf(app.pid)
  await app.stop()
  const [count, resident] = [SCHEMAS.toLocaleString('en-US'), usage.residentBytes / 1e6]
  return [
    { name: `start with ${count} schemas`, rate: seconds, unit: 's', usage },
    { name: `resident memory after it`, rate: resident, unit: 'MB' },
  ]
}

async function fill(bootstrapServer: string, topic: string): Promise<void> {
  const producer = createProducer({ bootstrapServers: [bootstrapServer], clientId: 'bench' })
  for (let first = 1; first <= SCHEMAS; first += RECORDS_PER_SEND) {
    const count = Math.min(RECORDS_PER_SEND, SCHEMAS + 1 - first)
    await producer.send(
      Array.from({ length: count }, (_, index) => {
        const id = first + index
        const subject = `subject-${Math.ceil(id / 4)}-value`
        const version = ((id - 1) % 4) + 1
        const place = { subject, version, schemaId: id }
        const value = {
          ...place,
          schemaType: 'AVRO' as const,
          references: [],
          schema: recordOf(`Many${id}`, 5),
          isDeleted: false,
          otherMembers: new Map(),
        }
        const record = encodeRecord({ kind: 'schema', ...place, value })
        return { topic, partition: 0, ...record, headers: [] }
      }),
    )
  }
  await producer.close()
}

function recordOf(name: string, fieldCount: number, addedCount = 0): string {
  const field = (index: number) => ({
    name: `field${index}`,
    type: index % 3 === 0 ? ['null', 'string'] : 'long',
    ...(index >= fieldCount ? { default: index % 3 === 0 ? null : 0 } : {}),
  })
  const fields = Array.from({ length: fieldCount + addedCount }, (_, index) => field(index))
  return JSON.stringify({ type: 'record', name, namespace: 'bench', fields })
}

async function post<Answer>(app: RunningApp, path: string, body: object): Promise<Answer> {
  const response = await fetch(`${app.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': CONTENT_TYPE },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
  return (await response.json()) as Answer
}

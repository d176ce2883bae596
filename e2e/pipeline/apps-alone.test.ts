import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@fairlead/postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { ROOT } from '../support/platform.ts'
import { RunningApp } from '../support/running-app.ts'

/** Each app by itself, from a file, as a user without `npm start` would run it. */

let directory: string
let postgres: EmbeddedPostgres
const apps: RunningApp[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fairlead-alone-'))
  await chmod(directory, 0o711)
  postgres = await startEmbeddedPostgres({
    dataDirectory: join(directory, 'postgres'),
    port: await freePort(),
  })
})

afterAll(async () => {
  for (const app of apps.reverse()) await app.stop()
  await postgres.stop()
  await rm(directory, { recursive: true, force: true })
})

const startFrom = async (entry: string, name: string, text: string): Promise<RunningApp> => {
  const config = join(directory, name)
  await writeFile(config, text)
  const app = await RunningApp.start(entry, { config })
  apps.push(app)
  return app
}

test('every app starts from its own configuration file', async () => {
  const kafka = `127.0.0.1:${await freePort()}`
  await startFrom(
    'apps/broker/src/main.ts',
    'server.properties',
    `# As it is written for Apache Kafka.
node.id=7
listeners=PLAINTEXT://${kafka}
log.dirs=${join(directory, 'kafka')}
`,
  )
  const registry = await startFrom(
    'apps/registry/src/main.ts',
    'schema-registry.properties',
    `kafkastore.bootstrap.servers=${kafka}\nschema.compatibility.level=full\n`,
  )
  expect(await (await fetch(`${registry.url}/config`)).json()).toMatchObject({
    compatibilityLevel: 'FULL',
  })
  const relay = await startFrom(
    'apps/relay/src/main.ts',
    'relay.yaml',
    `database.url: ${postgres.url}
bootstrap.servers: [${kafka}]
slot: { name: alone }
`,
  )
  expect(await (await fetch(`${relay.url}/status`)).text()).toContain('alone')
  const projector = await startFrom(
    'apps/projector/src/main.ts',
    'projector.yaml',
    `database: { url: "${postgres.url}" }
bootstrap.servers: [${kafka}]
schema.registry.url: ${registry.url}
projections: [${join(ROOT, 'examples/shop/src/projections.ts')}]
`,
  )
  expect(await (await fetch(`${projector.url}/projections`)).text()).toContain('order_summary')
})

test.for([
  ['apps/broker/src/main.ts', 'num.partition', 'did you mean num.partitions?'],
  ['apps/registry/src/main.ts', 'kafkastore.topics', 'did you mean kafkastore.topic?'],
  ['apps/relay/src/main.ts', 'slotname', 'did you mean slot.name?'],
  ['apps/projector/src/main.ts', 'projection', 'did you mean projections?'],
  ['examples/shop/src/main.ts', 'database.ur', 'did you mean database.url?'],
] as const)('%s refuses the key %s before it binds anything', async ([entry, key, hint]) => {
  const config = join(directory, 'wrong.yaml')
  await writeFile(config, `${key}: x\n`)
  const child = spawn(process.execPath, [join(ROOT, entry), `--config=${config}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = (await once(child, 'close')) as [number]
  expect(code).toBe(2)
  expect(stderr).toContain(`unknown key ${key} in file ${config}: ${hint}`)
})

import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { query } from '../support/oracle.ts'
import { CLI_ENVIRONMENT } from '../support/cli.ts'
import { type Endpoints, PARTS, ROOT, RunningPlatform } from '../support/platform.ts'
import { waitFor } from '../support/wait-for.ts'

/** What `npm start` uses, unless it is taken. */
const SHOP_PORT = 8_085
const FOLLOW_MS = 60_000
const READY_MS = 60_000

describe('npm start', () => {
  let platform: RunningPlatform

  beforeAll(async () => {
    platform = await RunningPlatform.start(['--rate', '50'])
    process.stdout.write(`everything was ready after ${platform.readyAfterMs.toFixed()} ms\n`)
  })
  afterAll(() => platform[Symbol.asyncDispose]())

  test('every endpoint is written down, and answers', async () => {
    const path = join(platform.dataDirectory, 'endpoints.json')
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(platform.endpoints)
    const { registry, relay, projector, shop, broker } = platform.endpoints
    for (const url of [registry, relay, projector, shop, broker]) {
      expect((await fetch(`${url}/healthz`)).status, url).toBe(200)
      // A probe that a busy machine holds up says otherwise for a moment.
      await waitFor(`${url} to be ready`, READY_MS, async () => {
        return (await fetch(`${url}/readyz`)).status === 200
      })
      expect(await (await fetch(`${url}/metrics`)).text(), url).toContain('build_info')
    }
  })

  test('the read model follows: every order older than a second has its row, parked keys apart', async () => {
    const missing = `
      select id from shop.orders where placed_at < now() - interval '1 second'
        and not exists (select from public.order_summary where order_id = orders.id)
        and not exists (select from evt.parked_key where key = orders.id::text)`
    const { endpoints } = platform
    await waitFor('the first rows', FOLLOW_MS, async () => {
      const rows = await query<{ count: string }>(endpoints, 'select count(*) from order_summary')
      return Number(rows[0]?.count) > 100
    })
    await waitFor('the read model to follow', FOLLOW_MS, async () => {
      return (await query(endpoints, missing)).length === 0
    })
  })

  test('the printed commands work as printed', async () => {
    const commands = platform.output.split('\n').filter((line) => line.startsWith('  curl '))
    expect(commands).toHaveLength(3)
    for (const command of commands) {
      const { stdout } = await promisify(execFile)('bash', ['-c', command])
      expect(JSON.parse(stdout), command).toBeTruthy()
      expect(stdout, command).not.toContain('error')
    }
  })

  test('the commands of the README work as printed', async () => {
    const commands = readmeCommands(platform.endpoints)
    expect(commands.length).toBeGreaterThan(5)
    for (const command of commands) {
      const env = {
        ...process.env,
        ...CLI_ENVIRONMENT,
        FAIRLEAD_BOOTSTRAP_SERVER: platform.endpoints.kafka,
      }
      const { stdout } = await promisify(execFile)('bash', ['-c', command], { env, cwd: ROOT })
      expect(stdout.trim(), command).not.toBe('')
      expect(stdout, command).not.toMatch(/"error"|error_code|statusCode/)
    }
  })

  test('the shop counts what has happened', async () => {
    const stats = (await (await fetch(`${platform.endpoints.shop}/stats`)).json()) as object
    expect(Object.keys(stats)).toEqual(['orders', 'outboxEvents', 'readModelRows', 'deadLetters'])
  })

  test('each part logs JSON lines of its own', async () => {
    for (const part of PARTS) {
      const lines = (await platform.logOf(part)).trim().split('\n')
      const entry = JSON.parse(lines[0] ?? '') as { service: string; time: string }
      expect(entry.service).toBe(part)
      expect(Date.parse(entry.time)).not.toBeNaN()
    }
  })

  test('a part that dies is started again, and the user is told', async () => {
    const before = await platform.pidOf('relay')
    await platform.killPart('relay')
    await waitFor('another relay', 60_000, async () => {
      const pid = await platform.pidOf('relay')
      return pid !== undefined && pid !== before
    })
    await waitFor('the user to be told', 60_000, () =>
      platform.output.includes('relay was killed by SIGKILL; starting it again'),
    )
  })

  test('Ctrl-C stops all of it', async () => {
    const pids = await Promise.all(PARTS.map((part) => platform.pidOf(part)))
    const { tookMs } = await platform.interrupt()
    process.stdout.write(`all of it stopped in ${tookMs.toFixed()} ms\n`)
    expect(platform.output).toMatch(/Stopping….*Stopped\./s)
    for (const pid of pids) expect(() => process.kill(pid ?? 0, 0)).toThrow('ESRCH')
  })
})

test('a port that is taken moves to the next free one, and the user is told', async () => {
  await using _blocker = await takePort(SHOP_PORT)
  await using platform = await RunningPlatform.start()
  const told = new RegExp(`Port ${SHOP_PORT} is taken: shop uses (\\d+)\\.`)
  const port = told.exec(platform.output)?.[1]
  expect(Number(port)).toBeGreaterThan(SHOP_PORT)
  expect(platform.endpoints.shop).toBe(`http://127.0.0.1:${port}`)
})

/** What the README tells a reader to type while the platform runs, at the addresses of this one. */
function readmeCommands(endpoints: Endpoints): readonly string[] {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const section = /^## Start$(.*?)^## /ms.exec(readme)?.[1] ?? ''
  const blocks = [...section.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block)
  const defaults: readonly (readonly [string, string])[] = [
    ['127.0.0.1:9092', endpoints.kafka],
    ['http://127.0.0.1:8081', endpoints.registry],
    ['http://127.0.0.1:8084', endpoints.projector],
    ['http://127.0.0.1:8085', endpoints.shop],
  ]
  return blocks
    .flatMap((block) => block.replaceAll('\\\n', ' ').trim().split('\n'))
    .filter((command) => command !== 'npm start')
    .map((command) =>
      defaults.reduce((text, [address, actual]) => text.replaceAll(address, actual), command),
    )
}

/** Listens on a port; somebody else may have done so already. */
async function takePort(port: number): Promise<AsyncDisposable> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve()
      else reject(error)
    })
    server.listen({ host: '127.0.0.1', port }, resolve)
  })
  return {
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

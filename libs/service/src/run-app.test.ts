import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, test } from 'vitest'

const APP = join(import.meta.dirname, 'sample-app.test-fixture.ts')
const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

const start = (argv: readonly string[] = [], env: NodeJS.ProcessEnv = {}): ChildProcess => {
  const child = spawn(process.execPath, [APP, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  children.push(child)
  return child
}

const startAndListen = async (argv: readonly string[] = [], env: NodeJS.ProcessEnv = {}) => {
  const child = start(argv, env)
  if (child.stdout === null) throw new Error('stdout is a pipe')
  for await (const line of createInterface({ input: child.stdout })) {
    const entry = JSON.parse(line) as { httpPort?: number }
    if (entry.httpPort !== undefined) {
      child.stdout.resume()
      return { child, url: `http://127.0.0.1:${entry.httpPort}` }
    }
  }
  throw new Error('the app ended before it listened')
}

const exitOf = async (child: ChildProcess): Promise<number | null> =>
  child.exitCode ?? ((await once(child, 'exit')) as [number | null])[0]

test('an app serves health, metrics, its version and its own routes', async () => {
  const { url } = await startAndListen(['--greeting=hi'])
  const get = async (path: string) => {
    const response = await fetch(url + path)
    return [response.status, await response.text()] as const
  }
  expect(await get('/healthz')).toEqual([200, '{"status":"ok"}'])
  expect(await get('/readyz')).toEqual([200, '{"status":"ready","checks":{"startup":"ok"}}'])
  expect(await get('/greeting')).toEqual([200, '{"greeting":"hi"}'])
  expect((await get('/metrics'))[1]).toContain('build_info{service="sample",version="1.2.3"')
  const accept = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5'
  const open = await fetch(`${url}/metrics`, { headers: { accept } })
  expect(open.headers.get('content-type')).toMatch(/^application\/openmetrics-text; version=1.0.0/)
  expect(open.headers.get('vary')).toBe('accept')
  expect(await open.text()).toMatch(/build_info\{service="sample"[^]*\n# EOF\n$/)
  expect((await get('/version'))[1]).toContain('"version":"1.2.3"')
})

test.for([
  { noted: 'd5f3c01', revision: 'd5f3c01' },
  // As an image has it whose build was told nothing.
  { noted: '', revision: 'unknown' },
])('the revision that a build has noted as "$noted" is shown as $revision', async (row) => {
  const { url } = await startAndListen([], { FAIRLEAD_REVISION: row.noted })
  const metrics = await (await fetch(`${url}/metrics`)).text()
  expect(metrics).toMatch(new RegExp(`^build_info\\{.*,revision="${row.revision}",.*\\} 1$`, 'm'))
  expect(await (await fetch(`${url}/version`)).json()).toMatchObject({ revision: row.revision })
})

test('a failed check makes an app not ready, but not dead', async () => {
  const { url } = await startAndListen()
  await fetch(`${url}/unready`, { method: 'POST' })
  const ready = await fetch(`${url}/readyz`)
  expect(ready.status).toBe(503)
  expect(await ready.json()).toMatchObject({ checks: { peer: 'connection refused' } })
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('with credentials everything but health and metrics needs one of them', async () => {
  const { url } = await startAndListen([
    '--http.auth.bearer.token=sesame-open',
    '--http.auth.basic.user=ann',
    '--http.auth.basic.password=pass:word',
  ])
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  const get = async (path: string, authorization?: string) =>
    (await fetch(url + path, authorization === undefined ? {} : { headers: { authorization } }))
      .status
  for (const path of ['/healthz', '/readyz', '/metrics', '/version']) {
    expect(await get(path)).toBe(200)
  }
  expect(await get('/greeting', 'Bearer sesame-open')).toBe(200)
  expect(await get('/greeting', 'bearer sesame-open')).toBe(200)
  expect(await get('/greeting', basic('ann:pass:word'))).toBe(200)
  for (const wrong of [undefined, 'Bearer sesame-ope', 'sesame-open', basic('ann:pass'), 'Basic']) {
    expect(await get('/greeting', wrong)).toBe(401)
  }
  expect(await get('/nowhere')).toBe(401)
  const posted = await fetch(`${url}/unready`, { method: 'POST' })
  expect(posted.headers.get('www-authenticate')).toContain('Bearer')
  expect(await get('/readyz')).toBe(200)
  const metrics = await (await fetch(`${url}/metrics`)).text()
  expect(metrics).toContain('\nauth_failures_total{reason="missing"} 3\n')
  expect(metrics).toContain('\nauth_failures_total{reason="wrong"} 4\n')
  expect(metrics).toContain('_count{method="GET",route="/greeting",code="401"} 5\n')
  expect(metrics).toContain('_count{method="GET",route="unknown",code="401"} 1\n')
})

const BASIC_FLAGS = ['--http.auth.basic.user=ann', '--http.auth.basic.password=secret-word']
const BASIC = `Basic ${Buffer.from('ann:secret-word').toString('base64')}`
const TOKEN_FLAGS = ['--http.auth.bearer.token=sesame-open']

test.for([
  { who: 'any page', flags: [], headers: { origin: 'http://evil.example' }, status: 403 },
  { who: 'a page of no origin', flags: [], headers: { origin: 'null' }, status: 403 },
  {
    who: 'a form that hides it',
    flags: [],
    headers: { 'sec-fetch-site': 'cross-site' },
    status: 403,
  },
  {
    who: 'a page whose browser knows the password',
    flags: BASIC_FLAGS,
    headers: { origin: 'http://evil.example', authorization: BASIC },
    status: 403,
  },
  {
    who: 'a page that makes a token up',
    flags: [],
    headers: { origin: 'http://evil.example', authorization: 'Bearer sesame-open' },
    status: 403,
  },
  {
    who: 'a page that has the token',
    flags: TOKEN_FLAGS,
    headers: { origin: 'http://console.example', authorization: 'Bearer sesame-open' },
    status: 200,
  },
  { who: 'a program', flags: [], headers: { 'sec-fetch-mode': 'cors' }, status: 200 },
  {
    who: 'a program with the password',
    flags: BASIC_FLAGS,
    headers: { authorization: BASIC },
    status: 200,
  },
])('$who that would change something is answered $status', async ({ flags, headers, status }) => {
  const { url } = await startAndListen(flags)
  const given = Object.entries(headers)
  expect((await fetch(`${url}/unready`, { method: 'POST', headers: given })).status).toBe(status)
  expect((await fetch(`${url}/readyz`)).status).toBe(status === 200 ? 503 : 200)
})

test.for([
  { flags: ['--http.host=0.0.0.0'], problem: 'lets others in' },
  { flags: ['--http.auth.basic.user=ann'], problem: 'go together' },
  { flags: ['--http.auth.bearer.token=short'], problem: 'must match' },
])('an app that others could use without credentials does not start: $flags', async (given) => {
  const child = start(given.flags)
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  expect(await exitOf(child)).toBe(2)
  expect(stderr).toContain(given.problem)
})

test('with credentials an app starts on every address', async () => {
  const { url } = await startAndListen(['--http.host=0.0.0.0', '--http.auth.bearer.token=12345678'])
  expect((await fetch(`${url}/greeting`)).status).toBe(401)
})

test('SIGTERM ends an app with exit code 0', async () => {
  const { child } = await startAndListen()
  child.kill('SIGTERM')
  expect(await exitOf(child)).toBe(0)
})

test('a failure that nothing handles ends an app with exit code 1', async () => {
  const { child, url } = await startAndListen()
  await fetch(`${url}/failure`, { method: 'POST' }).catch(() => undefined)
  expect(await exitOf(child)).toBe(1)
})

test('a wrong configuration ends an app with exit code 2 and a line per problem', async () => {
  const child = start(['--greetin=x', '--http.port=70000'])
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  expect(await exitOf(child)).toBe(2)
  expect(stderr).toContain('unknown key greetin in flag --greetin: did you mean greeting?')
  expect(stderr).toContain('http.port must be at most 65535')
})

test.for([[], ['--print-config']])(
  'a configuration that is wrong as a whole ends an app with exit code 2, with flags %j',
  async (flags) => {
    const child = start(['--greeting=bye', ...flags])
    let stderr = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    expect(await exitOf(child)).toBe(2)
    expect(stderr).toContain('greeting bye does not greet: say hello')
  },
)

test('an app ends when its supervisor is gone, with nobody left to read its log', async () => {
  const child = spawn(process.execPath, [APP], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  children.push(child)
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('both are pipes')
  await once(stdout, 'data')
  stdout.destroy()
  stderr.destroy()
  child.disconnect()
  expect(await exitOf(child)).toBe(0)
})

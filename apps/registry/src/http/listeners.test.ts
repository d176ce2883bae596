import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, type TLSSocket, connect } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '@fairlead/service'
import { REGISTRY_CONFIG, type RegistryConfig, registryConfigProblems } from '../config.ts'
import { selfSigned } from '../security/certificate.test-fixture.ts'
import { type ConfiguredListeners, configuredListeners } from './configured-listeners.ts'
import { parseListener } from './listeners.ts'

const DEFAULTS = {
  listeners: ['https://127.0.0.1:0'],
  'ssl.keystore.type': 'PEM',
  'ssl.keystore.password': '',
  'ssl.key.password': '',
  'ssl.truststore.location': '',
  'ssl.client.authentication': 'NONE',
  'ssl.enabled.protocols': ['TLSv1.2', 'TLSv1.3'],
  'ssl.keystore.reload': true,
} as const

let folder: string
let opened: ConfiguredListeners | undefined
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-tls-'))
})
afterEach(async () => {
  await opened?.close()
  opened = undefined
  await rm(folder, { recursive: true })
})

/** At once: whoever looks at the file sees no half of it. */
const replaceFile = async (file: string, text: string): Promise<void> => {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

/** The alert of TLS, or the end of the connection where that comes first. */
const REFUSED = /alert|ECONNRESET|EPIPE|socket hang up/

const keystore = (): string => join(folder, 'keystore.pem')

/** Listeners with a route that answers, and what they log. */
const open = async (config: Partial<RegistryConfig> = {}) => {
  const failures: unknown[] = []
  const notAfter: number[] = []
  opened = await configuredListeners(
    { ...DEFAULTS, 'ssl.keystore.location': keystore(), ...config } as RegistryConfig,
    {
      addRoutes: (server) => server.get('/', async () => ({ answer: 'yes' })),
      logger: { info: () => undefined, error: (fields) => failures.push(fields) },
      onCertificate: (seconds) => notAfter.push(seconds),
      lookEveryMs: 5,
    },
  )
  const urls = (await opened?.listen()) ?? []
  return { urls, failures, notAfter }
}

const get = async (url: string, options: ConnectionOptions): Promise<string> => {
  const outgoing = request(url, { ...options, agent: false }).end()
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  const chunks = (await incoming.toArray()) as Buffer[]
  return Buffer.concat(chunks).toString()
}

const commonNameAt = async (url: string): Promise<string | undefined> => {
  const socket: TLSSocket = connect({ port: Number(new URL(url).port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { CN } = socket.getPeerCertificate().subject
  socket.destroy()
  return String(CN)
}

describe('an https listener', () => {
  test('is whom its certificate says, and tells how long that is valid', async () => {
    const { keystore: pem, certificate } = selfSigned('first', 2030)
    await replaceFile(keystore(), pem)
    const { urls, notAfter } = await open()
    expect(urls).toEqual([expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/)])
    expect(await get(urls[0] ?? '', { ca: certificate })).toBe('{"answer":"yes"}')
    await expect(get(urls[0] ?? '', {})).rejects.toThrow(/self-signed/)
    expect(notAfter).toEqual([Date.UTC(2030, 11, 31, 23, 59, 59) / 1_000])
  })

  test('uses a changed keystore for new connections, and keeps the old one for a broken file', async () => {
    await replaceFile(keystore(), selfSigned('first').keystore)
    const { urls, failures } = await open()
    const url = urls[0] ?? ''
    await replaceFile(keystore(), selfSigned('second').keystore)
    await expect.poll(() => commonNameAt(url)).toBe('second')
    await replaceFile(keystore(), 'no certificate')
    await expect.poll(() => failures.length).toBe(1)
    expect(await commonNameAt(url)).toBe('second')
    await replaceFile(keystore(), selfSigned('third').keystore)
    await expect.poll(() => commonNameAt(url)).toBe('third')
    expect(failures).toHaveLength(1)
  })

  test('lets in only who has a certificate of the truststore, where that is required', async () => {
    const [server, client, stranger] = ['server', 'client', 'stranger'].map((name) =>
      selfSigned(name),
    )
    const truststore = join(folder, 'truststore.pem')
    await replaceFile(keystore(), server?.keystore ?? '')
    await writeFile(truststore, client?.certificate ?? '')
    const { urls } = await open({
      'ssl.truststore.location': truststore,
      'ssl.client.authentication': 'REQUIRED',
    })
    const ask = (keys: string | undefined) =>
      get(urls[0] ?? '', {
        ca: server?.certificate,
        ...(keys === undefined ? {} : { cert: keys, key: keys }),
      })
    expect(await ask(client?.keystore)).toBe('{"answer":"yes"}')
    await expect(ask(stranger?.keystore)).rejects.toThrow(REFUSED)
    await expect(ask(undefined)).rejects.toThrow(REFUSED)
  })

  test('speaks no version of TLS that is not enabled', async () => {
    const { keystore: pem, certificate: ca } = selfSigned('first')
    await replaceFile(keystore(), pem)
    const { urls } = await open({ 'ssl.enabled.protocols': ['TLSv1.3'] })
    await expect(get(urls[0] ?? '', { ca, maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol/)
    expect(await get(urls[0] ?? '', { ca })).toBe('{"answer":"yes"}')
  })

  test('is not opened with a keystore that is none: the error names key and file', async () => {
    await replaceFile(keystore(), 'no certificate')
    await expect(open()).rejects.toThrow(`ssl.keystore.location ${keystore()}`)
    await expect(open({ 'ssl.keystore.location': join(folder, 'missing.pem') })).rejects.toThrow(
      /ssl\.keystore\.location .*missing\.pem: ENOENT/,
    )
  })
})

test('an http listener needs no keystore, and several listeners have the same routes', async () => {
  const { urls } = await open({ listeners: ['http://127.0.0.1:0', 'http://127.0.0.1:0'] })
  const answers = await Promise.all(urls.map(async (url) => (await fetch(url)).text()))
  expect(answers).toEqual(['{"answer":"yes"}', '{"answer":"yes"}'])
})

test.for([
  ['http://0.0.0.0:8081', { scheme: 'http', host: '0.0.0.0', port: 8081 }],
  ['https://[::1]:0', { scheme: 'https', host: '::1', port: 0 }],
  ['https://localhost:65536', undefined],
  ['0.0.0.0:8081', undefined],
  ['https://:8081', undefined],
  ['ftp://h:1', undefined],
] as const)('%s', ([text, expected]) => {
  expect(parseListener(text)).toEqual(expected)
})

test.for([
  ['listeners=nowhere', 'listeners: "nowhere" must be http://host:port'],
  ['listeners=https://127.0.0.1:0', 'ssl.keystore.location: an https listener needs'],
  ['ssl.client.authentication=REQUIRED', 'ssl.truststore.location: ssl.client.authent'],
  ['ssl.enabled.protocols=TLSv1', 'ssl.enabled.protocols: "TLSv1" must be'],
  ['authentication.method=BASIC', 'authentication.users.file: authentication.method=BASIC'],
  ['kafkastore.security.protocol=SASL_SSL', 'kafkastore.sasl.username is empty'],
  ['kafkastore.ssl.truststore.location=/ca.pem', 'kafkastore.ssl.truststore.location is set'],
] as const)('%s is refused: %s', ([setting, problem]) => {
  const argv = ['--listeners=https://127.0.0.1:0', `--${setting}`]
  const { config } = loadConfig(REGISTRY_CONFIG, { argv, env: {}, envPrefix: 'X_' })
  expect(registryConfigProblems(config).join('\n')).toContain(problem)
})

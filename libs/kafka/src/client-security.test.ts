import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { ClientSecurity } from './client-security.ts'
import { FakeBroker } from './fake-broker.ts'
import { createAdmin } from './admin.ts'
import { createProducer } from './producer.ts'

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

let directory: string
let broker: FakeBroker
let ca: string
let server: { readonly cert: string; readonly key: string }

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'security-'))
  openssl(['req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=ca'])
  ca = file('ca.crt')
  server = issued('server', 'IP:127.0.0.1')
})

afterEach(() => broker.close())
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function openssl(args: readonly string[]): void {
  execFileSync('openssl', [...args], { cwd: directory, stdio: 'ignore' })
}

function file(name: string): string {
  return readFileSync(join(directory, name), 'utf8')
}

function issued(name: string, subject: string) {
  writeFileSync(join(directory, 'names.cnf'), `subjectAltName=${subject}\n`)
  openssl(['req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', 'request.csr', '-subj', '/CN=x'])
  const issuer = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names.cnf']
  openssl(['x509', '-req', '-in', 'request.csr', '-out', `${name}.crt`, ...issuer])
  return { cert: file(`${name}.crt`), key: file(`${name}.key`) }
}

/** Resolves when a record was stored; why it was not. */
async function outcome(security: ClientSecurity | undefined): Promise<string> {
  const producer = createProducer({
    bootstrapServers: [broker.address],
    clientId: 'test',
    deliveryTimeoutMs: 1_000,
    security,
  })
  const record = { topic: 't', partition: 0, key: null, value: Buffer.from('x'), headers: [] }
  try {
    await producer.send([record])
    return 'stored'
  } catch (error) {
    return (error as Error).message
  } finally {
    await producer.close()
  }
}

test('records go through TLS, with a certificate of the client for a broker that asks for one', async () => {
  const client = issued('client', 'DNS:client')
  broker = await FakeBroker.listen([], {
    ...server,
    ca,
    requestCert: true,
    rejectUnauthorized: true,
  })
  const { cert: certificate, key } = client
  expect(await outcome({ tls: { ca, certificate, key, isNameChecked: true } })).toBe('stored')
  expect(broker.stored).toEqual(['x'])
  expect(await outcome({ tls: { ca, isNameChecked: true } })).not.toBe('stored')
  expect(broker.stored).toEqual(['x'])
})

test('a certificate that nobody vouches for, or of another name, is refused with the reason', async () => {
  broker = await FakeBroker.listen([], issued('other', 'DNS:elsewhere'))
  expect(await outcome({ tls: { isNameChecked: true } })).toContain('unable to verify')
  expect(await outcome({ tls: { ca, isNameChecked: true } })).toContain("not in the cert's list")
  expect(broker.stored).toEqual([])
  expect(await outcome({ tls: { ca, isNameChecked: false } })).toBe('stored')
})

test('a broker that wants TLS gets no record in plain text', async () => {
  broker = await FakeBroker.listen([], server)
  expect(await outcome(undefined)).not.toBe('stored')
  expect(broker.stored).toEqual([])
})

test('a certificate or key that is none is told as what it is: a mistake in the settings', async () => {
  broker = await FakeBroker.listen([], server)
  const { cert: certificate, key } = server
  const wrong = [
    { certificate: 'none', key },
    { certificate, key: 'none' },
    { certificate, key: file('ca.key') },
  ]
  for (const own of wrong) {
    const error = await refusal({ tls: { ca, ...own, isNameChecked: true } }, false)
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', retryable: false })
  }
})

async function refusal(security: ClientSecurity, isRefusalFinal: boolean): Promise<unknown> {
  const options = { bootstrapServers: [broker.address], clientId: 'test', requestTimeoutMs: 1_000 }
  const admin = createAdmin({ ...options, security, isRefusalFinal })
  const error: unknown = await admin.listTopics().catch((thrown: unknown) => thrown)
  await admin.close()
  return error
}

test('a refused password is tried again, or ends at once where somebody waits', async () => {
  broker = await FakeBroker.listen()
  const sasl = { mechanism: 'PLAIN', username: 'ann', password: 'of ann' } as const
  expect(await refusal({ sasl }, false)).toMatchObject({ code: 'NETWORK', retryable: true })
  const attemptCount = broker.handshakeCount
  expect(attemptCount).toBeGreaterThan(1)
  const final = await refusal({ sasl }, true)
  expect(final).toMatchObject({ code: 'SASL_AUTHENTICATION_FAILED', retryable: false })
  expect((final as Error).message).not.toContain('of ann')
  expect(broker.handshakeCount).toBe(attemptCount + 1)
})

test('so is, and does, a certificate of a broker that nobody vouches for, or of another name', async () => {
  broker = await FakeBroker.listen([], issued('named', 'DNS:elsewhere'))
  const strange = { tls: { isNameChecked: true } }
  expect(await refusal(strange, false)).toMatchObject({ code: 'NETWORK', retryable: true })
  const refused = { code: 'SSL_AUTHENTICATION_FAILED', retryable: false }
  expect(await refusal(strange, true)).toMatchObject(refused)
  expect(await refusal({ tls: { ca, isNameChecked: true } }, true)).toMatchObject(refused)
})

test.for([
  { lifetime: 'without an end', saslSessionMs: 0, isReplaced: false },
  { lifetime: 'of an hour', saslSessionMs: 3_600_000, isReplaced: false },
  { lifetime: 'of a moment', saslSessionMs: 1, isReplaced: true },
])('a session $lifetime', async ({ saslSessionMs, isReplaced }) => {
  broker = await FakeBroker.listen()
  broker.saslSessionMs = saslSessionMs
  const admin = createAdmin({
    bootstrapServers: [broker.address],
    clientId: 'test',
    security: { sasl: { mechanism: 'PLAIN', username: 'ann', password: 'of ann' } },
  })
  await admin.ping(5_000)
  // The first answer names the broker, and a second connection is to it by its name.
  await admin.ping(5_000)
  const { handshakeCount } = broker
  for (let count = 0; count < 3; count += 1) {
    // Longer than a moment, on every clock.
    const startedMs = performance.now()
    while (performance.now() - startedMs < 2) await admin.ping(5_000)
  }
  await admin.close()
  expect(broker.handshakeCount > handshakeCount).toBe(isReplaced)
})

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { CertificateAuthority } from '../support/certificates.ts'
import { fairlead } from '../support/cli.ts'
import { RegistryProcess } from '../support/registry-process.ts'
import { TlsProxy } from '../support/tls-proxy.ts'

/** Of the command line: not authenticated. */
const EXIT_DENIED = 4

let directory: string
let authority: CertificateAuthority
let proxy: TlsProxy
let broker: BrokerProcess
let keystore: string

/** A broker behind TLS, which asks for a certificate. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'secured-clients-'))
  authority = await CertificateAuthority.create(directory)
  const own = await issued('broker')
  const ca = await readFile(authority.file, 'utf8')
  proxy = await TlsProxy.start({ ...own, ca, requestCert: true, rejectUnauthorized: true })
  broker = await BrokerProcess.start({ 'advertised.listeners': `PLAINTEXT://${proxy.address}` })
  proxy.targetPort = broker.port
  const client = await issued('client')
  keystore = join(directory, 'client.pem')
  await writeFile(keystore, client.cert + client.key)
})
afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]()
  await broker?.stop()
  await rm(directory, { recursive: true, force: true })
})

async function issued(name: string) {
  const files = {
    certificate: join(directory, `${name}.crt`),
    key: join(directory, `${name}.key`),
  }
  await authority.issue({ ...files, days: 2 })
  const [cert, key] = [await readFile(files.certificate, 'utf8'), await readFile(files.key, 'utf8')]
  return { cert, key }
}

test('a registry shows its certificate to the brokers', async () => {
  await using registry = await RegistryProcess.start(proxy.address, {
    'kafkastore.security.protocol': 'SSL',
    'kafkastore.ssl.truststore.location': authority.file,
    'kafkastore.ssl.keystore.location': keystore,
  })
  const response = await fetch(`${registry.url}/subjects/s/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: '"string"' }),
  })
  expect(response.status).toBe(200)
})

test('the command line does so, too, and tells of a broker that nobody vouches for', async () => {
  const config = join(directory, 'client.properties')
  const lines = ['security.protocol=SSL', `ssl.keystore.location=${keystore}`]
  const trusting = [...lines, `ssl.truststore.location=${authority.file}`]
  await writeFile(config, trusting.join('\n'))
  const client = ['--command-config', config]
  const options = { bootstrapServer: proxy.address }
  expect(await fairlead(['topic', 'create', 'orders', ...client], options)).toMatchObject({
    exitCode: 0,
  })
  const cat = ['cat', '-P', '-t', 'orders', '-F', config]
  expect(await fairlead(cat, { ...options, input: 'a\n' })).toMatchObject({
    exitCode: 0,
    stderr: '',
  })
  await writeFile(config, lines.join('\n'))
  const refused = await fairlead(['topic', 'list', ...client], options)
  expect(refused).toMatchObject({ exitCode: EXIT_DENIED, stdout: '' })
  expect(refused.stderr).toContain('certificate')
})

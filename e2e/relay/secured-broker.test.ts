import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createReader } from '@fairlead/kafka'
import { expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { CertificateAuthority } from '../support/certificates.ts'
import { RelayStack } from '../support/relay-stack.ts'
import { TlsProxy } from '../support/tls-proxy.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'

async function issued(authority: CertificateAuthority, directory: string, days: number) {
  const files = { certificate: join(directory, 'tls.crt'), key: join(directory, 'tls.key') }
  await authority.issue({ ...files, days })
  const [cert, key] = await Promise.all([
    readFile(files.certificate, 'utf8'),
    readFile(files.key, 'utf8'),
  ])
  return { cert, key }
}

test('a relay speaks TLS with brokers, shows its certificate, and waits while theirs has expired', async () => {
  await using stack = await RelayStack.start()
  const authority = await CertificateAuthority.create(stack.directory)
  const ca = await readFile(authority.file, 'utf8')
  const options = { ca, requestCert: true, rejectUnauthorized: true }
  await using proxy = await TlsProxy.start({
    ...options,
    ...(await issued(authority, stack.directory, 2)),
  })
  const broker = await BrokerProcess.start({
    'advertised.listeners': `PLAINTEXT://${proxy.address}`,
  })
  proxy.targetPort = broker.port
  const own = await issued(authority, stack.directory, 2)
  const keystore = join(stack.directory, 'relay.pem')
  await writeFile(keystore, own.cert + own.key)
  const relay = stack.relay({
    'bootstrap.servers': proxy.address,
    'security.protocol': 'SSL',
    'ssl.truststore.location': authority.file,
    'ssl.keystore.location': keystore,
    'topic.creation.default.partitions': 1,
  })
  await relay.ready()
  await stack.insertKeys('before')
  await stack.confirmed()

  proxy.show({ ...options, ...(await issued(authority, stack.directory, -1)) })
  await stack.insertKeys('meanwhile')
  await waitFor('the reason', 60_000, async () => {
    const status = await stack.statusOf(relay)
    return status?.state === 'backpressure' && status.reason.includes('certificate has expired')
  })
  proxy.show({ ...options, ...(await issued(authority, stack.directory, 2)) })
  await stack.confirmed()
  const reader = createReader({
    bootstrapServers: [proxy.address],
    clientId: 'oracle',
    security: { tls: { ca, certificate: own.cert, key: own.key, isNameChecked: true } },
  })
  const place = { topic: TOPIC, partition: 0, fromOffset: 0, maxWaitMs: 500, maxBytes: 1_000_000 }
  const { records } = await reader.fetch(place)
  expect(records.map(({ key }) => Buffer.from(key ?? []).toString())).toEqual([
    'before',
    'meanwhile',
  ])
  await reader.close()
  await relay.stop()
  await broker.stop()
})

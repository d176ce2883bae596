import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  APACHE_KAFKA_VERSION,
  ApacheKafka,
  apacheKafkaAbsence,
  kafkaTool,
} from '../support/apache-kafka.ts'
import { CertificateAuthority } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { RelayStack } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'
const USER = 'relay'
const PASSWORD = 'of the relay'
const ENTER_ONLY = 0o711
const JAAS_MODULES = {
  PLAIN: `org.apache.kafka.common.security.plain.PlainLoginModule required user_${USER}="${PASSWORD}";`,
  'SCRAM-SHA-256': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
  'SCRAM-SHA-512': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
} as const
const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const

let directory: string
let authority: CertificateAuthority
let kafka: ApacheKafka
let securePort: number

/** A second listener, which asks for TLS and a password. */
async function securedListener(): Promise<Record<string, string>> {
  const files = { certificate: join(directory, 'kafka.crt'), key: join(directory, 'kafka.key') }
  await authority.issue({ ...files, days: 2 })
  const keystore = join(directory, 'kafka.pem')
  await writeFile(
    keystore,
    (await readFile(files.key, 'utf8')) + (await readFile(files.certificate, 'utf8')),
  )
  const listener = 'listener.name.secure'
  return {
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL',
    [`${listener}.ssl.keystore.type`]: 'PEM',
    [`${listener}.ssl.keystore.location`]: keystore,
    [`${listener}.sasl.enabled.mechanisms`]: MECHANISMS.join(),
    ...Object.fromEntries(
      MECHANISMS.map((name) => [
        `${listener}.${name.toLowerCase()}.sasl.jaas.config`,
        JAAS_MODULES[name],
      ]),
    ),
  }
}

describe.skipIf(apacheKafkaAbsence())(`Apache Kafka ${APACHE_KAFKA_VERSION}, with SASL_SSL`, () => {
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'secured-kafka-'))
    await chmod(directory, ENTER_ONLY)
    authority = await CertificateAuthority.create(directory)
    securePort = await freePort()
    kafka = await ApacheKafka.start(await securedListener(), {
      SECURE: securePort,
    })
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
      const user = ['--entity-type', 'users', '--entity-name', USER]
      const change = ['--alter', '--add-config', `${mechanism}=[password=${PASSWORD}]`]
      const flags = ['--bootstrap-server', kafka.address, ...user, ...change]
      const { exitCode, complaints } = await kafkaTool(
        'org.apache.kafka.tools.ConfigCommand',
        flags,
      )
      if (exitCode !== 0) throw new Error(`the user was not made: ${complaints}`)
    }
  })
  afterAll(async () => {
    await kafka?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  test.for(MECHANISMS)('a relay proves who it is with %s', async (mechanism) => {
    await using stack = await RelayStack.start()
    const secured = {
      'bootstrap.servers': `127.0.0.1:${securePort}`,
      'security.protocol': 'SASL_SSL',
      'ssl.truststore.location': authority.file,
      'sasl.mechanism': mechanism,
      'sasl.username': USER,
    }
    const refused = stack.relay({ ...secured, 'sasl.password': 'of nobody' })
    await stack.insertKeys(mechanism)
    // The relay tells it for as long as it tries again, and its probe of the brokers every second.
    await waitFor('the reason', 60_000, async () => {
      const status = await stack.statusOf(refused)
      if (status === undefined) return false
      const readiness = await (await fetch(`${refused.url}/readyz`)).text()
      return `${status.reason} ${readiness}`.includes('authentication failed')
    })
    await refused.stop()
    const relay = stack.relay({ ...secured, 'sasl.password': PASSWORD })
    await relay.ready()
    await stack.confirmed()
    const records = await stack.records(TOPIC, { address: kafka.address })
    const keys = records.map(({ key }) => Buffer.from(key ?? []).toString())
    expect(keys.filter((key) => key === mechanism)).toEqual([mechanism])
  })
})

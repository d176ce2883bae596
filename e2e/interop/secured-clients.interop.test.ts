import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  deposits,
  hasState,
  oracleRows,
  release,
  rowsOf,
  startStack,
} from '../projections/rebuild-stack.ts'
import { APACHE_KAFKA_VERSION, apacheKafkaAbsence } from '../support/apache-kafka.ts'
import { type CliResult, fairlead } from '../support/cli.ts'
import { freePort } from '../support/free-port.ts'
import { RegistryProcess } from '../support/registry-process.ts'
import { RunningApp } from '../support/running-app.ts'
import { MECHANISMS, SecuredKafka, USER, jaasConfig } from '../support/secured-kafka.ts'
import { waitFor } from '../support/wait-for.ts'

const REGISTRY = 'apps/registry/src/main.ts'
/** So long a history is folded in threads, which have connections of their own. */
const EVENTS = 24_000
const BATCH_EVENTS = 4_000
/** SASL_AUTHENTICATION_FAILED of the command line. */
const EXIT_DENIED = 4

let kafka: SecuredKafka

function withPrefix(
  prefix: string,
  config: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [`${prefix}${key}`, value]),
  )
}

async function propertiesFile(config: Readonly<Record<string, string>>): Promise<string> {
  const path = join(kafka.directory, `client-${await freePort()}.properties`)
  const lines = Object.entries(config).map(([key, value]) => `${key}=${value}\n`)
  await writeFile(path, lines.join(''))
  return path
}

function withPassword(password: string = USER.password): Readonly<Record<string, string>> {
  return {
    'security.protocol': 'SASL_SSL',
    'ssl.truststore.location': kafka.authority.file,
    'sasl.mechanism': 'SCRAM-SHA-512',
    'sasl.jaas.config': jaasConfig('SCRAM-SHA-512', password),
  }
}

async function withCertificate(name: string): Promise<Readonly<Record<string, string>>> {
  return {
    'security.protocol': 'SSL',
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': kafka.authority.file,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': await kafka.issueKeystore(name),
  }
}

async function readinessOf(app: RunningApp): Promise<string> {
  if (app.logField('httpPort') === undefined) return ''
  const response = await fetch(`${app.url}/readyz`).catch(() => undefined)
  return (await response?.text()) ?? ''
}

async function registered(registry: RegistryProcess, subject: string): Promise<number> {
  const response = await fetch(`${registry.url}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: '"string"' }),
  })
  return response.status
}

describe.skipIf(apacheKafkaAbsence())(`on a secured Apache Kafka ${APACHE_KAFKA_VERSION}`, () => {
  beforeAll(async () => {
    // Less than what a projector of these tests asks for.
    kafka = await SecuredKafka.start({ 'group.min.session.timeout.ms': 1_000 })
  })
  afterAll(() => kafka?.stop())

  test('a registry keeps its schemas there, by password or by certificate', async () => {
    await using byPassword = await RegistryProcess.start(
      kafka.saslAddress,
      withPrefix('kafkastore.', withPassword()),
    )
    expect(await registered(byPassword, 'a')).toBe(200)
    await using byCertificate = await RegistryProcess.start(
      kafka.mutualAddress,
      withPrefix('kafkastore.', await withCertificate('registry')),
    )
    expect(await registered(byCertificate, 'b')).toBe(200)
    await waitFor('both to have both', 60_000, async () => {
      const subjects = await (await fetch(`${byPassword.url}/subjects`)).json()
      return JSON.stringify(subjects) === '["a","b"]'
    })
  })

  test('a registry and a projector that are refused tell why', async () => {
    await using registry = RunningApp.launch(REGISTRY, {
      'kafkastore.bootstrap.servers': kafka.saslAddress,
      ...withPrefix('kafkastore.', withPassword('of nobody')),
    })
    await waitFor('the reason of the registry', 60_000, async () =>
      /authentication failed/i.test(await readinessOf(registry)),
    )
    await using stack = await startStack({ bootstrapServers: kafka.address })
    const projector = release(stack, 'accounts:1', {
      'bootstrap.servers': kafka.saslAddress,
      ...withPassword('of nobody'),
    })
    await waitFor('the reason of the projector', 60_000, async () =>
      /authentication failed/i.test(await readinessOf(projector)),
    )
  })

  test('a projector applies events and rebuilds in threads', async () => {
    await using stack = await startStack({ bootstrapServers: kafka.address })
    for (let from = 0; from < EVENTS; from += BATCH_EVENTS) {
      await stack.publish(...deposits(BATCH_EVENTS, from))
    }
    const bootstrapServers = { 'bootstrap.servers': kafka.saslAddress }
    release(stack, 'accounts:1', { ...bootstrapServers, ...withPassword() })
    await stack.caughtUp('accounts')
    const second = release(stack, 'accounts:1,accounts:2', {
      'bootstrap.servers': kafka.mutualAddress,
      ...(await withCertificate('projector')),
    })
    await hasState(stack, 2, ['ready'])
    expect(second.logLines.join('\n')).toContain('the rebuild folds in threads')
    expect(second.logLines.join('\n')).not.toContain('folds all partitions in one thread')
    expect(await rowsOf(stack, 2)).toEqual(await oracleRows(stack))
  })

  test.for(MECHANISMS)(
    "the command line takes the file of Kafka's tools: %s",
    async (mechanism) => {
      const topic = `of-${mechanism.toLowerCase()}`
      const saslOf = (password: string) =>
        propertiesFile({
          ...withPassword(),
          'bootstrap.servers': kafka.saslAddress,
          'sasl.mechanism': mechanism,
          'sasl.jaas.config': jaasConfig(mechanism, password),
          acks: 'all',
        })
      const config = ['--command-config', await saslOf(USER.password)]
      expect(await fairlead(['topic', 'create', topic, ...config])).toMatchObject({ exitCode: 0 })
      const described = await fairlead(['topic', 'describe', topic, '--json', ...config])
      expect(described).toMatchObject({ exitCode: 0, stderr: '' })
      const refused = await fairlead([
        'topic',
        'list',
        '--command-config',
        await saslOf('of nobody'),
      ])
      expect(refused).toMatchObject({ exitCode: EXIT_DENIED, stdout: '' })
      expect(refused.stderr).toMatch(/authentication failed/i)
    },
  )

  test('cat sends and reads by certificate, and as -X says', async () => {
    const file = await propertiesFile(await withCertificate('cli'))
    const byCertificate = ['-b', kafka.mutualAddress, '-F', file]
    const sent = await fairlead(['cat', '-P', '-t', 'lines', '-p', '0', ...byCertificate], {
      input: 'a\nb\n',
    })
    expect(sent).toMatchObject({ exitCode: 0, stderr: '' })
    const reading = ['cat', '-C', '-t', 'lines', '-e', '-q']
    expect(await fairlead([...reading, ...byCertificate])).toMatchObject(printed('a\nb\n'))
    const properties = [
      'security.protocol=SASL_SSL',
      `ssl.ca.location=${kafka.authority.file}`,
      'sasl.mechanisms=SCRAM-SHA-256',
      `sasl.username=${USER.name}`,
      `sasl.password=${USER.password}`,
    ].flatMap((property) => ['-X', property])
    const byPassword = ['-b', kafka.saslAddress, ...properties]
    expect(await fairlead([...reading, ...byPassword])).toMatchObject(printed('a\nb\n'))
  })
})

function printed(stdout: string): CliResult {
  return { exitCode: 0, stdout, stderr: '' }
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCat } from '../cat/cat.ts'
import { UsageError } from './command.ts'
import { brokerOptions } from './parse-command.ts'

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'client-config-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function written(text: string): string {
  const path = join(directory, 'client.properties')
  writeFileSync(path, text)
  return path
}

/** As Apache Kafka's documentation has it, with keys of a producer and a consumer beside it. */
const CLIENT_PROPERTIES = `
bootstrap.servers=kafka-1:9093,kafka-2:9093
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\
    username="ann" \\
    password="of ann";
request.timeout.ms=5000
acks=all
session.timeout.ms=45000
`

test('the file that the tools of Kafka take is read', () => {
  const file = written(CLIENT_PROPERTIES)
  expect(brokerOptions({ 'command-config': file }, {})).toEqual({
    bootstrapServers: ['kafka-1:9093', 'kafka-2:9093'],
    clientId: 'fairlead-cli',
    requestTimeoutMs: 5_000,
    security: {
      tls: { isNameChecked: true },
      sasl: { mechanism: 'SCRAM-SHA-512', username: 'ann', password: 'of ann' },
    },
    isRefusalFinal: true,
    warnings: [],
  })
})

test('options and variables go before the file, which a variable may name', () => {
  const env = { FAIRLEAD_COMMAND_CONFIG: written(CLIENT_PROPERTIES) }
  const { bootstrapServers, requestTimeoutMs, security } = brokerOptions(
    { 'bootstrap-server': 'a:1', timeout: '70' },
    env,
  )
  expect({ bootstrapServers, requestTimeoutMs }).toEqual({
    bootstrapServers: ['a:1'],
    requestTimeoutMs: 70,
  })
  expect(security?.sasl?.username).toBe('ann')
  const variable = { ...env, FAIRLEAD_BOOTSTRAP_SERVER: 'b:2' }
  expect(brokerOptions({}, variable).bootstrapServers).toEqual(['b:2'])
})

test('a password of a file that has none is told to have no effect', () => {
  const file = written('security.protocol=SSL\nssl.truststore.password=changeit\n')
  const [warning, ...others] = brokerOptions({ 'command-config': file }, {}).warnings
  expect(warning).toContain('ssl.truststore.password')
  expect(warning).not.toContain('changeit')
  expect(others).toEqual([])
})

test.for([
  ['security.protocl=SSL', 'did you mean security.protocol?'],
  ['ssl.cipher.suites=TLS_AES_128_GCM_SHA256', 'unknown key ssl.cipher.suites'],
  ['security.protocol=TLS', 'security.protocol must be one of'],
  ['security.protocol=SASL_SSL', 'sasl.username is empty'],
  [
    'security.protocol=SSL\nssl.truststore.location=/no/such.pem',
    'ssl.truststore.location: ENOENT',
  ],
  ['request.timeout.ms=soon', 'request.timeout.ms must be an integer'],
  ['security.protocol', 'line 1 is not "key=value"'],
])('%s is refused: %s', ([text = '', problem = '']) => {
  const file = written(text)
  const attempt = (): unknown => brokerOptions({ 'command-config': file }, {})
  expect(attempt).toThrow(UsageError)
  expect(attempt).toThrow(problem)
  expect(attempt).toThrow(file)
})

test('a file that is not there is named', () => {
  expect(() => brokerOptions({ 'command-config': '/no/such.properties' }, {})).toThrow(
    'cannot read /no/such.properties: ENOENT',
  )
})

async function complaintOfCat(...argv: readonly string[]): Promise<string> {
  let stderr = ''
  const exitCode = await runCat(['-L', ...argv], {
    stdout: () => undefined,
    stderr: (text) => void (stderr += text),
    isWatched: false,
    write: () => Promise.resolve(),
    stdin: (async function* () {})(),
    ask: undefined,
    env: {},
    signal: new AbortController().signal,
  })
  expect(exitCode).toBe(2)
  return stderr
}

test("cat takes the same properties by -X, by librdkafka's names too, before those of -F", async () => {
  const file = written('security.protocol=SASL_PLAINTEXT\nsasl.username=ann\n')
  expect(await complaintOfCat('-F', file)).toContain('sasl.password is empty')
  const password = ['-X', 'sasl.password=of ann']
  expect(await complaintOfCat('-F', file, ...password, '-X', 'sasl.mechanisms=PLAIN')).toContain(
    'sasl.mechanism is PLAIN',
  )
  const tls = ['-X', 'security.protocol=SASL_SSL', '-X', 'ssl.ca.location=/no/such.pem']
  const refused = await complaintOfCat('-F', file, ...password, ...tls)
  expect(refused).toContain('ssl.truststore.location: ENOENT')
  expect(refused).not.toContain('of ann')
})

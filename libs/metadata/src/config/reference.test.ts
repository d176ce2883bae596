import { expect, test } from 'vitest'
import { BROKER_KEYS, type BrokerKey, TOPIC_CONFIGS } from '../index.ts'
import type { ConfigRule } from './definition.ts'

const INTRODUCTION = `# Configuration

Names, types and defaults are those of Apache Kafka 4.4, whose \`server.properties\` is accepted as it
is. An unknown key ends the start with the nearest name; a key that has no effect here is accepted with
one warning that says why. A broker reads flags (\`--key=value\`), then \`KAFKA_…\` variables, then the
file of \`--config\`.

What may be changed while brokers run (\`kafka-configs --alter\`) is kept in the metadata log, for one
broker or for all. A topic's own value wins over what is set for the broker that leads it, for all
brokers, in the file, and over the default. A change takes effect with the next append.
`

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const row = (...cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`

function defaultOf(value: string | null): string {
  if (value === null) return ''
  return value === '' ? '(empty)' : `\`${value}\``
}

function allowed({ min, max, or, oneOf }: ConfigRule): string {
  if (oneOf !== undefined) return oneOf.join(', ')
  const isBounded = max !== undefined && max < 2_147_483_647
  const range = isBounded ? `${min} to ${max}` : min === undefined ? '' : `from ${min}`
  return or === undefined ? range : `${range}, or ${or}`
}

function topicRows(): string[] {
  return Object.entries(TOPIC_CONFIGS).map(([name, config]) =>
    row(`\`${name}\``, config.type, defaultOf(config.default), allowed(config), config.doc),
  )
}

function brokerRow(name: string, key: BrokerKey): string {
  const { type, importance, update, doc } = key
  return row(`\`${name}\``, type, defaultOf(key.default), allowed(key), importance, update, doc)
}

function withoutEffect(keys: readonly (readonly [string, BrokerKey])[]): string[] {
  const byReason = Map.groupBy(keys, ([, { doc }]) => doc)
  return Array.from(byReason, ([doc, group]) => {
    const names = group.map(([name]) => `\`${name}\``).join(', ')
    return `- ${doc.replace('Has no effect here: ', '').replace(/\.$/, '')}: ${names}`
  })
}

test('docs/configuration.md is up to date (npx vitest -u writes it)', async () => {
  const keys = [...BROKER_KEYS]
  const page = [
    INTRODUCTION,
    '## Topics\n',
    '| name | type | default | allowed | meaning |',
    '|---|---|---|---|---|',
    ...topicRows(),
    '\n## Brokers\n',
    '| name | type | default | allowed | importance | changes | meaning |',
    '|---|---|---|---|---|---|---|',
    ...keys.filter(([, { hasEffect }]) => hasEffect).map(([name, key]) => brokerRow(name, key)),
    '\n## Keys of Kafka without effect\n',
    ...withoutEffect(keys.filter(([, { hasEffect }]) => !hasEffect)),
    '',
  ].join('\n')
  await expect(page).toMatchFileSnapshot('../../../../docs/configuration.md')
})

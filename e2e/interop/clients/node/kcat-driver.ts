import { run } from '../../../support/command.ts'
import type { Compression, ReadRecord, WireRecord } from '../operations.ts'
import { bytesOf, headerEntries, serve } from './serve.ts'

const [kcatProgram = '', address = ''] = process.argv.slice(2)
/** Does not occur in base64. */
const SEPARATOR = '|'
const DELIVERY_TIMEOUT_MS = 60_000

const kcat = (args: readonly string[], input = ''): Promise<string> =>
  run(kcatProgram, ['-b', address, '-X', 'reconnect.backoff.max.ms=500', ...args], { input })

await serve({
  produce: async ({ topic, partition, compression, idempotent, records }) => {
    const flags = [
      '-P',
      '-t',
      topic,
      '-p',
      `${partition}`,
      ...producerFlags(compression, idempotent),
    ]
    // Headers are options of a run, not of a record: records with the same headers go together.
    for (const group of groupedByHeaders(records))
      await kcat([...flags, ...group.flags], group.input)
    return { offsets: records.map(() => -1) }
  },
  fetch: async ({ topic, partition, offset, count, timeoutMs }) => {
    const format = `%o${SEPARATOR}%K${SEPARATOR}%k${SEPARATOR}%S${SEPARATOR}%s${SEPARATOR}%h\n`
    const flags = ['-C', '-q', '-t', topic, '-p', `${partition}`, '-o', `${offset}`]
    const output = await run(
      kcatProgram,
      ['-b', address, ...flags, '-c', `${count}`, '-f', format],
      { timeoutMs },
    )
    return {
      records: output
        .split('\n')
        .filter(Boolean)
        .map((line) => recordOf(line, partition)),
    }
  },
  listTopics: async () => {
    const listed = JSON.parse(await kcat(['-L', '-J'])) as { topics: { topic: string }[] }
    return { topics: listed.topics.map(({ topic }) => topic) }
  },
})

function producerFlags(compression: Compression, idempotent: boolean): string[] {
  const settings = [
    `enable.idempotence=${idempotent}`,
    'acks=all',
    'message.max.bytes=10000000',
    `message.timeout.ms=${DELIVERY_TIMEOUT_MS}`,
  ]
  return ['-z', compression, '-K', SEPARATOR, ...settings.flatMap((setting) => ['-X', setting])]
}

function groupedByHeaders(records: readonly WireRecord[]) {
  const groups = new Map<string, { readonly flags: string[]; input: string }>()
  for (const record of records) {
    const entries = headerEntries(record.headers)
    const flags = entries.flatMap(([name, value]) => [
      '-H',
      value === null ? name : `${name}=${value.toString()}`,
    ])
    const group = groups.get(flags.join()) ?? { flags: [...flags, '-Z'], input: '' }
    group.input += [record.key, record.value].map(plainText).join(SEPARATOR) + '\n'
    groups.set(flags.join(), group)
  }
  return groups.values()
}

function recordOf(line: string, partition: number): ReadRecord {
  const [offset = '', keyBytes, key = '', valueBytes, value = '', headers = ''] =
    line.split(SEPARATOR)
  const text = (bytes: string | undefined, read: string) =>
    bytes === '-1' ? null : Buffer.from(read).toString('base64')
  return {
    partition,
    offset: Number(offset),
    key: text(keyBytes, key),
    value: text(valueBytes, value),
    headers: headers.split(',').filter(Boolean).map(headerOf),
  }
}

function headerOf(pair: string): readonly [string, string | null] {
  const [name = '', value = ''] = pair.split('=')
  return [name, value === 'NULL' ? null : Buffer.from(value).toString('base64')]
}

function plainText(base64: string | null): string {
  return bytesOf(base64)?.toString() ?? ''
}

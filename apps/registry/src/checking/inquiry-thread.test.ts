import { afterEach, expect, test } from 'vitest'
import { type RegistryRecord, SchemaRegistry, basisRecords } from '@fairlead/schemas'
import { InquiryThread, type InquiryJob } from './inquiry-thread.ts'

const threads: InquiryThread[] = []

afterEach(async () => {
  for (const thread of threads.splice(0)) await thread.stop()
})

const started = (options: ConstructorParameters<typeof InquiryThread>[0] = {}): InquiryThread => {
  const thread = new InquiryThread(options)
  threads.push(thread)
  return thread
}

const registry = new SchemaRegistry({ defaultCompatibilityLevel: 'BACKWARD' })

/** Asks whether a schema that nothing compares with is valid. */
const jobOf = (schema: string, schemaType = 'AVRO'): InquiryJob => {
  const request = { schema, schemaType, references: [], normalize: false }
  const inquiry = { kind: 'check', subject: 's', version: undefined, request } as const
  const { options } = registry
  return { options, records: basisRecords(registry.inquiryBasis(inquiry)), inquiry }
}

const unionOf = (count: number): string =>
  JSON.stringify(
    Array.from({ length: count }, (_, index) => ({ type: 'fixed', name: `F${index}`, size: 1 })),
  )

/** The same, for a subject that has so many versions already that differ in what they say of it. */
const transitiveJobOf = (schema: string, versionCount: number): InquiryJob => {
  const level = 'BACKWARD_TRANSITIVE'
  const settings = { compatibilityLevel: level, normalize: false, otherMembers: new Map() } as const
  const versions = Array.from({ length: versionCount }, (_, index): RegistryRecord => {
    const place = { subject: 's', version: index + 1 }
    const described = schema.replace('{', `{"doc":"${index}",`)
    const content = { schemaType: 'AVRO', schema: described, references: [] } as const
    const value = {
      ...place,
      ...content,
      schemaId: index + 1,
      isDeleted: false,
      otherMembers: new Map(),
    }
    return { kind: 'schema', ...place, value }
  })
  const config = { kind: 'config', subject: 's', value: settings } as const
  return { ...jobOf(schema), records: [config, ...versions] }
}

const COMPATIBLE = { ok: true, value: { isCompatible: true, messages: [] } }

test('inquiries are answered one after the other, failures included', async () => {
  const thread = started()
  const answers = [
    thread.ask(() => jobOf('"int"')),
    thread.ask(() => jobOf('"nothing"')),
    thread.ask(() => jobOf('syntax = "proto3"; message M {}', 'PROTOBUF')),
  ]
  expect(thread.waitingCount).toBe(3)
  expect(await Promise.all(answers)).toEqual([
    COMPATIBLE,
    registry.answer(jobOf('"nothing"').inquiry),
    COMPATIBLE,
  ])
  expect(thread.waitingCount).toBe(0)
})

test('what takes too long is refused, and the next one is answered', async () => {
  const ended: string[] = []
  const thread = started({
    timeMaxMs: 1_000,
    onEnded: (reason) => ended.push(reason),
  })
  const slow = thread.ask(() => transitiveJobOf(unionOf(3_000), 500))
  const next = thread.ask(() => jobOf('"int"'))
  await expect(slow).rejects.toMatchObject({
    errorCode: 42201,
    message: 'Invalid schema: to check it takes more than 1 s',
  })
  expect(await next).toEqual(COMPATIBLE)
  expect(ended).toEqual(['an inquiry took more than 1 s'])
})

test('what takes too much memory is refused, and the next one is answered', async () => {
  const thread = started({ heapMegabytesMax: 32 })
  const large = thread.ask(() => jobOf(unionOf(60_000)))
  const next = thread.ask(() => jobOf('"int"'))
  await expect(large).rejects.toMatchObject({
    errorCode: 42201,
    message: 'Invalid schema: to check it takes more than 32 MB',
  })
  expect(await next).toEqual(COMPATIBLE)
})

test('only so many wait', async () => {
  const thread = started({ waitingMax: 2 })
  const asked = Array.from({ length: 3 }, () => thread.ask(() => jobOf('"int"')))
  await expect(thread.ask(() => jobOf('"int"'))).rejects.toMatchObject({
    errorCode: 429,
    retryAfterSeconds: 1,
  })
  expect(await Promise.all(asked)).toEqual([COMPATIBLE, COMPATIBLE, COMPATIBLE])
})

/** In which order inquiries of these lengths are answered behind one that is under way. */
const orderOf = async (lengths: readonly number[]): Promise<readonly number[]> => {
  const thread = started()
  const order: number[] = []
  const asked = [thread.ask(() => jobOf('"int"'))]
  for (const [index, length] of lengths.entries()) {
    asked.push(
      thread.ask(() => {
        order.push(index)
        return jobOf('"int"')
      }, length),
    )
  }
  await Promise.all(asked)
  return order
}

test('the smallest goes first, and of two that are as small the one that came first', async () => {
  expect(await orderOf([900, 30, 500, 20, 30])).toEqual([3, 1, 4, 2, 0])
})

test('a large one lets ten smaller ones go first, and no more', async () => {
  const order = await orderOf([900, ...Array.from({ length: 15 }, () => 1)])
  expect(order.indexOf(0)).toBe(10)
})

test('where no more may wait, the largest makes room for a smaller one', async () => {
  const thread = started({ waitingMax: 2 })
  const first = thread.ask(() => jobOf('"int"'), 1)
  const [large, medium] = [
    thread.ask(() => jobOf('"int"'), 900),
    thread.ask(() => jobOf('"int"'), 500),
  ]
  const small = thread.ask(() => jobOf('"int"'), 20)
  await expect(large).rejects.toMatchObject({ errorCode: 429 })
  await expect(thread.ask(() => jobOf('"int"'), 600)).rejects.toMatchObject({ errorCode: 429 })
  expect(await Promise.all([first, medium, small])).toEqual([COMPATIBLE, COMPATIBLE, COMPATIBLE])
})

test('an inquiry that cannot be asked is its own failure alone', async () => {
  const thread = started()
  const broken = thread.ask(() => {
    throw new Error('no basis')
  })
  await expect(broken).rejects.toThrow('no basis')
  const uncloneable = thread.ask(() => ({ ...jobOf('"int"'), other: () => undefined }))
  await expect(uncloneable).rejects.toThrow('could not be cloned')
  expect(await thread.ask(() => jobOf('"int"'))).toEqual(COMPATIBLE)
})

test('a thread that stops refuses what it has not answered, and what is to come', async () => {
  const thread = started()
  const asked = [thread.ask(() => jobOf('"int"')), thread.ask(() => jobOf('"int"'))]
  const refused = Promise.allSettled(asked)
  await thread.stop()
  expect((await refused).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await expect(thread.ask(() => jobOf('"int"'))).rejects.toThrow('stops')
})

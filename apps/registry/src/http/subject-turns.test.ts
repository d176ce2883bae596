import { afterEach, describe, expect, test } from 'vitest'
import type { InquiryBasis } from '@fairlead/schemas'
import { MemorySchemaLog } from '../store/memory-schema-log.ts'
import { call, closeRegistries, startRegistry } from './registry.test-fixture.ts'
import { SubjectTurns } from './subject-turns.ts'

afterEach(closeRegistries)

/** Large enough that a thread judges it. */
const largeEnum = (name: string): { readonly schema: string } => ({
  schema: JSON.stringify({
    type: 'enum',
    name,
    symbols: Array.from({ length: 12_000 }, (_, index) => `S${index}`),
  }),
})
const fixed = (index: number) => ({ schema: `{"type":"fixed","name":"F","size":${index + 1}}` })

const basisOf = (subject: string): InquiryBasis => ({
  subject,
  versions: [],
  settings: [{ kind: 'config', subject, value: null }],
  textLength: 0,
})

/** Registers one schema after the other, until it is told to end; the statuses of the answers. */
const writeWithoutPause = async (
  http: ReturnType<typeof startRegistry>['http'],
  path: string,
  { isDone }: { readonly isDone: () => boolean },
): Promise<ReadonlySet<number>> => {
  const statuses = new Set<number>()
  for (let index = 0; !isDone(); index += 1) {
    const [status] = await call(http, `POST ${path}`, fixed(index))
    statuses.add(status)
  }
  return statuses
}

describe('a large schema', () => {
  test.each([
    ['the subject', '/subjects/s/versions', 's'],
    ['one that it refers to', '/subjects/s/versions', 't'],
  ])('is registered, however often others write to %s', async (_, written, large) => {
    const { http } = startRegistry()
    await call(http, 'PUT /config', { compatibility: 'NONE' })
    await call(http, 'POST /subjects/s/versions', { schema: '"int"' })
    const references = large === 's' ? [] : [{ name: 'F', subject: 's', version: -1 }]
    let isDone = false
    const neighbours = [1, 2, 3].map(() =>
      writeWithoutPause(http, written, { isDone: () => isDone }),
    )
    const answers = await Promise.all(
      ['A', 'B', 'C'].map((name) =>
        call(http, `POST /subjects/${large}/versions`, { ...largeEnum(name), references }),
      ),
    )
    isDone = true
    expect(answers.map(([status]) => status)).toEqual([200, 200, 200])
    for (const statuses of await Promise.all(neighbours)) expect([...statuses]).toEqual([200])
  })
})

describe('turns', () => {
  const recordsOf = (subject: string) => [{ kind: 'mode', subject, value: null } as const]

  test('follow each other as they were asked for, also behind one that failed', async () => {
    const turns = new SubjectTurns()
    const order: string[] = []
    const take = (name: string, fail = false): Promise<string> =>
      turns.take(
        () => [basisOf(name)],
        (turn) => {
          expect(turns.current).toBe(turn)
          order.push(name)
          return fail ? Promise.reject(new Error(`${name} failed`)) : Promise.resolve(name)
        },
      )
    const taken = await Promise.allSettled([take('a'), take('b', true), take('c')])
    expect(order).toEqual(['a', 'b', 'c'])
    expect(taken.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(turns.current).toBeUndefined()
  })

  test('are of the subjects and settings that a judgement depends on', async () => {
    const turns = new SubjectTurns()
    await turns.take(
      () => [basisOf('a'), basisOf('b')],
      (turn) => {
        expect(['a', 'b', 'c'].map((name) => turn.isChangedBy(recordsOf(name)))).toEqual([
          true,
          true,
          false,
        ])
        expect(turn.isChangedBy([])).toBe(false)
        return Promise.resolve()
      },
    )
  })

  test('hold nobody off for longer than a writer may be held', async () => {
    const turns = new SubjectTurns({ waitMaxMs: 1 })
    const { promise, resolve } = Promise.withResolvers<void>()
    const taken = turns.take(
      () => [basisOf('a')],
      async (turn) => {
        await turns.untilEnded(turn)
        resolve()
      },
    )
    await promise
    await taken
  })
})

test('who writes to a subject waits for the turn of another, and nobody else does', async () => {
  const turns = new SubjectTurns()
  const { http } = startRegistry(new MemorySchemaLog(), 8, { turns })
  await call(http, 'PUT /config', { compatibility: 'NONE' })
  const taken = await turns.take(
    () => [basisOf('s')],
    async () => {
      let isWritten = false
      const waiting = call(http, 'POST /subjects/s/versions', fixed(1)).finally(
        () => (isWritten = true),
      )
      const others = await Promise.all([
        call(http, 'POST /subjects/other/versions', fixed(2)),
        call(http, 'POST /subjects/other/versions', largeEnum('E')),
        call(http, 'PUT /config/another', { compatibility: 'FULL' }),
      ])
      expect(others.map(([status]) => status)).toEqual([200, 200, 200])
      expect(isWritten).toBe(false)
      return { waiting }
    },
  )
  expect((await taken.waiting)[0]).toBe(200)
})

import { describe, expect, test } from 'vitest'
import { refusedColumn } from './column-values.ts'

const of = (type: string, value: unknown) =>
  refusedColumn({ name: 't', keyColumn: 'c', columns: { c: type } }, { c: value })

const uncalled = (): void => undefined

describe('a column of type', () => {
  test.for([
    ['integer', Number.NaN],
    ['integer', 1.5],
    ['integer', 2 ** 31],
    ['integer', null],
    ['smallint', -32_769],
    ['bigint', 2n ** 63n],
    ['bigint', true],
    ['text', 'a\0b'],
    ['numeric', 'many'],
    ['timestamptz null', new Date(Number.NaN)],
    ['timestamptz', new Date(-8.64e15)],
    ['jsonb', { a: 'b\0' }],
    ['jsonb', { a: 1n }],
    ['jsonb', { a: 'b\ud800' }],
    ['jsonb', uncalled],
    ['text', uncalled],
    ['boolean', Symbol('none')],
  ] as const)('%s refuses %o', ([type, value]) => {
    expect(of(type, value)).toEqual({ column: 'c', reason: `t.c is ${type}` })
  })

  test.for([
    ['integer', -(2 ** 31)],
    ['integer', 5n],
    ['integer null', null],
    ['smallint', '7'],
    ['bigint', 2n ** 63n - 1n],
    ['bigint', 10],
    ['double precision', Number.NaN],
    ['text', 5],
    ['uuid', 'o1'],
    ['numeric', 'Infinity'],
    ['date', 'yesterday'],
    ['date', new Date(0)],
    ['timestamptz', new Date('0001-01-01')],
    ['jsonb', { a: String.raw`\u0000\ud800` }],
    ['jsonb', { a: '😀' }],
    ['jsonb null', null],
    ['bytea', new Uint8Array(1)],
    ['boolean', 'yes'],
  ] as const)('%s may hold %o', ([type, value]) => {
    expect(of(type, value)).toBeUndefined()
  })
})

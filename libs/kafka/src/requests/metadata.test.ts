import { DecodeError } from '@fairlead/base'
import { expect, test } from 'vitest'
import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { metadataExchange } from './metadata.ts'

/** A response with a topic of one partition, which nobody leads. */
function response(partitionIndex: number): ByteReader {
  const writer = new ByteWriter().int32(0)
  writer.array([], () => undefined)
  writer.nullableString(null).int32(0)
  writer.array(['a'], (name) => {
    writer.int16(0).string(name).uuid(undefined).boolean(false)
    writer.array([partitionIndex], (index) => {
      writer.int16(0).int32(index).int32(-1).int32(-1)
      for (let list = 0; list < 3; list += 1) writer.array([], () => undefined)
      writer.tags()
    })
    writer.int32(0).tags()
  })
  return new ByteReader(writer.tags().bytes)
}

test.for([0, 999_999])('partition %d is one', (partitionIndex) => {
  const { topics } = metadataExchange({ topics: ['a'], mayCreate: false }).decode(
    response(partitionIndex),
  )
  expect(topics).toMatchObject([{ name: 'a', partitions: [{ partitionIndex, leaderId: -1 }] }])
})

test.for([-1, 1_000_000, 2 ** 31 - 1])('partition %d is none', (partitionIndex) => {
  const exchange = metadataExchange({ topics: ['a'], mayCreate: false })
  expect(() => exchange.decode(response(partitionIndex))).toThrow(DecodeError)
})

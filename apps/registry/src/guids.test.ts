import { guidOf } from '@fairlead/schemas'
import { expect, test } from 'vitest'
import { guidOfVersion, nativeMd5 } from './guids.ts'

test.for(['"int"', '', 'ä€😀', 'x'.repeat(100_000)])(
  'the GUID of %s is that of the core',
  (schema) => {
    const version = {
      subject: 's',
      version: 1,
      schemaId: 1,
      schemaType: 'AVRO',
      references: [{ name: 'n', subject: 'r', version: 2 }],
      schema,
      isDeleted: false,
      otherMembers: new Map(),
    } as const
    expect(guidOf(version, nativeMd5)).toBe(guidOf(version))
    expect(guidOfVersion(version)).toBe(guidOf(version))
    expect(guidOfVersion(version)).toBe(guidOf(version))
  },
)

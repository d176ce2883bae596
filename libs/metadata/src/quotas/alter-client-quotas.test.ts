import { describe, expect, test } from 'vitest'
import { QUOTA_ENTITIES_MAX, alterClientQuotas } from './alter-client-quotas.ts'
import { describeClientQuotas } from './describe-client-quotas.ts'
import { QuotasImage } from './quotas-image.ts'

type Parts = readonly (readonly [type: string, name: string | null])[]
type Op = readonly [key: string, value: number | null]

const entityOf = (parts: Parts) =>
  parts.map(([entityType, entityName]) => ({ entityType, entityName }))

function alter(
  image: QuotasImage,
  entries: readonly (readonly [Parts, ...Op[]])[],
  validateOnly = false,
) {
  const request = {
    entries: entries.map(([parts, ...ops]) => ({
      entity: entityOf(parts),
      ops: ops.map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
    })),
    validateOnly,
  }
  const { records, response } = alterClientQuotas(image, request)
  for (const record of records) {
    if (record.kind === 'ClientQuotaRecord') image.replay(record)
  }
  return response.entries.map(({ errorCode, errorMessage }) => errorMessage ?? errorCode)
}

const RATE = 'producer_byte_rate'

describe('AlterClientQuotas', () => {
  test('takes an address for the same however it is written', () => {
    const image = new QuotasImage()
    const key = 'connection_creation_rate'
    expect(alter(image, [[[['ip', '::ffff:10.0.0.1']], [key, 5]]])).toEqual(['NONE'])
    expect(alter(image, [[[['ip', '10.0.0.1']], [key, 7]]])).toEqual(['NONE'])
    expect(image.size).toBe(1)
    expect(image.connectionRateOf('10.0.0.1')).toBe(7)
    const { entries } = describeClientQuotas(image, {
      components: [{ entityType: 'ip', matchType: 0, match: '::ffff:10.0.0.1' }],
      strict: true,
    })
    expect(entries).toHaveLength(1)
    const twice = alter(image, [
      [[['ip', '::1']], [key, 1]],
      [[['ip', '0:0:0:0:0:0:0:1']], [key, 2]],
    ])
    expect(twice.every((answer) => answer.startsWith('Ignoring duplicate entity'))).toBe(true)
    expect(alter(image, [[[['ip', '::ffff:a00:1']], [key, null]]])).toEqual(['NONE'])
    expect(image.size).toBe(0)
  })

  test.for<readonly [what: string, parts: Parts, ops: readonly Op[], message: string]>([
    ['no entity', [], [[RATE, 1]], 'Invalid empty client quota entity'],
    ['an unknown type', [['role', 'x']], [[RATE, 1]], 'Unhandled client quota entity type: role'],
    ['an empty name', [['user', '']], [[RATE, 1]], 'Empty user not supported'],
    [
      'a type twice',
      [
        ['user', 'a'],
        ['user', 'b'],
      ],
      [[RATE, 1]],
      'Invalid client quota entity, duplicate entity entry user',
    ],
    [
      'an ip with a user',
      [
        ['ip', '1.2.3.4'],
        ['user', 'a'],
      ],
      [['connection_creation_rate', 1]],
      'Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId',
    ],
    [
      'an ip that is none',
      [['ip', '1.2.3.400']],
      [['connection_creation_rate', 1]],
      '1.2.3.400 is not a valid IP or resolvable host.',
    ],
    ['an unknown key', [['user', 'a']], [['bytes', 1]], 'Invalid configuration key bytes'],
    ['a key of another type', [['ip', null]], [[RATE, 1]], `Invalid configuration key ${RATE}`],
    ['zero', [['user', 'a']], [[RATE, 0]], `Quota ${RATE} must be greater than 0`],
    ['not a number', [['user', 'a']], [[RATE, Number.NaN]], `Quota ${RATE} must be greater than 0`],
    ['half a byte', [['user', 'a']], [[RATE, 0.5]], `${RATE} cannot be a fractional value.`],
    [
      'more than a long',
      [['user', 'a']],
      [[RATE, 1e19]],
      `Proposed value for ${RATE} is too large for a LONG.`,
    ],
    [
      'more than an int',
      [['ip', null]],
      [['connection_creation_rate', 2 ** 31]],
      'Proposed value for connection_creation_rate is too large for an INT.',
    ],
    [
      'infinity',
      [['user', 'a']],
      [['request_percentage', Number.POSITIVE_INFINITY]],
      'Proposed value for request_percentage is too large for a DOUBLE.',
    ],
    [
      'a key twice',
      [['user', 'a']],
      [
        [RATE, 1],
        [RATE, 2],
      ],
      `Duplicate quota key ${RATE} not updating quota for this entity ClientQuotaEntity(entries={user=a})`,
    ],
    [
      'half a percent',
      [
        ['user', 'a'],
        ['client-id', null],
      ],
      [['request_percentage', 0.5]],
      'NONE',
    ],
    ['an ip of version 6', [['ip', '::1']], [['connection_creation_rate', 5]], 'NONE'],
    ['nothing that is removed', [['user', 'a']], [['bytes', null]], 'NONE'],
  ])('%s', ([, parts, ops, message]) => {
    const image = new QuotasImage()
    expect(alter(image, [[parts, ...ops]])).toEqual([message])
    expect(image.size).toBe(message === 'NONE' && ops[0]?.[1] !== null ? 1 : 0)
  })

  test('changes an entity as a whole, or not at all, and one without the other', () => {
    const image = new QuotasImage()
    const outcome = alter(image, [
      [[['user', 'a']], [RATE, 5], ['consumer_byte_rate', -1]],
      [[['user', 'b']], [RATE, 6]],
      [
        [
          ['user', 'c'],
          ['client-id', 'x'],
        ],
        [RATE, 7],
      ],
      [
        [
          ['client-id', 'x'],
          ['user', 'c'],
        ],
        [RATE, 8],
      ],
    ])
    expect(outcome).toEqual([
      'Quota consumer_byte_rate must be greater than 0',
      'NONE',
      'Ignoring duplicate entity ClientQuotaEntity(entries={user=c, client-id=x})',
      'Ignoring duplicate entity ClientQuotaEntity(entries={client-id=x, user=c})',
    ])
    expect(Array.from(image.entities(), ({ entity }) => entity)).toEqual([{ user: 'b' }])
  })

  test('decides nothing when it only validates, and nothing for what is so already', () => {
    const image = new QuotasImage()
    expect(alter(image, [[[['user', 'a']], [RATE, 5]]], true)).toEqual(['NONE'])
    expect(image.size).toBe(0)
    alter(image, [[[['user', 'a']], [RATE, 5]]])
    const entries = [
      { entity: entityOf([['user', 'a']]), ops: [{ key: RATE, value: 5, remove: false }] },
    ]
    expect(alterClientQuotas(image, { entries, validateOnly: false }).records).toEqual([])
  })

  test('keeps to a number of entities', () => {
    const image = new QuotasImage()
    const all = Array.from(
      { length: QUOTA_ENTITIES_MAX + 1 },
      (_, index) => [[['user', `u${index}`]], [RATE, 1]] as const,
    )
    expect(alter(image, all).filter((outcome) => outcome !== 'NONE')).toEqual([
      `There are quotas of ${QUOTA_ENTITIES_MAX} entities already; remove some, or use defaults.`,
    ])
    expect(alter(image, [[[['user', 'u0']], [RATE, null]]])).toEqual(['NONE'])
    expect(alter(image, [[[['user', 'another']], [RATE, 1]]])).toEqual(['NONE'])
  })
})

describe('DescribeClientQuotas', () => {
  const image = new QuotasImage()
  alter(image, [
    [[['user', 'a']], [RATE, 1]],
    [[['user', null]], [RATE, 2]],
    [
      [
        ['user', 'a'],
        ['client-id', 'x'],
      ],
      [RATE, 3],
    ],
    [[['client-id', 'x']], [RATE, 4]],
    [[['ip', '1.2.3.4']], ['connection_creation_rate', 5]],
  ])
  const describeWith = (
    components: readonly (readonly [type: string, matchType: number, match: string | null])[],
    strict = false,
  ) => {
    const { errorMessage, entries } = describeClientQuotas(image, {
      components: components.map(([entityType, matchType, match]) => ({
        entityType,
        matchType,
        match,
      })),
      strict,
    })
    return errorMessage ?? entries?.map(({ values }) => values[0]?.value)
  }

  test('answers who matches all that is asked for', () => {
    expect(describeWith([])).toEqual([1, 2, 3, 4, 5])
    expect(describeWith([], true)).toEqual([])
    expect(describeWith([['user', 0, 'a']])).toEqual([1, 3])
    expect(describeWith([['user', 0, 'a']], true)).toEqual([1])
    expect(describeWith([['user', 1, null]])).toEqual([2])
    expect(describeWith([['user', 2, null]])).toEqual([1, 2, 3])
    expect(
      describeWith([
        ['user', 2, null],
        ['client-id', 0, 'x'],
      ]),
    ).toEqual([3])
    expect(describeWith([['ip', 2, null]])).toEqual([5])
  })

  test.for([
    [[['', 0, 'a']], 'Invalid empty entity type.'],
    [[['role', 0, 'a']], 'Unsupported entity type role'],
    [[['user', 0, null]], 'Request specified MATCH_TYPE_EXACT, but set match string to null.'],
    [
      [['user', 1, 'a']],
      'Request specified MATCH_TYPE_DEFAULT, but also specified a match string.',
    ],
    [
      [['user', 2, 'a']],
      'Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.',
    ],
    [[['user', 3, 'a']], 'Unknown match type 3'],
    [
      [
        ['user', 0, 'a'],
        ['user', 0, 'b'],
      ],
      'Entity type user cannot appear more than once in the filter.',
    ],
    [
      [
        ['ip', 2, null],
        ['user', 0, 'b'],
      ],
      'Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.',
    ],
  ] as const)('%j is refused', ([components, message]) => {
    expect(describeWith(components)).toBe(message)
  })
})

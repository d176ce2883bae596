import type { SeededRandom } from '../../support/seeded-random.ts'

/** One connection: what is sent, and what may come back. */
export type HostileRequest = {
  readonly kind: string
  readonly bytes: Buffer
  /** Statuses that are right; `closed` allows that the connection ends without an answer. */
  readonly answers: readonly (number | 'closed')[]
  /** The client has no more to send, and says so; the request may lack its end. */
  readonly isHalfClosed?: true
}

type Body = string | object
type Parts = {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Body
}

const JSON_TYPE = 'application/vnd.schemaregistry.v1+json'

function request({ method = 'POST', path = REGISTER, headers = {}, body }: Parts): Buffer {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  const all = {
    host: 'registry',
    connection: 'close',
    ...(body === undefined
      ? {}
      : { 'content-type': JSON_TYPE, 'content-length': String(Buffer.byteLength(text)) }),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${text}`, 'latin1')
}

const REGISTER = '/subjects/hostile/versions'
const REFUSED = [422] as const
const repeated = (count: number, open: string, close: string, inner = '"int"'): string =>
  `${open.repeat(count)}${inner}${close.repeat(count)}`

function tagsOf(entityPath: string, ...tags: string[]): object {
  return { schemaEntity: { entityPath, entityType: 'sr_field' }, tags }
}

/** Schemas that must be refused, by what is wrong with them. */
const REFUSED_SCHEMAS: Readonly<Record<string, object>> = {
  'a schema that is no JSON': { schema: '{' },
  'a record without a name': { schema: '{"type":"record"}' },
  'arrays in arrays, 50,000 deep': { schema: repeated(50_000, '{"type":"array","items":', '}') },
  'unions in unions, 2,000 deep': { schema: repeated(2_000, '[', ']') },
  'brackets, 500,000 deep': { schema: '['.repeat(500_000) },
  'a name that is none, 50,000 long': {
    schema: `{"type":"record","name":"${'R'.repeat(50_000)}!","fields":[]}`,
  },
  'an object as a type': {
    schema: '{"__proto__":{"type":"int"},"constructor":{"prototype":{}}}',
  },
  'a type that is a member of every object': {
    schema: '{"type":"record","name":"P","fields":[{"name":"a","type":"constructor"}]}',
  },
  'a fixed of endless size': { schema: `{"type":"fixed","name":"F","size":${'9'.repeat(500)}}` },
  'an enum that has a symbol twice': {
    schema: JSON.stringify({
      type: 'enum',
      name: 'E',
      symbols: [...Array.from({ length: 20_000 }, (_, index) => `S${index}`), 'S0'],
    }),
  },
  'a reference to the network': {
    schemaType: 'JSON',
    schema: '{"$ref":"http://169.254.169.254/latest"}',
  },
  'messages in messages, 3,000 deep': {
    schemaType: 'PROTOBUF',
    schema: 'message M {'.repeat(3_000),
  },
  'a field 5,000 times': {
    schemaType: 'PROTOBUF',
    schema: `message M { ${'string a = 1;'.repeat(5_000)} }`,
  },
  'an option that never ends': {
    schemaType: 'PROTOBUF',
    schema: `option x = ${'['.repeat(5_000)}`,
  },
  'a descriptor that is none': {
    schemaType: 'PROTOBUF',
    schema: 'CgR0ZXN0IgUKA0Zvby'.repeat(1_000),
  },
  'a comment that never ends': { schemaType: 'PROTOBUF', schema: `/*${'*'.repeat(500_000)}` },
  'a type of schema that is none': { schemaType: 'CSV', schema: '"int"' },
  'an inherited type of schema': { schemaType: '__proto__', schema: '"int"' },
  '10,000 references to nothing': {
    schema: '"int"',
    references: Array.from({ length: 10_000 }, (_, index) => ({
      name: `r${index}`,
      subject: `r${index}`,
      version: 1,
    })),
  },
  'a reference to itself': {
    schema: '"int"',
    references: [{ name: 'hostile', subject: 'hostile', version: 2 ** 31 - 1 }],
  },
  'a tag behind a million dots': {
    schema: '{"type":"record","name":"R","fields":[]}',
    schemaTagsToAdd: [tagsOf('.'.repeat(1_000_000))],
  },
  'a tag on a member of every object': {
    schema: '{"type":"object","properties":{}}',
    schemaType: 'JSON',
    schemaTagsToAdd: [tagsOf('object.constructor.prototype')],
  },
  'rules that are none': { schema: '"int"', ruleSet: { domainRules: [{ kind: 'x' }] } },
}

/** Schemas that cost something, and are taken, found incompatible, or refused. */
const COSTLY_SCHEMAS: Readonly<Record<string, (number: number) => object>> = {
  'an enum of 5,000': (number) => ({
    schema: JSON.stringify({
      type: 'enum',
      name: `E${number % 7}`,
      symbols: Array.from({ length: 5_000 }, (_, index) => `S${index}`),
    }),
  }),
  'a union of 2,000 types': (number) => ({
    schema: JSON.stringify(
      Array.from({ length: 2_000 }, (_, index) => ({
        type: 'fixed',
        name: `F${number}x${index}`,
        size: 1,
      })),
    ),
  }),
  'a record of 10,000 fields': (number) => ({
    schema: JSON.stringify({
      type: 'record',
      name: 'Wide',
      fields: Array.from({ length: 10_000 + (number % 3) }, (_, index) => ({
        name: `field${index}`,
        type: ['null', 'string'],
        default: null,
      })),
    }),
  }),
  'an object of 15,000 properties': (number) => ({
    schemaType: 'JSON',
    schema: JSON.stringify({
      type: 'object',
      properties: Object.fromEntries(
        Array.from({ length: 15_000 + (number % 3) }, (_, index) => [
          `property${index}`,
          { type: 'string', maxLength: 10 },
        ]),
      ),
      additionalProperties: false,
    }),
  }),
  'an enum that no record of the topic can hold': (number) => ({
    schema: JSON.stringify({
      type: 'enum',
      name: `Large${number % 3}`,
      symbols: Array.from({ length: 150_000 }, (_, index) => `S${index}`),
    }),
  }),
  '12,000 messages': (number) => ({
    schemaType: 'PROTOBUF',
    schema: Array.from(
      { length: 12_000 + (number % 3) },
      (_, index) => `message Message${index} { string field = 1; repeated int64 other = 2; }`,
    ).join('\n'),
  }),
  'a type that holds itself twice': () => ({
    schema:
      '{"type":"record","name":"T","fields":[{"name":"l","type":"T"},{"name":"r","type":["T","null"]}]}',
  }),
  'a number of a million digits': () => ({ schema: '{"type":"int","x":1e999999}' }),
  'a JSON Schema that is itself': () => ({ schemaType: 'JSON', schema: '{"$ref":"#"}' }),
  'patterns that backtrack': (number) => ({
    schemaType: 'JSON',
    schema: JSON.stringify({
      type: 'object',
      properties: { [`${'a'.repeat(60)}${number % 3}`]: { type: 'string' } },
      patternProperties: { '(a+)+$': { type: 'string' }, '(a|a)*b': { type: 'integer' } },
      additionalProperties: false,
    }),
  }),
  'negations, 900 deep': () => ({
    schemaType: 'JSON',
    schema: repeated(900, '{"not":', '}', '{}'),
  }),
  'a tag on each of 5,000 fields': (number) => ({
    schema: JSON.stringify({
      type: 'record',
      name: `Tagged${number % 3}`,
      fields: Array.from({ length: 5_000 }, (_, index) => ({ name: `f${index}`, type: 'int' })),
    }),
    schemaTagsToAdd: Array.from({ length: 5_000 }, (_, index) =>
      tagsOf(`Tagged${number % 3}.f${index}`, `T${number % 3}`),
    ),
    propagateSchemaTags: true,
  }),
  'tags behind a union that is sorted for each': (number) => ({
    schemaType: 'JSON',
    schema: JSON.stringify({
      anyOf: Array.from({ length: 3_000 }, (_, index) => ({
        type: 'object',
        title: `t${(index * 7) % 3_000}`,
        properties: { [`p${number % 3}`]: { type: 'string' } },
      })),
    }),
    schemaTagsToAdd: Array.from({ length: 3_000 }, (_, index) =>
      tagsOf(`anyof.${index}.object.p${number % 3}`, 'T'),
    ),
  }),
  'a union of 300 objects': (number) => ({
    schemaType: 'JSON',
    schema: JSON.stringify({
      anyOf: Array.from({ length: 300 }, (_, index) => ({
        type: 'object',
        properties: { [`p${(index * 7 + number) % 300}`]: { type: 'string' } },
        additionalProperties: false,
      })),
    }),
  }),
}

/** Bodies that are no request, whatever the schema. */
const BAD_BODIES: Readonly<Record<string, Body>> = {
  'JSON that ends early': '{"schema":"\\"int\\""',
  'a list': '[]',
  'a number': '5',
  null: 'null',
  'a schema that is a number': { schema: 5 },
  'a schema that is an object': { schema: { type: 'int' } },
  'references that are none': { schema: '"int"', references: { length: 3 } },
  'a reference that is null': { schema: '"int"', references: [null] },
  'a version that is too large': {
    schema: '"int"',
    references: [{ name: 'x', subject: 'x', version: 2 ** 60 }],
  },
  'tags that are none': { schema: '"int"', schemaTagsToAdd: [null] },
  '20,000 tags': {
    schema: '"int"',
    schemaTagsToAdd: [tagsOf('x', ...Array.from({ length: 20_000 }, (_, index) => `T${index}`))],
  },
  'metadata that is a list': { schema: '"int"', metadata: [] },
  'tags that are a number': { schema: '"int"', metadata: { tags: 5 } },
  'metadata, 100,000 deep': `{"schema":"\\"int\\"","metadata":{"properties":${repeated(100_000, '{"a":', '}', '1')}}}`,
  'brackets, a million deep': '['.repeat(1_000_000),
}

const UNREADABLE: Readonly<Record<string, Buffer | string>> = {
  'no HTTP': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on\r\n\r\n',
  'no method': ' / HTTP/1.1\r\n\r\n',
  'a length that is none': `POST ${REGISTER} HTTP/1.1\r\nhost: r\r\ncontent-length: ten\r\n\r\n`,
  'two lengths': `POST ${REGISTER} HTTP/1.1\r\nhost: r\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}`,
  'length and chunks': `POST ${REGISTER} HTTP/1.1\r\nhost: r\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  'a chunk of no length': `POST ${REGISTER} HTTP/1.1\r\nhost: r\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n`,
  'a header without a name': 'GET / HTTP/1.1\r\nhost: r\r\n: x\r\n\r\n',
  'a NUL in a header': 'GET / HTTP/1.1\r\nhost: r\r\nx: a\0b\r\n\r\n',
}

const ODD_PATHS: readonly (readonly [string, string, readonly number[]])[] = [
  ['GET', '/subjects/%00/versions/latest', [404, 422]],
  ['GET', '/subjects/s/versions/99999999999999999999', [422]],
  ['GET', '/subjects/s/versions/-2', [422]],
  ['GET', '/subjects/s/versions/1e3', [422]],
  ['GET', `/schemas/ids/${'9'.repeat(300)}`, [404]],
  ['GET', '/schemas/ids/__proto__', [404]],
  ['GET', '/schemas/guids/%F0%9F', [400]],
  ['GET', '/schemas/guids/constructor', [404]],
  ['GET', `/subjects/${'a'.repeat(3_000)}/versions`, [404, 414]],
  ['GET', '/subjects?limit=x', [404]],
  ['GET', '/contexts/%E0%A4%A/subjects', [400]],
  ['GET', '/../../etc/passwd', [404]],
  ['GET', '/subjects/..%2f..%2fetc%2fpasswd/versions', [404]],
  ['PATCH', '/config', [405]],
  ['PUT', '/subjects', [405]],
  ['BREW', '/', [400]],
  ['DELETE', '/subjects/__proto__', [404]],
  ['GET', '/config/__proto__', [404]],
  ['GET', '/mode/constructor', [404]],
  ['GET', '/subjects/hostile/versions/latest?findTags=*&findTags=__proto__', [200, 404]],
  ['PUT', '/subjects/hostile/versions/latest/tags', [405]],
  ['GET', '/associations/resources/-/-?limit=-5', [200]],
  ['GET', '/associations/resources/__proto__', [200]],
  ['GET', '/associations/subjects/constructor?lifecycle=__proto__', [404]],
  ['DELETE', '/associations/resources/__proto__?cascadeLifecycle=true', [404]],
  ['GET', '/associations:batchGet', [405]],
  ['GET', '/no/such/path', [404]],
]

const KINDS: readonly ((random: SeededRandom, number: number) => HostileRequest)[] = [
  ({ pick }) => {
    const [kind, schema] = pick(Object.entries(REFUSED_SCHEMAS))
    return { kind, bytes: request({ body: schema }), answers: REFUSED }
  },
  ({ pick }, number) => {
    const [kind, schema] = pick(Object.entries(COSTLY_SCHEMAS))
    const path = pick([
      REGISTER,
      '/subjects/hostile-json/versions',
      `/subjects/hostile-${number % 3}/versions`,
      '/subjects/hostile-json',
      '/compatibility/subjects/hostile/versions?verbose=true',
      '/compatibility/subjects/hostile-json/versions/latest?verbose=true',
    ])
    const accept = pick([JSON_TYPE, 'application/vnd.fairlead.registry.v1+json'])
    const bytes = request({ path, headers: { accept }, body: schema(number) })
    return { kind: `${kind}, ${path}`, bytes, answers: [200, 404, 409, 422] }
  },
  ({ pick }) => {
    const [kind, body] = pick(Object.entries(BAD_BODIES))
    return { kind, bytes: request({ body }), answers: [400] }
  },
  ({ pick }) => {
    const [kind, text] = pick(Object.entries(UNREADABLE))
    return { kind, bytes: Buffer.from(text as string, 'latin1'), answers: [400] }
  },
  ({ pick }) => {
    const [method, path, answers] = pick(ODD_PATHS)
    return { kind: `${method} ${path.slice(0, 60)}`, bytes: request({ method, path }), answers }
  },
  ({ pick, int }) => {
    const [kind, headers, answer] = pick([
      ['a body of another type', { 'content-type': 'text/xml' }, 415],
      ['an answer of another type', { accept: 'text/html' }, 406],
      ['a header of 100 kB', { x: 'x'.repeat(100_000) }, 431],
      [
        '2,000 headers',
        Object.fromEntries(Array.from({ length: 2_000 }, (_, n) => [`h${n}`, 'x'.repeat(20)])),
        431,
      ],
    ] as const)
    const body = { schema: `"${pick(['int', 'long'])}"`, version: -int(3) - 1 }
    return { kind, bytes: request({ headers, body }), answers: [answer] }
  },
  ({ pick }) => {
    // The answer comes before the client has sent all of it, which may cost the client the answer.
    const [kind, bytes] = pick([
      ['a body of 3 MB', request({ body: `{"schema":"${' '.repeat(3_000_000)}"}` })],
      [
        'a body that declares 1 TB',
        request({ headers: { 'content-length': '1099511627776' }, body: ' '.repeat(2_200_000) }),
      ],
    ] as const)
    return { kind, bytes, answers: [413, 'closed'] }
  },
  ({ int }) => {
    const whole = request({ body: { schema: '"int"', note: 'x'.repeat(10_000) } })
    const bytes = whole.subarray(0, int(whole.length))
    return { kind: 'a part of a request', bytes, answers: [400, 'closed'], isHalfClosed: true }
  },
  ({ int }) => {
    const whole = request({ body: { schema: '"int"' } })
    for (let count = 0; count < 4; count += 1) whole[int(whole.length)] = int(256)
    const answers = [200, 400, 404, 405, 406, 409, 413, 415, 422, 431, 505, 'closed'] as const
    return { kind: 'a request with wrong bytes', bytes: whole, answers, isHalfClosed: true }
  },
  (_random, number) => ({
    kind: 'one more subject',
    bytes: request({ path: `/subjects/flood-${number}/versions`, body: { schema: '"int"' } }),
    answers: [200],
  }),
  ({ pick }, number) => {
    const names = { resourceName: '__proto__', resourceNamespace: 'constructor', resourceId: 'x' }
    const wish = pick([
      {},
      { subject: 'hostile', lifecycle: 'WEAK' },
      { subject: '__proto__', lifecycle: 'STRONG' },
      { schema: { schema: '"int"', schemaTagsToAdd: [tagsOf('a.b')] } },
      { schema: { schema: `{"type":"fixed","name":"F${number}","size":1}` } },
    ])
    const associations = [{ ...wish, associationType: pick(['key', 'value', 'constructor']) }]
    const [method, path, body] = pick([
      ['POST', '/associations', { ...names, associations }],
      ['PUT', '/associations/resources/x', { ...names, associations }],
      ['POST', '/associations:batchGet', { requests: [names, {}, { resourceId: '__proto__' }] }],
      [
        'POST',
        '/associations:batchMutate',
        {
          requests: Array.from({ length: 50 }, () => ({
            ...names,
            associations: [{ ...wish, opType: pick(['CREATE', 'UPSERT', 'DELETE']) }],
          })),
        },
      ],
    ] as const)
    const answers = [200, 207, 409, 422] as const
    return { kind: `${method} ${path}`, bytes: request({ method, path, body }), answers }
  },
  ({ pick }) => {
    const body = `{"__proto__":{"isAdmin":true,"schema":"\\"long\\""},"constructor":{"prototype":{"x":1}}}`
    const path = pick([REGISTER, '/config/hostile', '/mode/hostile'])
    const method = path === REGISTER ? 'POST' : 'PUT'
    return {
      kind: `__proto__ in ${path}`,
      bytes: request({ method, path, body }),
      answers: [200, 422],
    }
  },
]

export function hostileRequest(random: SeededRandom, number: number): HostileRequest {
  return random.pick(KINDS)(random, number)
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { InvalidSchemaError } from './invalid-schema-error.ts'
import { jsonDifferences } from './json-schema/json-differences.ts'
import { loadJsonSchema } from './json-schema/load-json-schema.ts'
import { patternMatches } from './json-schema/pattern-matches.ts'
import { resolveUri } from './json-schema/schema-documents.ts'
import { serializedProto } from './protobuf/descriptor/encode-descriptor.ts'
import { loadProto } from './protobuf/load-proto.ts'
import { printProto } from './protobuf/print-proto.ts'
import { protoDifferences } from './protobuf/proto-differences.ts'
import { type SchemaDocument, documentText } from './schema-document.ts'

const json = (schema: unknown, references: Readonly<Record<string, unknown>> = {}) =>
  loadJsonSchema(
    JSON.stringify(schema),
    Object.entries(references).map(([name, text]) => ({ name, text: JSON.stringify(text) })),
  )
const jsonTypes = (old: unknown, next: unknown): string[] =>
  jsonDifferences(json(old).root, json(next).root, { isLenient: false }).map(({ type }) => type)

const proto = (text: string, references: Readonly<Record<string, string>> = {}, isStrict = true) =>
  loadProto(
    text,
    Object.entries(references).map(([name, referenced]) => ({
      name,
      text: referenced,
      origin: `${name} 1`,
    })),
    { isStrict },
  )
const protoTypes = (old: string, next: string): string[] =>
  protoDifferences(proto(old), proto(next)).map(({ type }) => type)

describe('one id or two', () => {
  type Pair = {
    readonly id: string
    readonly schemaType: 'JSON' | 'PROTOBUF'
    readonly a: { readonly schemaText: string }
    readonly b: { readonly schemaText: string }
    readonly plain: { readonly sameSubjectReuse: boolean; readonly otherSubjectIdReuse: boolean }
    readonly normalize: Pair['plain']
  }
  const pairs = JSON.parse(
    readFileSync(join(import.meta.dirname, '../testdata/canonical.json'), 'utf8'),
  ) as Pair[]
  const documentOf = (schemaType: Pair['schemaType'], text: string): SchemaDocument =>
    schemaType === 'JSON'
      ? { schemaType, json: loadJsonSchema(text, []) }
      : { schemaType, proto: proto(text) }

  test.for(pairs)('$id', ({ schemaType, a, b, plain, normalize }) => {
    const [first, second] = [a, b].map(({ schemaText }) => documentOf(schemaType, schemaText))
    if (first === undefined || second === undefined) throw new Error('two schemas')
    const areEqual = (form: 'stored' | 'normalized' | 'equivalence'): boolean =>
      documentText(first, form) === documentText(second, form)
    expect(areEqual('stored')).toBe(plain.otherSubjectIdReuse)
    expect(areEqual('equivalence')).toBe(plain.sameSubjectReuse)
    expect(areEqual('normalized')).toBe(normalize.otherSubjectIdReuse)
  })
})

describe('JSON Schema', () => {
  test.for([
    [{ type: 'text' }, 'unknown type'],
    [{ type: 5 }, '#/type: must be an array'],
    [{ properties: [] }, '#/properties: must be an object'],
    [{ properties: { a: 1 } }, '#/properties/a: a schema is an object or a boolean'],
    [{ required: 'a' }, '#/required: must be an array'],
    [{ type: 'string', minLength: -1 }, '#/minLength: must be an integer'],
    [{ type: 'string', pattern: '(' }, 'is not a regular expression'],
    [{ $ref: '#/definitions/missing' }, 'neither in the schema nor among its references'],
    [{ $ref: 'http://169.254.169.254/schema' }, 'neither in the schema nor among its references'],
    [{ definitions: { a: { type: 'nothing' } } }, 'unknown type'],
  ] as const)('%j is refused: %s', ([schema, message]) => {
    expect(() => json(schema)).toThrow(InvalidSchemaError)
    expect(() => json(schema)).toThrow(message)
  })

  test('a recursive schema is compared once', () => {
    const tree = (leaf: string) => ({
      type: 'object',
      properties: { value: { type: leaf }, next: { $ref: '#' } },
    })
    expect(jsonTypes(tree('integer'), tree('number'))).toEqual(['TYPE_EXTENDED'])
    expect(jsonTypes(tree('number'), tree('integer'))).toEqual(['TYPE_NARROWED'])
  })

  test.for([
    ['by its name', { $ref: 'address.json' }],
    ['by its name and a pointer', { $ref: 'address.json#/definitions/zip' }],
    ['by an anchor', { $ref: 'address.json#street' }],
    ['against the $id of the schema', { $id: 'http://x/y/z.json', $ref: undefined }],
  ] as const)('a reference is found %s', ([, schema]) => {
    const address = {
      definitions: { zip: { type: 'string' }, street: { $anchor: 'street', type: 'string' } },
    }
    const text =
      schema.$ref === undefined
        ? { $id: schema.$id, properties: { home: { $ref: 'address.json' } } }
        : { properties: { home: schema } }
    expect(() => json(text, { 'address.json': address })).not.toThrow()
    expect(() => json(text)).toThrow(InvalidSchemaError)
  })

  test.for([
    ['', 'a.json', 'a.json'],
    ['http://x/y/z.json', 'a.json', 'http://x/y/a.json'],
    ['http://x/y/z.json', '/a.json', 'http://x/a.json'],
    ['http://x', 'a.json', 'http://x/a.json'],
    ['b/c.json', 'a.json', 'b/a.json'],
    ['http://x/', 'urn:a', 'urn:a'],
  ] as const)('from %j, %j leads to %j', ([base, uri, resolved]) => {
    expect(resolveUri(base, uri)).toBe(resolved)
  })

  test('alternatives are matched each with one', () => {
    const oneOf = (...types: string[]) => ({ oneOf: types.map((type) => ({ type })) })
    expect(jsonTypes(oneOf('string', 'null'), oneOf('null', 'string'))).toEqual([])
    expect(jsonTypes(oneOf('string', 'null'), oneOf('null', 'boolean'))).toEqual([
      'COMBINED_TYPE_SUBSCHEMAS_CHANGED',
    ])
    expect(jsonTypes(oneOf('string', 'null'), oneOf('null'))).toEqual(['SUM_TYPE_NARROWED'])
    expect(jsonTypes({ type: 'string' }, oneOf('null', 'string'))).toEqual(['SUM_TYPE_EXTENDED'])
  })

  test('chains of references and many alternatives end in a refusal, soon', () => {
    const chain = (leaf: string) => ({
      definitions: Object.fromEntries(
        Array.from({ length: 5_000 }, (_, index) => [
          `d${index}`,
          index === 4_999
            ? { type: leaf }
            : { properties: { next: { $ref: `#/definitions/d${index + 1}` } } },
        ]),
      ),
      $ref: '#/definitions/d0',
    })
    expect(jsonTypes(chain('string'), chain('integer'))).toContain('COMPARISON_TOO_LARGE')
    const wide = (start: number) => ({
      oneOf: Array.from({ length: 1_000 }, (_, index) => ({ enum: [start + index] })),
    })
    expect(jsonTypes(wide(0), wide(5_000))).toContain('COMBINED_TYPE_SUBSCHEMAS_CHANGED')
    const more = { oneOf: [...wide(0).oneOf, { enum: [-1] }] }
    expect(jsonTypes(wide(0), more)).toEqual(['SUM_TYPE_EXTENDED'])
  })

  test.for([
    ['^a', 'abc', true],
    ['b$', 'abc', false],
    ['(a+)+$', 'a'.repeat(40), false],
    ['(', 'a', false],
    ['^(a|b)_[0-9]+$', 'b_12', true],
    ['^(?:a)b?$', 'a', true],
    [`${'(|)'.repeat(60)}x`, 'aaa', false],
    [`${'a?'.repeat(60)}${'a'.repeat(60)}`, 'a'.repeat(60), false],
  ] as const)('the pattern %j matches %j: %s', ([pattern, name, expected]) => {
    expect(patternMatches(pattern, name, 1_000_000)).toBe(expected)
  })

  test('all patterns of a comparison share what time there is', () => {
    const pattern = `^${'[a-z]*'.repeat(3)}$`
    const names = Array.from({ length: 500 }, (_, index) => `${'a'.repeat(100)}${index}`)
    const properties = Object.fromEntries(names.map((name) => [name, { type: 'string' }]))
    const before = { type: 'object', patternProperties: { [pattern]: {} } }
    const cpuBefore = process.cpuUsage()
    jsonTypes(before, { type: 'object', properties })
    expect(process.cpuUsage(cpuBefore).user / 1_000).toBeLessThan(5_000)
  })
})

describe('Protobuf', () => {
  const text = `
    // A comment.
    syntax = "proto3"; package shop.v1;
    import "google/protobuf/timestamp.proto";
    option java_package = "com.shop";
    enum Colour { RED = 0; BLUE = 0x2 [deprecated = true]; }
    message Order {
      option deprecated = false;
      reserved 5, 7 to 9, "old";
      map<string, Item> items = 2; repeated int64 totals = 1 [packed = true, json_name = 'sum'];
      oneof payment { string card = 3; Cash cash = 4; }
      message Item { google.protobuf.Timestamp at = 1; }
    }
    message Cash {}
    service Shop { rpc Buy (stream Order) returns (Cash) { option deprecated = true; } }
  `
  const printed = `syntax = "proto3";
package shop.v1;

import "google/protobuf/timestamp.proto";

option java_package = "com.shop";

message Order {
  reserved 5, 7 to 9, "old";

  option deprecated = false;

  map<string, Item> items = 2;
  repeated int64 totals = 1 [
    packed = true,
    json_name = "sum"
  ];

  oneof payment {
    string card = 3;
    Cash cash = 4;
  }

  message Item {
    google.protobuf.Timestamp at = 1;
  }
}
message Cash {}
enum Colour {
  RED = 0;
  BLUE = 2 [deprecated = true];
}

service Shop {
  rpc Buy (stream Order) returns (Cash) {
    option deprecated = true;
  };
}
`

  test('a file is printed without comments, messages before enums', () => {
    expect(printProto(proto(text).file)).toBe(printed)
    expect(printProto(proto(printed).file)).toBe(printed)
  })

  test('normalization sorts fields and writes full names, and changes nothing twice', () => {
    const { file, types } = proto(text)
    const normalized = printProto(file, types)
    expect(normalized).toContain('map<string, .shop.v1.Order.Item> items = 2;')
    expect(normalized).toContain('.google.protobuf.Timestamp at = 1;')
    expect(normalized.indexOf('totals')).toBeLessThan(normalized.indexOf('items'))
    const again = proto(normalized)
    expect(printProto(again.file, again.types)).toBe(normalized)
  })

  test.for([
    ['message M { string a = 1 }', "line 1, column 26: expected ';', found '}'"],
    ['message M { string a = 0; }', 'expected a number from 1 to'],
    ['message M { string a = 19500; }', 'expected a number from 1 to'],
    ['message M { string a = 1; int32 b = 1; }', 'two fields have the number 1'],
    ['message M { string a = 1; int32 a = 2; }', 'two fields are called "a"'],
    ['message M { reserved 1; string a = 1; }', 'is reserved'],
    ['message M { N a = 1; }', 'the type "N" is not defined'],
    ['syntax = "proto3"; message M { required string a = 1; }', 'proto3 has no required fields'],
    ['syntax = "proto3"; enum E { A = 1; }', 'the first constant has the number 0'],
    ['import "other.proto";', 'no reference has this name'],
    ['message M {} message M {}', 'is defined twice'],
    ['"int"', 'expected a message, an enum or another declaration'],
    ['message M {'.repeat(100), 'at most 64 levels'],
    ['message M { string a = 1 [x = ' + '['.repeat(100), 'at most 64 levels'],
  ] as const)('%s is refused: %s', ([schema, message]) => {
    expect(() => proto(schema)).toThrow(InvalidSchemaError)
    expect(() => proto(schema)).toThrow(message)
  })

  test('a stored file is read although its import is gone', () => {
    expect(() => proto('import "gone.proto"; message M { N a = 1; }', {}, false)).not.toThrow()
  })

  test('a message of a reference is compared where it is used', () => {
    const user = 'import "n.proto"; message M { N n = 1; }'
    const [old, next] = ['string', 'int32'].map((type) =>
      loadProto(
        user,
        [{ name: 'n.proto', text: `message N { ${type} a = 1; }`, origin: `n ${type}` }],
        { isStrict: true },
      ),
    )
    if (old === undefined || next === undefined) throw new Error('two schemas')
    expect(protoDifferences(old, old)).toEqual([])
    expect(protoDifferences(old, next)).toEqual([
      { type: 'FIELD_SCALAR_KIND_CHANGED', path: '#/N/1' },
      { type: 'FIELD_NAMED_TYPE_CHANGED', path: '#/M/1' },
    ])
  })

  test('messages of references that use each other ever so often end in a refusal, soon', () => {
    const chain = (type: string) =>
      Array.from({ length: 24 }, (_, index) => ({
        name: `m${index}.proto`,
        text:
          index === 23
            ? `message M23 { ${type} a = 1; }`
            : `import "m${index + 1}.proto"; message M${index} { M${index + 1} a = 1; M${index + 1} b = 2; }`,
        origin: `m${index} ${type}`,
      })).toReversed()
    const user = 'import "m0.proto"; message M { M0 a = 1; }'
    const [old, next] = ['string', 'int32'].map((type) =>
      loadProto(user, chain(type), { isStrict: true }),
    )
    if (old === undefined || next === undefined) throw new Error('two schemas')
    expect(protoDifferences(old, next).map(({ type }) => type)).toContain('COMPARISON_TOO_LARGE')
  })

  const message = (body: string): string => `message M { ${body} }`
  test.for([
    ['int32 a = 1;', 'repeated int32 a = 1;', ['FIELD_NUMERIC_LABEL_CHANGED']],
    ['string a = 1;', 'repeated string a = 1;', ['FIELD_STRING_OR_BYTES_LABEL_CHANGED']],
    ['int32 a = 1;', 'map<string, int32> a = 1;', ['FIELD_KIND_CHANGED']],
    ['string a = 1;', 'oneof o { string a = 1; }', ['ONEOF_ADDED']],
    [
      'oneof o { string a = 1; int32 b = 2; }',
      'oneof o { string a = 1; }',
      ['ONEOF_FIELD_REMOVED'],
    ],
    ['oneof o { string a = 1; }', 'oneof o { string a = 1; int32 b = 2; }', ['ONEOF_FIELD_ADDED']],
    ['oneof o { string a = 1; }', 'oneof o { bool a = 1; }', ['FIELD_SCALAR_KIND_CHANGED']],
  ] as const)('from "%s" to "%s": %j', ([old, next, types]) => {
    expect(protoTypes(message(old), message(next))).toEqual(types)
  })
})

describe('descriptors of Protobuf', () => {
  const text = `syntax = "proto3";
package shop.v1;

import "google/protobuf/timestamp.proto";

option java_package = "com.shop";
option java_multiple_files = true;

message Order {
  reserved 5, 7 to 9;
  reserved "old";

  optional string note = 1 [deprecated = true];
  repeated int64 totals = 2;
  map<string, .shop.v1.Order.Item> items = 6;
  .shop.v1.Colour colour = 11 [json_name = "shade"];

  oneof payment {
    string card = 3;
    .shop.v1.Cash cash = 4;
  }

  message Item {
    .google.protobuf.Timestamp at = 1;
  }
  enum State {
    NEW = 0;
    GONE = -1;
  }
}
message Cash {}
enum Colour {
  RED = 0;
}

service Shop {
  rpc Buy (stream .shop.v1.Order) returns (.shop.v1.Cash);
}
`

  test('a file goes through its descriptor unchanged', () => {
    const serialized = serializedProto(proto(text))
    expect(serialized).toMatch(/^[A-Za-z0-9+/]+=*$/)
    expect(printProto(proto(serialized).file)).toBe(text)
    expect(serializedProto(proto(serialized))).toBe(serialized)
  })

  test.for(['AAAA', '////', 'CgR0ZXN0IgUKA0Zvby9v', 'aGVsbG8=', 'IgUKA0Zv'])(
    '%s is no descriptor',
    (serialized) => {
      expect(() => proto(serialized)).toThrow(InvalidSchemaError)
    },
  )
})

import type { OptionValue, ProtoOption } from '../protobuf/proto-file.ts'

/** All options of one name: with members where they are written with names behind the option's or in braces. */
export type MergedOption =
  | {
      readonly name: string
      readonly members: ReadonlyMap<string, OptionValue>
      readonly value?: undefined
    }
  | { readonly name: string; readonly members?: undefined; readonly value: OptionValue }

/** `(confluent.field_meta).tags` is part of the option `confluent.field_meta`. */
export function optionKey(name: string): string {
  return headOf(name).replace(/^\(?\.?|\)$/g, '')
}

/**
 * Options by name, as Confluent merges them: members of one name become a list of all their values, and of
 * options without members the last one stays.
 */
export function mergedOptions(options: readonly ProtoOption[]): ReadonlyMap<string, MergedOption> {
  const merged = new Map<string, MergedOption>()
  for (const option of options) {
    const key = optionKey(option.name)
    const next = withMembers(option)
    const before = merged.get(key)
    merged.set(
      key,
      before?.members === undefined || next.members === undefined
        ? next
        : { name: next.name, members: unitedMembers([...before.members, ...next.members]) },
    )
  }
  return merged
}

function withMembers({ name, value }: ProtoOption): MergedOption {
  const head = headOf(name)
  const rest = name.slice(head.length + 1)
  if (rest === '') {
    if (value.kind !== 'message') return { name, value }
    return { name, members: unitedMembers(value.members) }
  }
  const [first = '', ...inner] = rest.split('.')
  const nested = inner.reduceRight<OptionValue>(
    (within, member) => ({ kind: 'message', members: [[member, within]] }),
    value,
  )
  return { name: head, members: new Map([[first, nested]]) }
}

/** What is in parentheses; only behind them are names of members. */
function headOf(name: string): string {
  const end = name.indexOf(')')
  return end === -1 ? name : name.slice(0, end + 1)
}

function unitedMembers(
  members: readonly (readonly [string, OptionValue])[],
): ReadonlyMap<string, OptionValue> {
  const values = new Map<string, OptionValue[]>()
  for (const [name, value] of members) {
    const before = values.get(name)
    if (before === undefined) values.set(name, [value])
    else before.push(value)
  }
  return new Map([...values].map(([name, all]) => [name, unitedValue(all)]))
}

/** One value is what it is; of several, each once. */
function unitedValue(values: readonly OptionValue[]): OptionValue {
  const [first] = values
  if (first !== undefined && values.length === 1) return first
  const items = values.flatMap((value) => (value.kind === 'list' ? value.items : [value]))
  return {
    kind: 'list',
    items: [...new Map(items.map((item) => [JSON.stringify(item), item])).values()],
  }
}

/** The order in which a `java.util.HashMap` gives its values, in which Confluent writes merged options. */
export function inHashMapOrder<Value>(map: ReadonlyMap<string, Value>): readonly Value[] {
  let tableSize = 16
  while (map.size > tableSize * 0.75) tableSize *= 2
  const bucketOf = (key: string): number => {
    let hash = 0
    for (let index = 0; index < key.length; index += 1) {
      hash = (Math.imul(hash, 31) + key.charCodeAt(index)) | 0
    }
    return (hash ^ (hash >>> 16)) & (tableSize - 1)
  }
  return [...map]
    .map(([key, value]) => ({ bucket: bucketOf(key), value }))
    .sort((left, right) => left.bucket - right.bucket)
    .map(({ value }) => value)
}

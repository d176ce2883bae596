import type {
  OptionValue,
  ProtoField,
  ProtoFile,
  ProtoMessage,
  ProtoOption,
} from '../protobuf/proto-file.ts'
import { FoundTags } from './found-tags.ts'
import { inHashMapOrder, mergedOptions, optionKey } from './proto-options.ts'
import {
  type EntityChange,
  type SchemaTags,
  type TagChange,
  changedTags,
  changesByEntity,
  noEntity,
} from './schema-tags.ts'

/**
 * Tags are in the options of Confluent's `meta.proto`. Paths are names of messages, nested ones behind their
 * outer one, and that of a field; between them the name of a oneof may stand. The package is left out.
 */

const MESSAGE_META = 'confluent.message_meta'
const FIELD_META = 'confluent.field_meta'
const TAGS = 'tags'

/** Tags of messages and their fields. @throws {InvalidSchemaError} when they take too much room. */
export function protoTags(file: ProtoFile): readonly SchemaTags[] {
  const found = new FoundTags()
  const visit = (message: ProtoMessage, scope: string): void => {
    const path = `${scope}${message.name}`
    found.add('sr_record', path, tagsOf(message.options, MESSAGE_META))
    const inOneofs = message.oneofs.flatMap((oneof) => oneof.fields)
    for (const { name, options } of [...inOneofs, ...message.fields]) {
      found.add('sr_field', `${path}.${name}`, tagsOf(options, FIELD_META))
    }
    for (const inner of messagesIn(message)) visit(inner, `${path}.`)
  }
  for (const message of messagesIn(file)) visit(message, '')
  return found.list()
}

function messagesIn({ types }: Pick<ProtoFile, 'types'>): readonly ProtoMessage[] {
  return types.filter((type) => type.kind === 'message')
}

function tagsOf(options: readonly ProtoOption[], meta: string): readonly string[] {
  if (!options.some(({ name }) => optionKey(name) === meta)) return []
  return textsOf(mergedOptions(options).get(meta)?.members?.get(TAGS))
}

function textsOf(value: OptionValue | undefined): readonly string[] {
  if (value === undefined) return []
  const items = value.kind === 'list' ? value.items : [value]
  return [...new Set(items.flatMap((item) => (item.kind === 'string' ? [item.text] : [])))]
}

/**
 * The file with other tags. Options of what is changed are written as Confluent's registry writes them: one
 * for each name, and its members in braces.
 *
 * @throws {InvalidSchemaError} for a path that leads nowhere.
 */
export function protoWithTags(file: ProtoFile, change: TagChange): ProtoFile {
  const changes = new Map<ProtoMessage | ProtoField, EntityChange[]>()
  for (const each of changesByEntity(change)) {
    const entity = entityAt(file, each)
    if (entity === undefined) throw noEntity(each.entity.entityPath)
    const before = changes.get(entity)
    if (before === undefined) changes.set(entity, [each])
    else before.push(each)
  }
  const retaggedField = (field: ProtoField): ProtoField => {
    const own = changes.get(field)
    return own === undefined
      ? field
      : { ...field, options: retagged(field.options, FIELD_META, own) }
  }
  const retaggedMessage = (message: ProtoMessage): ProtoMessage => {
    const own = changes.get(message)
    const { options } = message
    return {
      ...message,
      options: own === undefined ? options : retagged(options, MESSAGE_META, own),
      fields: message.fields.map(retaggedField),
      oneofs: message.oneofs.map((oneof) => ({
        ...oneof,
        fields: oneof.fields.map(retaggedField),
      })),
      types: message.types.map((type) => (type.kind === 'message' ? retaggedMessage(type) : type)),
    }
  }
  const types = file.types.map((type) => (type.kind === 'message' ? retaggedMessage(type) : type))
  return { ...file, types }
}

function retagged(
  options: readonly ProtoOption[],
  meta: string,
  changes: readonly EntityChange[],
): readonly ProtoOption[] {
  const merged = new Map(mergedOptions(options))
  const before = merged.get(meta)
  const members = new Map(before?.members)
  const tags = changes.reduce<readonly string[]>(changedTags, textsOf(members.get(TAGS)))
  if (tags.length === 0) members.delete(TAGS)
  else members.set(TAGS, { kind: 'list', items: tags.map((text) => ({ kind: 'string', text })) })
  if (members.size === 0) merged.delete(meta)
  else merged.set(meta, { name: before?.name ?? `(${meta})`, members })
  return inHashMapOrder(merged).map(({ name, members: own, value: plain }) => ({
    name,
    value: own === undefined ? plain : { kind: 'message', members: [...own] },
  }))
}

/** The message or field of a path; a field of a oneof also behind the oneof's name. */
function entityAt(
  file: ProtoFile,
  { entity, path }: EntityChange,
): ProtoMessage | ProtoField | undefined {
  const parts = path.split('.')
  const names = entity.entityType === 'sr_field' ? parts.slice(0, -1) : parts
  let message: ProtoMessage | undefined
  for (const [index, name] of names.entries()) {
    const inner = messagesIn(message ?? file).find((candidate) => candidate.name === name)
    if (inner !== undefined) {
      message = inner
      continue
    }
    const isLast = entity.entityType === 'sr_field' && index === names.length - 1
    const oneof = isLast ? message?.oneofs.find((candidate) => candidate.name === name) : undefined
    return oneof?.fields.find((field) => field.name === parts.at(-1))
  }
  if (entity.entityType === 'sr_record') return message
  for (const fields of [message, ...(message?.oneofs ?? [])].map((each) => each?.fields ?? [])) {
    const field = fields.find(({ name }) => name === parts.at(-1))
    if (field !== undefined) return field
  }
  return undefined
}

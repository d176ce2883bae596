import { DecodeError } from '@fairlead/base'
import type { Group } from './group.ts'
import { metadataFor } from './protocols.ts'

/** What consumers call their group's protocol type; only of these the metadata are understood. */
const CONSUMER_PROTOCOL_TYPE = 'consumer'

export function usesConsumerProtocol({ protocolType }: Group): boolean {
  return protocolType === CONSUMER_PROTOCOL_TYPE
}

/**
 * Tells of each topic whether the group may still read it, so that its offsets there must stay.
 *
 * Consumers say in their metadata what they subscribe to. When a group of consumers has no
 * generation yet, or metadata that nobody understands, every topic counts; of other groups (Connect)
 * none does, since they do not commit what they subscribe to.
 */
export function subscriptionOf(group: Group): (topic: string) => boolean {
  const topics = subscribedTopics(group)
  return topics === undefined ? () => usesConsumerProtocol(group) : (topic) => topics.has(topic)
}

/** The topics of all members; undefined when they are not known. */
function subscribedTopics(group: Group): ReadonlySet<string> | undefined {
  if (!usesConsumerProtocol(group)) return undefined
  if (group.members.size > 0 && group.protocolName === null) return undefined
  const topics = new Set<string>()
  try {
    for (const member of group.members.values()) {
      for (const topic of topicsOf(metadataFor(member, group.protocolName))) topics.add(topic)
    }
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
  return topics
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The topics of a ConsumerProtocolSubscription: version int16, count int32, topics as int16 length
 * and UTF-8. Every version begins so, by a promise of the protocol; what follows is not read.
 */
function topicsOf(metadata: Uint8Array): readonly string[] {
  const view = new DataView(metadata.buffer, metadata.byteOffset, metadata.byteLength)
  const topics: string[] = []
  let position = 0
  try {
    const version = view.getInt16(position)
    const count = view.getInt32(position + 2)
    if (version < 0 || count < 0) throw new DecodeError('a negative version or count', position)
    position += 6
    for (let index = 0; index < count; index += 1) {
      const length = view.getInt16(position)
      const start = position + 2
      position = start + length
      if (length < 0 || position > metadata.length) throw new DecodeError('no such topic', start)
      topics.push(UTF8.decode(metadata.subarray(start, position)))
    }
  } catch (error) {
    if (error instanceof DecodeError) throw error
    throw new DecodeError('no subscription of a consumer', position)
  }
  return topics
}

import { CoalescingCache } from './coalescing-cache.ts'
import { RegistryError } from './registry-error.ts'
import type { RegistryClient } from './types.ts'

/** Which part of a record a subject is for. */
export type RecordPart = 'key' | 'value'

/** Confluent's strategies for the subject of a topic's records. */
export const SUBJECT_NAME_STRATEGIES = {
  /** `<topic>-key` or `<topic>-value`: the default. */
  topicName: (topic: string, part: RecordPart): string => `${topic}-${part}`,
  /** Full name of the record type: one schema for all topics. */
  recordName: (_topic: string, _part: RecordPart, recordName: string): string => recordName,
  /** `<topic>-<full name>`: several types in one topic. */
  topicRecordName: (topic: string, _part: RecordPart, recordName: string): string =>
    `${topic}-${recordName}`,
} as const
export type SubjectNameStrategy = keyof typeof SUBJECT_NAME_STRATEGIES

export type SubjectNamesOptions = {
  readonly registry: Pick<RegistryClient, 'associatedSubjects'>
  /** `associated` asks the registry which subject belongs to the topic: the default, as in Confluent 8.2. */
  readonly strategy?: SubjectNameStrategy | 'associated'
  /** Where a topic has no association. `none` makes that an error. Default `topicName`. */
  readonly fallback?: SubjectNameStrategy | 'none'
  /** Id of the Kafka cluster that the topics are in. Default: any. */
  readonly clusterId?: string
}

/** Topics whose subjects are remembered, for as long as the function lives, as Confluent's clients do. */
const SUBJECTS_MAX = 1_000

/**
 * A function that tells the subject of a topic's records.
 *
 * It rejects with a `RegistryError`: not retryable for a topic that is associated with several subjects,
 * or with none where the fallback is `none`.
 */
export function createSubjectNames({
  registry,
  strategy = 'associated',
  fallback = 'topicName',
  clusterId,
}: SubjectNamesOptions): (topic: string, part: RecordPart, recordName: string) => Promise<string> {
  const cache = new CoalescingCache<string, string>({ entriesMax: SUBJECTS_MAX })
  const associated = async (
    topic: string,
    part: RecordPart,
    recordName: string,
  ): Promise<string> => {
    const [subject, ...others] = await registry.associatedSubjects(topic, part, clusterId)
    if (others.length > 0) {
      const message = `the ${part}s of topic ${topic} are associated with ${others.length + 1} subjects`
      throw new RegistryError(message, { retryable: false })
    }
    if (subject !== undefined) return subject
    if (fallback === 'none') {
      const message = `the ${part}s of topic ${topic} are associated with no subject`
      throw new RegistryError(message, { retryable: false })
    }
    return SUBJECT_NAME_STRATEGIES[fallback](topic, part, recordName)
  }
  return async (topic, part, recordName) => {
    if (strategy !== 'associated') return SUBJECT_NAME_STRATEGIES[strategy](topic, part, recordName)
    const key = JSON.stringify([topic, part, recordName])
    return cache.get(key, () => associated(topic, part, recordName))
  }
}

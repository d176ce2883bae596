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

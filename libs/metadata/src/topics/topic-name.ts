const NAME_LENGTH_MAX = 249 // Kafka's: the directory is `name-partition`, and 255 is the limit there.

/** Topics that the broker itself writes. Clients read them as any other. */
const INTERNAL_TOPICS: readonly string[] = ['__consumer_offsets', '__transaction_state']

export function isInternalTopic(name: string): boolean {
  return INTERNAL_TOPICS.includes(name)
}

/** Why `name` cannot name a topic, in Kafka's words, or undefined when it can. */
export function topicNameProblem(name: string): string | undefined {
  const reason = reasonOf(name)
  return reason && `Topic name is invalid: ${reason}`
}

function reasonOf(name: string): string | undefined {
  if (name === '') return 'the empty string is not allowed'
  if (name === '.' || name === '..') return `'${name}' is not allowed`
  if (name.length > NAME_LENGTH_MAX) {
    return `the length of '${name}' is longer than the max allowed length ${NAME_LENGTH_MAX}`
  }
  if (/^[a-zA-Z0-9._-]+$/.test(name)) return undefined
  return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
}

/** Metric names cannot tell `.` from `_`, so topics must not differ in that alone. */
export function metricName(topic: string): string {
  return topic.replaceAll('.', '_')
}

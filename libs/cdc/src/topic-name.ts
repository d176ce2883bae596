const TOPIC_LENGTH_MAX = 249

/** Why Kafka would refuse this name for a topic (`Topic.validate`); undefined when it would not. */
export function topicNameFault(topic: string): string | undefined {
  if (topic === '') return 'the topic name is empty'
  if (topic === '.' || topic === '..') return 'the topic name is . or ..'
  if (topic.length > TOPIC_LENGTH_MAX) {
    return `the topic name has ${topic.length} characters, ${TOPIC_LENGTH_MAX} are allowed`
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(topic)) {
    return `${JSON.stringify(topic)} has characters other than a-z, A-Z, 0-9, ".", "_" and "-"`
  }
  return undefined
}

/**
 * The topics that events may go to, as regular expressions for the whole of a name; empty for all. It
 * guards against data that name topics: without it whoever may write to an outbox may write to, and make,
 * any topic that the relay may.
 */
export type AllowedTopics = readonly RegExp[]

/** Of such characters alone: a name, whose dots are dots. Anything else is a regular expression. */
const NAME = /^[a-zA-Z0-9._-]+$/

/** The topics that an entry of the list means. @throws {SyntaxError} */
export function allowedTopic(entry: string): RegExp {
  return new RegExp(`^(?:${NAME.test(entry) ? entry.replaceAll('.', String.raw`\.`) : entry})$`)
}

/** Why an event may not go there; undefined when it may. */
export function notAllowedReason(topic: string, allowed: AllowedTopics): string | undefined {
  if (allowed.length === 0 || allowed.some((pattern) => pattern.test(topic))) return undefined
  return `topic ${topic} matches nothing of route.topic.include.list`
}

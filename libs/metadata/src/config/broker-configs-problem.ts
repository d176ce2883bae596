import { nearestName, truncated } from '@fairlead/base'
import { BROKER_KEYS } from './broker-key.ts'
import { configProblem } from './definition.ts'
import { TOPIC_CONFIGS } from './topic-configs.ts'
import { UNSUPPORTED_REASONS } from './unsupported-broker-configs.ts'

const NAME_LENGTH_MAX = 200

/** Broker keys that set the default of a topic key also obey the rule of that key. */
const TOPIC_RULES = new Map(
  Object.values(TOPIC_CONFIGS).flatMap((topic) =>
    topic.synonyms
      .filter(({ factor }) => factor === undefined)
      .map((synonym) => [synonym.name, topic] as const),
  ),
)

/** Why these values cannot be given to a running broker, or to all; undefined when they can. */
export function brokerConfigsProblem(
  configs: ReadonlyMap<string, string>,
  { isForAll }: { readonly isForAll: boolean },
): string | undefined {
  for (const [name, value] of configs) {
    const key = BROKER_KEYS.get(name)
    if (key === undefined) return unknownKey(name)
    if (!key.hasEffect) return `${name} cannot be changed. ${key.doc}`
    if (key.update === 'read-only') return `Cannot update these configs dynamically: [${name}]`
    if (key.update === 'per-broker' && isForAll) {
      return `Cannot update these configs at default cluster level, broker id must be specified: [${name}]`
    }
    const problem = configProblem(name, value, TOPIC_RULES.get(name) ?? key)
    if (problem !== undefined) return problem
  }
  return undefined
}

function unknownKey(given: string): string {
  // Keys that Kafka has no more, or has only while it runs.
  const reason = UNSUPPORTED_REASONS.get(given)
  if (reason !== undefined) return `${given} cannot be changed. Has no effect here: ${reason}.`
  const name = truncated(given, NAME_LENGTH_MAX)
  const nearest = nearestName(name, BROKER_KEYS.keys())
  const suggestion = nearest === undefined ? '' : `: did you mean ${nearest}?`
  return `Unknown broker config name: ${name}${suggestion}`
}
